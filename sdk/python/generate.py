"""Makes what is not written by hand: message classes from the protos, and the blocking client from the asyncio one.

The build of a wheel runs it (hatch_build.py), so that `pip install` from a checkout needs nothing else; run it by hand
after a change to `proto/` or to `src/reverie/_async/`.
"""

from __future__ import annotations

import re
import shutil
from importlib import resources
from pathlib import Path

import unasync
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
PACKAGE = ROOT / "src" / "reverie"
#: Folders below PACKAGE that the protos make, one for each package of the contract.
MESSAGES = ("memory", "transcript", "dream")

NAMES = {
    "aio": "blocking",
    "_async": "_sync",
    "AsyncClient": "Client",
    "AsyncStore": "Store",
    "AsyncStores": "Stores",
    "AsyncStoreHistory": "StoreHistory",
    "AsyncEdit": "Edit",
    "AsyncWatch": "Watch",
    "AsyncSessions": "Sessions",
    "AsyncRecording": "Recording",
    "AsyncSender": "Sender",
    "AsyncDreams": "Dreams",
    "AsyncSchedules": "Schedules",
    "AsyncTokens": "Tokens",
    "AsyncGovernance": "Governance",
    "AsyncRpc": "Rpc",
    "AsyncConnection": "Connection",
    "AsyncStoreWatch": "StoreWatch",
    "AsyncSessionWatch": "SessionWatch",
    "AsyncDreamWatch": "DreamWatch",
    "AsyncMemoryCommands": "MemoryCommands",
    "aclose": "close",
}


def generate(proto: Path, package: Path) -> None:
    """Writes everything that is generated into `package`, from the contract in `proto`."""
    make_messages(proto, package)
    make_blocking(package)


def make_messages(proto: Path, package: Path) -> None:
    """Message classes with their types. No stubs: calls are made by name (`reverie/_async/rpc.py`)."""
    files = sorted(str(file.relative_to(proto)) for file in proto.rglob("*.proto"))
    if not files:
        raise SystemExit(f"no protos in {proto}")
    for name in MESSAGES:
        shutil.rmtree(package / name, ignore_errors=True)
    known = resources.files("grpc_tools") / "_proto"
    out = package.parent
    arguments = ["protoc", f"-I{proto}", f"-I{known}", f"--python_out={out}", f"--pyi_out={out}", *files]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc refused the protos")
    for name in MESSAGES:
        for folder in (package / name, package / name / "v1"):
            (folder / "__init__.py").write_text(f'"""Messages of reverie.{name}.v1, made from the protos."""\n')


def make_blocking(package: Path) -> None:
    """The blocking client: the asyncio one without its awaits, so that both always say the same."""
    source, target = package / "_async", package / "_sync"
    shutil.rmtree(target, ignore_errors=True)
    rule = unasync.Rule(fromdir="/_async/", todir="/_sync/", additional_replacements=NAMES)
    files = sorted(source.glob("*.py"))
    unasync.unasync_files([str(file) for file in files], [rule])
    for file in files:
        made = target / file.name
        # What stands in docstrings, which the rule leaves alone.
        text = re.sub(r"\bawait (?=\w)", "", made.read_text())
        text = re.sub(r"\basync (?=with|for)", "", text)
        for name, blocking in NAMES.items():
            if name.startswith("Async"):
                text = re.sub(rf"\b{name}\b", blocking, text)
        made.write_text(f"# Made by generate.py from _async/{file.name}: change that file.\n{text}")


def contract() -> Path:
    """The folder of protos: beside this file in a source distribution, else the repository's."""
    beside = ROOT / "proto"
    return beside if beside.is_dir() else ROOT.parent.parent / "proto"


if __name__ == "__main__":
    generate(contract(), PACKAGE)
