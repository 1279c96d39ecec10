"""`Answer`: a text, and the records that stand behind it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from amazon_titles.model.language import LANGUAGES

VERSION = 1
"""Of the JSON that `Answer.to_json` writes; it grows when a field goes, changes its meaning or its type."""


@dataclass(frozen=True, slots=True)
class Source:
    """A record of the catalogue that stands behind an answer.

    Attributes:
        uid: The product's uid, an ASIN in trn.json.
        title: Its title.
        url: Its link; "" where the catalogue has none.
        dataset: Folder or Hub id of the dataset that the record stands in.
        revision: The dataset's: the Hub's commit, or `sha256:` and the first 12 digits of its report's hash for a
            folder; "" where neither is known.
        shown: Whether the model had the record before it when it answered.
        cited: Whether the answer names its uid.
        variant: Where several products have its title, what its description tells it apart by: "red", "large".
    """

    uid: str
    title: str
    url: str
    dataset: str
    revision: str = ""
    shown: bool = False
    cited: bool = False
    variant: str = ""

    @property
    def name(self) -> str:
        """Uid and title, and what tells it apart from others of that title."""
        return f"[{self.uid}] {self.title}" + (f" ({self.variant})" if self.variant else "")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its sources.

    Attributes:
        text: What is answered.
        sources: The records behind it, the likeliest first; none where no product fits the question.
        grounded: How much of the model's own words the sources support, 0 to 1 (`support.support`); None where the
            model was not asked, or said that it does not know.
        quoted: Whether `text` is the record itself, because the model's own answer was not supported.
        nearest: Titles nearest to the question, where no product fits it.
        did_you_mean: Those of them that the question may mean, as `text` asks.
        others: Records that fit the question as well as the first source: other colours, editions, sizes.
        finished: Whether the text came to its end, rather than to the length limit.
        question: As asked.
        language: `en` or `pt`: the question's, and of our own words.
        model: Name of the model that was asked.
        closed_book: Whether it had to answer without the records in view.
        made_up: Whether the catalogue is the made-up sample, whose products do not exist.
    """

    text: str
    sources: tuple[Source, ...]
    grounded: float | None
    quoted: bool = False
    nearest: tuple[str, ...] = ()
    did_you_mean: tuple[str, ...] = ()
    others: tuple[Source, ...] = ()
    finished: bool = True
    question: str = ""
    language: str = "en"
    model: str = ""
    closed_book: bool = False
    made_up: bool = False

    @property
    def kind(self) -> str:
        """`answer` in the model's words, `quotation` of the record, or `refusal`."""
        if not self.sources:
            return "refusal"
        return "quotation" if self.quoted else "answer"

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        values = asdict(self)
        return {
            "version": VERSION,
            "kind": self.kind,
            **{name: values[name] for name in ("question", "language", "model", "closed_book", "text", "finished")},
            "grounded": None if self.grounded is None else round(self.grounded, 4),
            **{name: list(values[name]) for name in ("sources", "others", "nearest", "did_you_mean")},
            "made_up": self.made_up,
        }

    def to_json(self) -> str:
        """The answer as one line of JSON; `docs/ask-json.md` tells its fields."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def to_text(self) -> str:
        """The answer for people, with its sources below it, in the language of the question."""
        return f"{self.text}\n{self.notes()}"

    def notes(self) -> str:
        """What stands below the answer: whether it is a quotation or cut off, its sources, what else fits.

        And where its products do not exist, that.
        """
        words = LANGUAGES[self.language]["notes"]
        lines = [words["quoted"] if self.quoted else "" if self.finished else words["cut"]]
        lines.append(words["sources"] if self.sources else words["none"])
        for source in self.sources:
            lines += [f"  {source.name}", f"  {source.url}" if source.url else ""]
        if self.sources and self.grounded is not None and not self.quoted:
            seen = "shown" if self.sources[0].shown else "hidden"
            lines.append("  " + words[seen].format(share=f"{self.grounded:.0%}"))
        if self.others:
            # A build tells variants apart in brackets: "Desk Lamp (red)".
            shared = self.sources[0].title.partition(" (")[0]
            if any(other.title.partition(" (")[0] == shared for other in self.others):
                lines.append(words["shared"])
            lines.append(words["others"] + "; ".join(other.name for other in self.others))
        if self.nearest and not self.did_you_mean:
            lines.append(words["nearest"] + "; ".join(self.nearest))
        lines.append(words["made_up"] if self.made_up else "")
        return "\n".join(filter(None, lines))
