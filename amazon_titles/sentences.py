"""Where a long text may be cut: at the end of a sentence."""

from __future__ import annotations

_ENDS = (". ", "! ", "? ", '." ', '!" ', '?" ', ".) ", ".” ", "!” ", "?” ")


def cut_text(text: str, limit: int) -> str:
    """Cuts an over-long text at the end of a sentence, or between two words where none ends in its second half.

    Args:
        text: One line.
        limit: Characters; at most this many are returned, an ellipsis included.
    """
    if len(text) <= limit:
        return text
    # One character more than fits: the space after a sentence that ends at the limit.
    head = text[: limit + 1]
    end = head.rfind(". ") + 1
    if end <= limit // 2:
        # The common mark is not in the second half: ask for all.
        end = max(head.rfind(mark) + len(mark) - 1 for mark in _ENDS)
    if end > limit // 2:
        return head[:end]
    return head[: max(head.rfind(" ", 0, limit), 1)].rstrip(" ,;:-–—") + "…"
