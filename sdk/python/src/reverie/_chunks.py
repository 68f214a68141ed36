"""Files on their way up, in chunks, from the start again for each try."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

Source: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO

_CHUNK_BYTES = 1 << 20


def chunks(source: Source) -> Callable[[], Iterator[bytes]]:
    """What gives the chunks of a file's name, its bytes, or an open binary file, as often as it is called."""
    if isinstance(source, bytes):
        content = source
        return lambda: (content[at : at + _CHUNK_BYTES] for at in range(0, len(content), _CHUNK_BYTES))
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return lambda: _read_path(path)
    if not source.seekable():
        return chunks(source.read())
    file, start = source, source.tell()
    return lambda: _read_file(file, start)


def name(source: Source) -> str:
    """A file's name; empty where it has none."""
    return Path(source).name if isinstance(source, str | os.PathLike) else ""


def _read_path(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from _read_file(file, 0)


def _read_file(file: BinaryIO, start: int) -> Iterator[bytes]:
    file.seek(start)
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk
