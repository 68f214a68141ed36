"""Three-way merge of texts by line, as the server merges stores.

diff3 as Khanna, Kunal and Pierce formalise it (A Formal Investigation of Diff3, FSTTCS 2007): at least one line that
both sides kept must stand between two changes that are to be combined.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher


class Overlap(Exception):  # noqa: N818 - a finding, which callers turn into their own error
    """Both sides changed the same lines, and differently."""


@dataclass
class _Edit:
    """Base lines that one side replaced by lines of its own."""

    base: range
    target: range


def merge3(base: str, ours: str, theirs: str) -> str:
    """Brings what `theirs` changed since `base` into `ours`.

    Raises:
        Overlap: both changed the same or neighbouring lines, and differently.
    """
    base_lines, our_lines, their_lines = (_lines(text) for text in (base, ours, theirs))
    our_edits = _Side(base_lines, our_lines)
    their_edits = _Side(base_lines, their_lines)
    merged: list[str] = []
    at = 0
    while True:
        starts = [side.edits[0].base.start for side in (our_edits, their_edits) if side.edits]
        if not starts:
            break
        start = end = min(starts)
        merged += base_lines[at:start]
        our_start, their_start = our_edits.place(start), their_edits.place(start)
        # Edits that overlap or touch, on whichever side, belong to one place.
        our_changed = their_changed = False
        while True:
            if (edit := our_edits.pass_up_to(end)) is not None:
                end, our_changed = max(end, edit.base.stop), True
            elif (edit := their_edits.pass_up_to(end)) is not None:
                end, their_changed = max(end, edit.base.stop), True
            else:
                break
        our_part = our_lines[our_start : our_edits.place(end)]
        their_part = their_lines[their_start : their_edits.place(end)]
        if our_changed and their_changed and our_part != their_part:
            raise Overlap
        merged += our_part if our_changed else their_part
        at = end
    return "".join(merged + base_lines[at:])


class _Side:
    """One side's edits while the merge passes over the base."""

    def __init__(self, base: list[str], target: list[str]) -> None:
        self.edits = list(_edits(base, target))
        #: How much further down than in the base the lines after the passed edits are.
        self._shift = 0

    def pass_up_to(self, base_line: int) -> _Edit | None:
        if not self.edits or self.edits[0].base.start > base_line:
            return None
        edit = self.edits.pop(0)
        self._shift = edit.target.stop - edit.base.stop
        return edit

    def place(self, base_line: int) -> int:
        """Where a base line, which lies between the passed edits and the next, is on this side."""
        return base_line + self._shift


def _edits(base: list[str], target: list[str]) -> Iterator[_Edit]:
    matcher = SequenceMatcher(None, base, target, autojunk=False)
    for kind, base_start, base_end, target_start, target_end in matcher.get_opcodes():
        if kind != "equal":
            yield _Edit(range(base_start, base_end), range(target_start, target_end))


def _lines(text: str) -> list[str]:
    """With their ends; only LF ends a line, as everywhere in Reverie."""
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]
