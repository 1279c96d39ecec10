"""`Answer`: a text, and the records that stand behind it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """A record of the catalogue that stands behind an answer.

    Attributes:
        uid: The product's uid, an ASIN in trn.json.
        title: Its title.
        url: Its link; "" where the catalogue has none.
        dataset: Folder or Hub id of the dataset that the record stands in.
        shown: Whether the model had the record before it when it answered.
    """

    uid: str
    title: str
    url: str
    dataset: str
    shown: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its sources.

    Attributes:
        text: What is answered.
        sources: The records behind it, the likeliest first; none where no product fits the question.
        grounded: How much of the model's own words the sources support, 0 to 1 (`metrics.grounded_share`); None where
            the model was not asked.
        quoted: Whether `text` is the record itself, because the model's own answer was not supported.
        nearest: Titles nearest to the question, where no product fits it.
    """

    text: str
    sources: tuple[Source, ...]
    grounded: float | None
    quoted: bool = False
    nearest: tuple[str, ...] = ()

    def to_text(self) -> str:
        """The answer for people, with its sources below it."""
        lines = [self.text]
        if self.quoted:
            lines.append("(The record itself: the model's own words were not supported by it.)")
        if self.sources:
            lines.append("Sources:")
            for source in self.sources:
                lines += [f"  [{source.uid}] {source.title}", *([f"  {source.url}"] if source.url else [])]
            if self.grounded is not None and not self.quoted:
                seen = "shown to" if self.sources[0].shown else "not shown to"
                lines.append(f"  ({self.grounded:.0%} supported by the source, which was {seen} the model)")
        else:
            lines.append("Sources: none")
            if self.nearest:
                lines.append("Nearest titles: " + "; ".join(self.nearest))
        return "\n".join(lines)
