"""The words of the Messages API's memory tool, as its documentation and Anthropic's own file tool have them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from reverie.types.memory import Directory, Memory

ROOT = "/memories"
LINES_MAX = 999_999
_NUMBER_WIDTH = 6


class MemoryToolError(Exception):
    """What the model is told where a command could not be carried out."""


def relative(path: str) -> str:
    """A tool's path from the root, in normal form; empty for the root itself.

    Raises:
        MemoryToolError: it lies elsewhere.
    """
    if path != ROOT and not path.startswith(ROOT + "/"):
        raise MemoryToolError(f"Path must start with {ROOT}, got: {path}")
    found = posixpath.normpath(path[len(ROOT) :].lstrip("/") or ".")
    if found == ".." or found.startswith("../"):
        raise MemoryToolError(f"Path {path} would escape {ROOT} directory")
    return "" if found == "." else found


def absent(path: str) -> MemoryToolError:
    """For view, str_replace and insert."""
    return MemoryToolError(f"The path {path} does not exist. Please provide a valid path.")


def size(number: int) -> str:
    """Bytes as `du -h` has them."""
    if number == 0:
        return "0B"
    step = min((number.bit_length() - 1) // 10, 3)
    scaled = number / 1024**step
    return f"{int(scaled) if scaled == int(scaled) else f'{scaled:.1f}'}{'BKMG'[step]}"


def numbered(lines: Iterable[str], first: int) -> str:
    """Lines with their numbers."""
    return "\n".join(f"{number:>{_NUMBER_WIDTH}}\t{line}" for number, line in enumerate(lines, first))


def content(path: str, text: str, view_range: list[int] | None) -> str:
    """What a view of a file says."""
    lines = text.split("\n")
    if len(lines) > LINES_MAX:
        raise MemoryToolError(f"File {path} exceeds maximum line limit of 999,999 lines.")
    start, end = 1, len(lines)
    if view_range and len(view_range) == 2:
        start = max(1, view_range[0])
        end = len(lines) if view_range[1] == -1 else view_range[1]
    return f"Here's the content of {path} with line numbers:\n{numbered(lines[start - 1 : end], start)}"


def listing(path: str, entries: Iterable[tuple[str, int]]) -> str:
    """What a view of a directory says.

    Args:
        path: the directory, as the tool was asked for it.
        entries: paths from it on and sizes in bytes; a path that ends in a slash is a directory's.
    """
    tree: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for entry, bytes_ in entries:
        parts = entry.rstrip("/").split("/")
        if any(part.startswith(".") for part in parts[:2]):
            continue
        is_directory = entry.endswith("/") or len(parts) > 2
        sizes[""] = sizes.get("", 0) + bytes_
        if len(parts) > 1:
            sizes[f"{parts[0]}/"] = sizes.get(f"{parts[0]}/", 0) + bytes_
            tree[f"{parts[0]}/"] = 0
        shown = "/".join(parts[:2]) + ("/" if is_directory else "")
        tree[shown] = tree.get(shown, 0) + bytes_
    root = path.rstrip("/")
    # Names in order, each directory before what it holds.
    shown_in_order = sorted(tree, key=lambda entry: [part for part in entry.split("/") if part])
    lines = [f"{size(sizes.get('', 0))}\t{path}"]
    lines += [f"{size(sizes.get(entry, 0) or tree[entry])}\t{root}/{entry}" for entry in shown_in_order]
    return f"Here're the files and directories up to 2 levels deep in {path}, excluding hidden items:\n" + "\n".join(
        lines
    )


def entry_below(prefix: str, entry: Memory | Directory) -> tuple[str, int]:
    """What `listing` wants of an entry of the store, from `prefix` on."""
    below = entry.path[len(prefix.rstrip("/")) + 1 :]
    if isinstance(entry, Directory):
        return f"{below}/", entry.content_bytes
    return below, entry.size_bytes


def replaced(path: str, text: str, old: str, new: str) -> tuple[str, str]:
    """A text with its one occurrence of `old` replaced, and what the model is told.

    Raises:
        MemoryToolError: there is none, or there are several.
    """
    count = text.count(old)
    if count == 0:
        raise MemoryToolError(f"No replacement was performed, old_str `{old}` did not appear verbatim in {path}.")
    at = text.find(old)
    if count > 1:
        lines = []
        found = at
        while found != -1:
            lines.append(text.count("\n", 0, found) + 1)
            found = text.find(old, found + 1)
        raise MemoryToolError(
            f"No replacement was performed. Multiple occurrences of old_str `{old}` in lines: "
            f"{', '.join(map(str, lines))}. Please ensure it is unique"
        )
    changed = text[:at] + new + text[at + len(old) :]
    line = text.count("\n", 0, at)
    first = max(0, line - 2)
    snippet = numbered(changed.split("\n")[first : line + 3], first + 1)
    return changed, (
        f"The memory file has been edited. Here is the snippet showing the change (with line numbers):\n{snippet}"
    )


def inserted(text: str, line: int, new: str) -> str:
    """A text with lines inserted after a line.

    Raises:
        MemoryToolError: there is no such line.
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not 0 <= line <= len(lines):
        raise MemoryToolError(
            f"Invalid `insert_line` parameter: {line}. It should be within the range [0, {len(lines)}]."
        )
    lines.insert(line, new.rstrip("\n"))
    changed = "\n".join(lines)
    return changed if changed.endswith("\n") else changed + "\n"


def moved_on(path: str, memory: Memory, what: str) -> MemoryToolError:
    """For a command that rests on what the model saw, where somebody else has written since."""
    lines = numbered(memory.text.split("\n"), 1)
    who = f"by {memory.actor}: nothing was {what}"
    return MemoryToolError(f"The file {path} has changed since you viewed it, {who}. It now reads:\n{lines}")
