"""The three-way merge: its laws, and that it is the server's."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reverie
from reverie.merge import Overlap, merge3

TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "d"]), max_size=8).map("".join)


def merged(base: str, ours: str, theirs: str) -> str | None:
    try:
        return merge3(base, ours, theirs)
    except Overlap:
        return None


@given(TEXTS, TEXTS)
def test_a_side_that_changed_nothing_yields(base: str, changed: str) -> None:
    assert merged(base, changed, base) == changed
    assert merged(base, base, changed) == changed
    assert merged(base, changed, changed) == changed


@given(TEXTS, TEXTS, TEXTS)
def test_both_directions_agree(base: str, ours: str, theirs: str) -> None:
    assert merged(base, ours, theirs) == merged(base, theirs, ours)


@given(st.lists(st.integers(0, 99), min_size=7, max_size=30), st.data())
def test_changes_with_a_kept_line_between_them_are_both_in(numbers: list[int], data: st.DataObject) -> None:
    # Unique lines, so that what changed can be told in one way only.
    lines = [f"{n} {number}\n" for n, number in enumerate(numbers)]
    first = data.draw(st.integers(0, len(lines) - 3))
    second = data.draw(st.integers(first + 2, len(lines) - 1))
    ours, theirs = list(lines), list(lines)
    ours[first], theirs[second] = "ours\n", "theirs\n"
    both = list(ours)
    both[second] = "theirs\n"
    assert merged("".join(lines), "".join(ours), "".join(theirs)) == "".join(both)


def test_neighbouring_changes_overlap() -> None:
    assert merged("1\n2\n", "one\n2\n", "1\ntwo\n") is None
    assert merged("1\n", "1\nours\n", "1\ntheirs\n") is None
    assert merged("1\n2\n3\n", "2\n3\n", "1\n2\n") == "2\n"
    assert merged("a", "a\nb", "a") == "a\nb"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, TEXTS, TEXTS)
def test_it_merges_as_the_server_does(store: reverie.Store, base: str, ours: str, theirs: str) -> None:
    store.write("/a.md", base)
    fork = store.fork()
    store.write("/a.md", ours)
    fork.write("/a.md", theirs)
    try:
        store.merge(fork.name)
        server = store.read("/a.md").text
    except reverie.ConflictError:
        server = None
    ours_alone = merged(base, ours, theirs)
    # Where lines repeat, one diff may pair them in another way than the other: then one side may see an overlap that
    # the other does not. A text is never merged into two different ones.
    if server is not None and ours_alone is not None:
        assert ours_alone == server


def test_an_overlap_is_an_overlap_for_the_server_too(store: reverie.Store) -> None:
    base = "".join(f"{n}\n" for n in range(9))
    for n, (mine, other) in enumerate([("3\n", "3\n"), ("3\n", "4\n"), ("3\n", "5\n"), ("0\n", "8\n")]):
        path = f"/{n}.md"
        store.write(path, base)
        fork = store.fork()
        ours, theirs = base.replace(mine, "ours\n"), base.replace(other, "theirs\n")
        store.write(path, ours)
        fork.write(path, theirs)
        if merged(base, ours, theirs) is None:
            with pytest.raises(reverie.ConflictError):
                store.merge(fork.name, include=[path])
        else:
            store.merge(fork.name, include=[path])
            assert store.read(path).text == merged(base, ours, theirs)
