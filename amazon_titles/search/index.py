"""`CatalogIndex`: which products is this question about, and when is it about none."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, takewhile
from math import log1p
from pathlib import Path

from amazon_titles.catalog import Product
from amazon_titles.catalog.variants import COLOURS, colours_of
from amazon_titles.errors import InputError
from amazon_titles.hub_errors import explain
from amazon_titles.io import is_local, local_folder, may_be_hub_id
from amazon_titles.search import storage
from amazon_titles.search.matching import MatchScore, Weigh, match_score
from amazon_titles.search.stopwords import OF, STOP
from amazon_titles.search.words import Word, allowed_typos, codes, name_in, plain, question_words, quotations
from amazon_titles.text import words_of

# How many titles tantivy ranks for one question before they are compared word by word.
_CANDIDATES = 30
# Of those, so many are compared in any case, and of the others only what has nearly as much of the question as any.
_FIRST, _NEARLY = 8, 0.7
# Words of a question that are looked for, the rarest first; a title is found by fewer.
_TERMS = 8
# Between two titles whose scores differ by less there is nothing to choose; nor where it is the evidence that does.
_SAME, _ALIKE = 0.02, 0.05
# A title is what a question may mean, where as much of both is the other's, of 2 in all.
_MAYBE = 0.75
# A question that names nothing else fits a title of which it has half the words.
_HALF = 0.5
# What the whole of a title is, after rounding.
_WHOLE = 0.999


@dataclass(frozen=True, slots=True)
class Hit:
    """A product that fits a question.

    Attributes:
        product: As in the dataset's `catalog` config.
        score: Share of what the question names that the product's title has, 0 to 1. Rare words weigh more; the
            size of the catalogue does not matter.
        tied: Whether it fits the question as well as the best one does, there being others that do: variants, such as
            colours, editions and sizes, or two products of one title.
        by_uid: Whether the question names its uid rather than its title.
    """

    product: Product
    score: float
    tied: bool = False
    by_uid: bool = False


def dataset_folder(dataset: str | Path, wanted: Sequence[str], *, token: str | None = None) -> Path:
    """The folder of a dataset: itself where it is one, else what the Hub's cache has of it, or gets.

    Args:
        dataset: A dataset folder, or a Hub id: `ID` or `ID@REVISION`.
        wanted: Patterns of the files to get from the Hub.
        token: Of the Hub; by default the one that is logged in.

    Raises:
        InputError: There is no such folder, and it is not a valid Hub id.
        AmazonTitlesError: The Hub does not give it; the message says why.
    """
    if is_local(dataset):
        return Path(dataset)
    repo, _, revision = str(dataset).partition("@")
    if not may_be_hub_id(repo):
        raise InputError(f"No dataset folder {str(dataset)!r}.", hint="Make one: amazon-titles build SOURCE --out DIR")
    where = {"repo_type": "dataset", "revision": revision or None, "token": token}
    try:
        return local_folder(repo, **where, allow_patterns=wanted)
    except Exception as error:
        raise explain(error, repo, "dataset", token=token) from None


class CatalogIndex:
    """An index of a catalogue's products. `CatalogIndex.build` keeps it on disk and is what a dataset wants.

    Args:
        products: What can be found; a few, since they go through memory.
    """

    # Below this share of what the question names there is "no such product". Of tests/data/questions.jsonl, what is in
    # the catalogue scores 0.78 or more, and what is not 0.60 or less; real rows and 1.4 million products lie closer.
    THRESHOLD = 0.75

    def __init__(self, products: Iterable[Product]) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="amazon-titles-", ignore_cleanup_errors=True)
        storage.write(Path(self._scratch.name), storage.as_blocks(products))
        self._open(Path(self._scratch.name))

    def _open(self, folder: Path) -> None:
        self._store = storage.Store(folder)
        self._weigh: Weigh = lru_cache(maxsize=1 << 16)(self._rarity)

    def __len__(self) -> int:
        return len(self._store)

    @classmethod
    def build(cls, dataset: str | Path) -> CatalogIndex:
        """Opens the index of a dataset's `catalog` config; built first, unless a cache has it.

        Args:
            dataset: A dataset folder, or a Hub id: `ID` or `ID@REVISION`.

        Raises:
            InputError: There is no such dataset, it holds no catalogue, an empty or a damaged one, or the cache cannot
                be written.
            AmazonTitlesError: The Hub does not give it; the message says why.
        """
        index = cls.__new__(cls)
        index._open(storage.index_folder(dataset_folder(dataset, ["report.json", "catalog/*"])))
        return index

    def search(self, question: str, k: int = 3) -> list[Hit]:
        """The products that a question fits, best first; none where nothing fits.

        Args:
            question: Free text in English or Portuguese. Where it holds a quotation, the quotation is what is looked
                for; a uid, alone or in a sentence, or a link that holds one, finds its product.
            k: At most this many.
        """
        question = plain(question)
        sure, maybe, rest = codes(question)
        quoted = quotations(rest)
        rows = self._by_code(*sure, *maybe)
        if not rows and not sure and not quoted:
            # A name that is a uid: "Tell me about 1001". In quotation marks it is a title first.
            rows = self._by_code(name_in(rest))
        if rows or sure:
            return self._named_by_uid(rows[:k])
        ranked = self._fitting(rest)
        if not ranked:
            return self._named_by_uid(self._by_code(*quoted)[:k])
        good = [_as_good(found, ranked[0][1]) for _, found in ranked]
        return [
            Hit(self._store.product(row), round(found.score, 3), tied=alike and sum(good) > 1)
            for (row, found), alike in zip(ranked[:k], good, strict=False)
        ]

    def nearest(self, question: str, k: int = 3) -> list[Product]:
        """The titles nearest to a question, best first, also where none of them fits."""
        return [self._store.product(row) for row, _ in self._ranked(codes(plain(question))[2])[:k]]

    def did_you_mean(self, question: str, k: int = 3) -> list[Product]:
        """Of the nearest, those that a question which no title fits may mean all the same."""
        ranked = self._ranked(codes(plain(question))[2])
        return [self._store.product(row) for row, found in ranked if found.score + found.coverage >= _MAYBE][:k]

    def example(self) -> Product:
        """A product that can be asked about."""
        return self._store.product(0)

    def names_product(self, question: str) -> bool:
        """Whether a question seems to name a product, rather than to greet, or to ask about the whole catalogue."""
        sure, _, rest = codes(question := plain(question))
        words = question_words(rest)
        naming = [word for word in words if not word.filler or (word.capital and not word.breaks)]
        unknown = {word.text for word in naming if not self._store.frequency(word.text)}
        # "zorvex teapot", alone or in a sentence of small letters.
        together = any(
            after.start - word.end <= 1 and not unknown.isdisjoint((word.text, after.text))
            for word, after in pairwise(naming)
        )
        alone = bool(naming) and len(naming) == len(words)
        capital = [word for word in naming if word.capital and not word.filler]
        told = len(capital) > 1 or any(not word.breaks and not self._of_the_world(words, word) for word in capital)
        return bool(sure or quotations(rest)) or told or together or alone

    def _of_the_world(self, words: list[Word], name: Word) -> bool:
        """Whether a name is told of by a noun that no product has: "the capital of France", but "the price of Zorvex".

        Nor "the kettle of Zorvex", where there are kettles, and nothing of that name.
        """
        linked = list(takewhile(lambda word: word.stop, reversed(words[: words.index(name)])))
        noun = words[words.index(name) - len(linked) - 1]
        kind = self._store.frequency(noun.text) and not self._store.frequency(name.text)
        return not (noun.filler or noun.capital or kind) and any(word.text in OF - {"the"} for word in linked)

    def named(self, question: str) -> str:
        """What a question seems to name: the quotation in it, else its words that can name a product."""
        question = plain(question)
        if quoted := quotations(question):
            return quoted[0]
        return name_in(question) or question.strip()

    def _fitting(self, question: str) -> list[tuple[int, MatchScore]]:
        """The rows that a question fits, best first.

        Where their titles name no colour and the question does, those whose descriptions do: what tells of other
        colours only is another product.
        """
        ranked = self._ranked(question)
        if not ranked:
            return []
        fitting, asked = self._surely(question, ranked), ranked[0][1].colours
        if not asked:
            return fitting
        if not fitting:  # of "Umbra Desk Lamp, Blue" the name is what is left
            for word in reversed(question_words(question)):
                if word.text in COLOURS:
                    question = question[: word.start] + question[word.end :]
            plainly = self._surely(question, self._ranked(question))
            return [one for one in plainly if asked & colours_of(self._store.product(one[0]).content)]
        told = {row: colours_of(self._store.product(row).content) for row, _ in fitting}
        named = [one for one in fitting if asked & told[one[0]]]
        return named or [one for one in fitting if not told[one[0]]]

    def _surely(self, question: str, ranked: list[tuple[int, MatchScore]]) -> list[tuple[int, MatchScore]]:
        """Of the ranked those that fit; none where a question names what is not there, or either of two titles."""
        fitting = [(row, found) for row, found in ranked if found.score >= self.THRESHOLD]
        if not fitting:
            return []
        best = fitting[0][1]
        if best.coverage < _HALF and not self.names_product(question):  # "which kettle is cheapest?"
            return []
        if any(found.slips != best.slips and _as_good(found, best) for _, found in fitting):
            return []  # a slip that makes either of two titles
        # "The Green Geranium", where "The Blue Geranium" is what is there, is no title with a weaker likeness.
        near = max((found.evidence for _, found in ranked if found.other), default=0.0)
        return fitting if best.evidence > near - _ALIKE else []

    def _named_by_uid(self, rows: Sequence[int]) -> list[Hit]:
        return [Hit(self._store.product(row), 1.0, tied=len(rows) > 1, by_uid=True) for row in rows]

    def _by_code(self, *codes: str) -> list[int]:
        found: dict[int, None] = {}
        for code in codes:
            spelt = dict.fromkeys(filter(None, (code, code.upper(), code.lower())))
            found |= dict.fromkeys(next(filter(None, map(self._store.rows_of, spelt)), []))
        return list(found)

    def _ranked(self, question: str) -> list[tuple[int, MatchScore]]:
        """The rows that have anything of a question, best first."""
        quoted = quotations(question)
        best: dict[int, MatchScore] = {}
        for text in quoted or [question]:
            for row, found in self._scored(question_words(text, quoted=bool(quoted))).items():
                if row not in best or best[row].score < found.score:
                    best[row] = found
        return sorted(((row, found) for row, found in best.items() if found.score), key=_order)

    def _scored(self, words: Sequence[Word]) -> dict[int, MatchScore]:
        terms = self._terms(words)
        scores = self._compared(self._store.find(terms, _CANDIDATES), words)
        if max((found.score for found in scores.values()), default=0.0) < self.THRESHOLD:
            # A mistyped word may be another title's word.
            terms = [
                (word, 8.0, most) if weight >= 1 and (most := typos or allowed_typos(word)) else (word, weight, 0)
                for word, weight, typos in terms
            ]
            scores |= self._compared([row for row in self._store.find(terms, _CANDIDATES) if row not in scores], words)
        return scores

    def _compared(self, rows: Sequence[int], words: Sequence[Word]) -> dict[int, MatchScore]:
        """Compares word by word: the rows that come first, and those that have nearly as much of the question."""
        titles = [words_of(self._store.title(row)) for row in rows]
        asked = {word.text for word in words if not word.stop}
        shared = [sum(map(self._weigh, asked.intersection(title))) for title in titles]
        enough = _NEARLY * max(shared, default=0.0)
        return {
            row: match_score(words, titles[place], self._weigh)
            for place, row in enumerate(rows)
            if place < _FIRST or shared[place] >= enough
        }

    def _terms(self, words: Sequence[Word]) -> list[storage.Term]:
        """What is looked for: rare words first, filler words with little weight, mistyped words for what they mean."""
        naming = [word for word in words if word.text not in STOP] or [word for word in words if word.quoted]
        terms: dict[str, storage.Term] = {}
        for place, word in enumerate(naming):
            if self._store.frequency(word.text):
                terms[word.text] = (word.text, 0.3 if word.filler else 1.0, 0)
            elif not word.filler:
                if typos := allowed_typos(word.text) or int(len(word.text) == 3 and word.text.isalpha()):
                    terms[word.text] = (word.text, 8.0, typos)
                for part in self._parts(word.text):
                    terms.setdefault(part, (part, 1.0, 0))
            if place and self._store.frequency(both := naming[place - 1].text + word.text):
                terms.setdefault(both, (both, 1.0, 0))
        return sorted(terms.values(), key=lambda term: -self._weigh(term[0]) * term[1])[:_TERMS]

    def _rarity(self, word: str) -> float:
        """How much a word says: the less, the more titles have it."""
        count = len(self._store)
        return log1p(count / (self._store.frequency(word) + 0.5)) / (log1p(2 * count) or 1.0)

    def _parts(self, text: str) -> list[str]:
        """Two words that were written as one."""
        for at in range(2, len(text) - 1):
            if self._store.frequency(text[:at]) and self._store.frequency(text[at:]):
                return [text[:at], text[at:]]
        return []


def _order(ranked: tuple[int, MatchScore]) -> tuple[float, ...]:
    row, found = ranked
    return -round(found.score / _SAME), -round(found.evidence / _ALIKE), -found.coverage, row


def _as_good(one: MatchScore, best: MatchScore) -> bool:
    alike = best.score - one.score < _SAME and best.evidence - one.evidence < _ALIKE
    return alike and (one.coverage >= _WHOLE or best.coverage < _WHOLE)
