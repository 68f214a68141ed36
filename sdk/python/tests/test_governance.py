"""Redaction, verification, the audit log, export and import."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import reverie


def test_redacted_is_gone_and_the_chain_still_verifies(client: reverie.Client, store: reverie.Store) -> None:
    store.write("/keys.md", "the key is sk-0123456789\n")
    store.write("/keys.md", "the key is in the vault\n")
    dry = client.governance.redact(store.name, regex="sk-[0-9]+", reason="a key was pasted", dry_run=True)
    assert (dry.id, dry.counts.versions) == ("", 1)
    done = client.governance.redact(store.name, regex="sk-[0-9]+", reason="a key was pasted")
    assert done.state is reverie.RedactionState.SUCCEEDED
    assert [v.revision for v in done.versions] == [1]
    with pytest.raises(reverie.PreconditionError) as refused:
        store.read("/keys.md", revision=1)
    assert refused.value.reason == "REDACTED"
    (gone,) = store.list(contents=True, revision=1)
    assert gone.redacted
    with pytest.raises(ValueError, match="erased"):
        _ = gone.text
    assert client.governance.redaction(done.id) == done
    *_, first = store.versions("/keys.md")
    assert first.redaction is not None
    assert (first.redaction.id, first.redaction.actor.principal) == (done.id, "admin")
    assert [r.id for r in client.governance.redactions(store.name)] == [done.id]
    check = client.governance.verify(store.name)
    assert (check.commits, check.redacted, check.problems) == (2, 1, ())
    with pytest.raises(ValueError, match="exactly one"):
        client.governance.redact(store.name, reason="nothing")


def test_the_audit_log_tells_who_did_what(client: reverie.Client, store: reverie.Store) -> None:
    client.stores.update(store.name, retention=reverie.Retention(legal_hold=True))
    events = list(client.governance.audit(store=store.name))
    assert events
    assert all(e.allowed and e.store == store.info.id and e.actor.principal == "admin" for e in events)
    assert list(client.governance.audit(store=store.name, refused_only=True)) == []
    client.stores.update(store.name, retention=reverie.Retention())


def test_a_store_goes_out_and_comes_back(
    client: reverie.Client, store: reverie.Store, handle: str, tmp_path: Path
) -> None:
    store.write("/a.md", "1\n", message="First")
    store.write("/a.md", "2\n", message="Second")
    file = tmp_path / "store.tar.zst"
    assert client.governance.export(store.name, file, with_history=True) == 2
    assert [f.name for f in tmp_path.iterdir()] == [file.name]
    again = io.BytesIO()
    client.governance.export(store.name, again, with_history=True)
    assert again.getvalue() == file.read_bytes()
    imported = client.governance.import_store(file, f"{handle}-2")
    back = client.store(imported.store.id)
    assert (imported.commits, imported.memories, imported.problems) == (2, 1, ())
    assert [c.message for c in back.log()][:2] == ["Second", "First"]
    claim = next(back.versions("/a.md")).actor.claim
    assert claim is not None
    assert claim.principal == "admin"
    again.seek(0)
    assert client.governance.import_store(again, f"{handle}-3", name="Third").store.name == "Third"
    with pytest.raises(reverie.Error):
        client.governance.import_store(b"what is this", f"{handle}-4")
    with pytest.raises(reverie.NotFoundError):
        client.governance.export("none", tmp_path / "none")
    assert [f.name for f in tmp_path.iterdir()] == [file.name]
    with pytest.raises(ValueError, match="jsonl"):
        client.governance.export(store.name, again, format="zip")


async def test_beside_a_loop_too(aclient: reverie.AsyncClient, astore: reverie.AsyncStore, handle: str) -> None:
    await astore.write("/a.md", "1\n")
    out = io.BytesIO()
    assert await aclient.governance.export(astore.name, out, format="jsonl") == 1
    imported = await aclient.governance.import_store(out.getvalue(), f"{handle}-2")
    assert (await aclient.store(imported.store.id).read("/a.md")).text == "1\n"
