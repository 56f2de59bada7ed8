"""In which order rows are copied in place, so that nobody reads a row that has been overwritten."""

from __future__ import annotations

from collections.abc import Mapping

ASIDE = -1
"""The place beside the rows, where one waits that a circle of copies would overwrite."""


def in_order(sources: Mapping[int, int]) -> list[tuple[int, int]]:
    """Returns copies (from, to) that have, done one after the other, the effect of all at once.

    Args:
        sources: By row to be overwritten, the row whose content before all copies it is to have.
    """
    left = {to: source for to, source in sources.items() if to != source}
    ordered: list[tuple[int, int]] = []
    while left:
        read = set(left.values())
        free = [to for to in left if to not in read]
        for to in free:
            ordered.append((left.pop(to), to))
        if not free:
            # Only circles are left: whoever reads the first row reads it from there instead.
            first = next(iter(left))
            ordered.append((first, ASIDE))
            left = {to: ASIDE if source == first else source for to, source in left.items()}
    return ordered
