"""Whether an answer's sources support it, and whether it names the right one."""

from __future__ import annotations

from collections.abc import Sequence

from amazon_titles.metrics.facts import CITATION, facts, stated, without_citations, words


def grounded_share(answer: str, sources: Sequence[str]) -> float:
    """How much of an answer its sources support, 0 to 1: the lower of two shares, its words and its facts.

    The facts count for themselves because two products of one kind share most of their words, and differ in numbers
    and names. Citations such as `[0001360000]` are not counted; an answer without words has 0.

    Args:
        answer: What the model said.
        sources: The texts (titles included) that the answer names as its sources.
    """
    said = words(without_citations(answer))
    if not said:
        return 0.0
    known = frozenset[str]().union(*map(stated, sources))
    claimed = facts(answer)
    by_word = sum(word in known for word in said) / len(said)
    return min(by_word, len(claimed & known) / len(claimed)) if claimed else by_word


def cites(answer: str, uid: str) -> bool:
    """Whether an answer cites this product, `[uid]`, and no other."""
    return set(CITATION.findall(answer)) == {uid}
