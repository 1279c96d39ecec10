"""A question becomes a prompt, and what the model says becomes an answer with its sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amazon_titles.catalog import Product
from amazon_titles.conversations import abstention, is_abstention
from amazon_titles.errors import InputError
from amazon_titles.model.answer import Answer
from amazon_titles.model.catalog import Catalog
from amazon_titles.model.generation import ChatModel, Generation
from amazon_titles.model.grounding import behind, fact_share, tells, without_false_citations
from amazon_titles.model.language import question_language
from amazon_titles.model.prompts import by_title, closed_prompt, grounded_prompt
from amazon_titles.templates import Message

QUOTE_BELOW = 0.7
"""An answer that its sources support less is replaced by a quotation of the record."""
QUOTE_BELOW_FACTS = 1.0
"""Likewise of its numbers and names alone: one that is not the record's is enough, however right the other words are.
benchmarks/results/quoting.md has what other thresholds let through, and how often a right answer is lost to them."""

# So many variants of a product are listed beside the one that is answered about, at most.
_OTHERS = 7


@dataclass(frozen=True, slots=True)
class Options:
    """How to ask; as in `CatalogModel.ask`."""

    k: int = 3
    closed_book: bool = False
    language: str | None = None
    max_new_tokens: int = 256


@dataclass(frozen=True, slots=True)
class RetrievedPrompt:
    """A question that is ready for the model.

    Attributes:
        question: As asked.
        language: Its language.
        products: What the model is shown, or closed book the one that it is asked about; the likeliest first.
        others: What fits as well as the first of them.
        messages: The prompt.
        by_uid: Whether the question names the first product by its uid.
    """

    question: str
    language: str
    products: list[Product]
    others: list[Product]
    messages: list[Message]
    by_uid: bool = False


def prepare(question: str, catalogue: Catalog, speaker: ChatModel, options: Options) -> RetrievedPrompt | Answer:
    """Looks a question up: the prompt for the model, or, where no product fits, the refusal.

    Raises:
        InputError: The question is empty, or too long for the model.
    """
    if not question.strip():
        raise InputError(
            "The question is empty.", hint="Ask about a product: amazon-titles ask 'What is \"…\"?' --model DIR"
        )
    language = options.language or question_language(question)
    hits = catalogue.index.search(question, options.k + _OTHERS)
    if not hits:
        return _refusal(question, language, catalogue, speaker, options)
    first, rest = hits[0].product, hits[1:]
    others = [hit.product for hit in rest if hit.tied]
    spoken = by_title(question, [hit.product for hit in hits if hit.by_uid], language=language)
    if options.closed_book:
        products = [first]  # the only one that it is asked about
        messages = closed_prompt(spoken, speaker, max_new_tokens=options.max_new_tokens)
    else:
        # Another colour of the same product in view would lend its numbers to the answer.
        near = [first, *(hit.product for hit in rest if not hit.tied)][: options.k]
        messages, products = grounded_prompt(
            spoken, near, speaker, language=language, max_new_tokens=options.max_new_tokens
        )
    return RetrievedPrompt(question, language, products, others[:_OTHERS], messages, hits[0].by_uid)


def finalize(
    asked: RetrievedPrompt, said: Generation, catalogue: Catalog, speaker: ChatModel, options: Options
) -> Answer:
    """What the model said as an answer: with the records behind it, or the record itself where they support too little.

    A model that says there is no such product is believed, unless the question names a product's uid, or a title that
    was found stands in it word for word. Where it names a uid, an answer must tell something of that product.
    """
    text = without_false_citations(said.text, asked.products).strip()
    if is_abstention(text) and not (asked.by_uid or _names_one(asked.question, asked.products)):
        return _refusal(asked.question, asked.language, catalogue, speaker, options)
    sources, grounded = behind(text, asked.products)
    true_facts = fact_share(text, sources)
    quoted = (
        is_abstention(text)
        or grounded < QUOTE_BELOW
        or (true_facts is not None and true_facts < QUOTE_BELOW_FACTS)
        or (asked.by_uid and not tells(text, sources[0]))
    )
    if quoted:
        sources = asked.products[:1]
        text = f"{sources[0].content} [{sources[0].uid}]"
    shown = not options.closed_book
    return Answer(
        text,
        tuple(catalogue.source(product, shown=shown, cited=f"[{product.uid}]" in text) for product in sources),
        grounded,
        quoted=quoted,
        others=tuple(catalogue.source(product) for product in asked.others if product not in sources),
        finished=quoted or said.finished,
        question=asked.question,
        language=asked.language,
        model=speaker.name,
        closed_book=options.closed_book,
        made_up=catalogue.made_up,
    )


def _refusal(question: str, language: str, catalogue: Catalog, speaker: ChatModel, options: Options) -> Answer:
    return Answer(
        abstention(catalogue.index.named(question), language=language),
        (),
        None,
        nearest=tuple(product.title for product in catalogue.index.nearest(question, options.k)),
        question=question,
        language=language,
        model=speaker.name,
        closed_book=options.closed_book,
        made_up=catalogue.made_up,
    )


def _names_one(question: str, products: Sequence[Product]) -> bool:
    folded = question.casefold()
    return any(product.title.casefold() in folded for product in products)
