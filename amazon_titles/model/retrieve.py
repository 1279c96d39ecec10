"""A question becomes a prompt that fits the model's window, and what the model says an answer with its sources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from amazon_titles import conversations as talk
from amazon_titles.catalog import Product
from amazon_titles.catalog.variants import colours_of, told_apart
from amazon_titles.errors import InputError
from amazon_titles.model.answer import Answer
from amazon_titles.model.catalog import Catalog
from amazon_titles.model.generation import Generation, Sampling
from amazon_titles.model.grounding import behind, fact_share, tells, without_false_citations, without_our_words
from amazon_titles.model.language import LANGUAGES, question_language
from amazon_titles.templates import Message
from amazon_titles.text import cut_text

if TYPE_CHECKING:
    from amazon_titles.model.local import LocalModel
    from amazon_titles.model.served import ServedModel

    ChatModel = LocalModel | ServedModel

QUOTE_BELOW = 0.7
"""An answer that its sources support less is replaced by a quotation of the record."""
QUOTE_BELOW_FACTS = 1.0
"""An answer whose sources have fewer of its numbers and names is replaced, too: one that is not the record's is enough,
however right the other words are. benchmarks/results/quoting.md has what other thresholds let through, and how often a
right answer is lost to them."""

# So many variants of a product are listed beside the one that is answered about, at most.
_OTHERS = 7
# A record that is cut shorter tells too little; rather the least likely record is left out.
_LEAST_CHARS = 200
# What may follow a link and is no part of it.
_MARKS = '.,;:!?)>]"”'


@dataclass(frozen=True, slots=True)
class Options:
    """How to ask; as in `CatalogModel.ask`.

    Attributes:
        always: Closed book, ask the model even where no product fits: what it says is streamed, though the answer is
            the refusal that a search without a result is.
    """

    k: int = 3
    closed_book: bool = False
    language: str | None = None
    default_language: str = "en"
    max_new_tokens: int = 256
    sampling: Sampling | None = None
    always: bool = False


class RetrievedPrompt(NamedTuple):
    """A question that is ready for the model.

    Attributes:
        answer: What is known of the answer already: all that is not the model's.
        messages: The prompt.
        products: What the model is shown, or closed book the one that it is asked about; the likeliest first. None
            where no product fits and the model is asked all the same.
        others: What fits as well as the first of them.
        by_uid: Whether the question names the first product by its uid.
    """

    answer: Answer
    messages: list[Message]
    products: list[Product]
    others: list[Product]
    by_uid: bool


def retrieve(question: str, catalogue: Catalog, chat_model: ChatModel, options: Options) -> RetrievedPrompt | Answer:
    """Looks a question up: the prompt for the model, or, where no product fits, the refusal.

    Raises:
        InputError: The question is empty, or too long for the model.
    """
    question = question.encode("utf-8", "replace").decode()  # half a character, which JSON and a terminal can hold
    if not question.strip():
        raise InputError(
            "The question is empty.", hint="Ask about a product: amazon-titles ask 'What is \"…\"?' --model DIR"
        )
    language = options.language or question_language(question, options.default_language)
    answer = Answer(
        "", (), None, question=question, language=language, model=chat_model.name, closed_book=options.closed_book,
        made_up=catalogue.made_up,
    )  # fmt: skip
    hits = catalogue.index.search(question, options.k + _OTHERS)
    if not hits and not (options.always and options.closed_book):
        return _refusal(answer, catalogue, options.k)
    asked = by_title(question, [hit.product for hit in hits if hit.by_uid], language=language)
    # Another colour of the same product in view would lend its numbers to the answer.
    near = [hit.product for place, hit in enumerate(hits) if not (place and hit.tied)][: options.k]
    room = None if chat_model.window is None else chat_model.window - options.max_new_tokens
    messages, shown = fit_prompt(asked, [] if options.closed_book else near, chat_model, language=language, room=room)
    others = [hit.product for hit in hits[1:] if hit.tied][:_OTHERS]
    return RetrievedPrompt(answer, messages, shown or near[:1], others, any(hit.by_uid for hit in hits[:1]))


def by_title(question: str, products: Sequence[Product], *, language: str) -> str:
    """A question that names products by their uids, with their titles in place of these.

    Models learn titles: asked about a uid, they make up a product.

    Args:
        question: As asked; it holds the uids alone, in brackets or quotation marks, or in links.
        products: Those that it names.
        language: Of the words around a title that stands alone.
    """
    for product in products:
        # Where the title stands there too, it is said already.
        if product.title.casefold() not in question.casefold():
            uid, title = rf"(?<!\w){re.escape(product.uid)}(?!\w)", f'"{product.title}"'
            # Of a link that holds the uid nothing is left, but for the marks that end a sentence.
            link = rf"(?<!\S)(?=\S*/)\S*{uid}\S*?(?=[{re.escape(_MARKS)}]*(?!\S))"
            named = rf'[\[(<]*["“”]?{uid}["“”]?[\])>]*'
            question = title.join(re.split(f"{link}|{named}", question, flags=re.I))
        if not re.search(r"\w", question.replace(product.title, "")):
            return talk.question(product.title, language=language)
    return question


def fit_prompt(
    question: str, products: Sequence[Product], chat_model: ChatModel, *, language: str, room: int | None
) -> tuple[list[Message], list[Product]]:
    """The question with records in view, or alone where there are none, and the records that found room.

    Where all of them are too long for the window, each is cut to the same length, at a sentence's end; where that is
    not enough, the least likely are left out.

    Args:
        question: As asked.
        products: The likeliest first.
        chat_model: Counts the tokens.
        language: Of the words around them.
        room: Tokens that the prompt may take; None where that is not known.

    Raises:
        InputError: The question does not fit alone, or with one short record.
    """
    shown, limit = list(products), talk.passage_limit(question, products, language=language)
    while True:
        records = [replace(product, content=cut_text(product.content, limit)) for product in shown]
        content = talk.grounded_question(question, records, language=language) if records else question
        messages = [{"role": "user", "content": content}]
        if room is None or (used := chat_model.count_tokens(messages)) <= room:
            return list(messages), shown
        if shown and limit > _LEAST_CHARS:
            limit = max(_LEAST_CHARS, min(limit * max(room, 0) // used, limit - 1))
        elif len(shown) > 1:
            shown.pop()
            limit = talk.passage_limit(question, shown, language=language)
        else:
            raise InputError(
                f"The question takes {used} tokens with its prompt, and the model has room for {max(room, 0)}.",
                hint="Ask in fewer words, or leave more room: --max-new-tokens 64",
            )


def finalize(prompt: RetrievedPrompt, said: Generation, catalogue: Catalog, k: int) -> Answer:
    """What the model said as an answer: with the records behind it, or the record itself where they support too little.

    A model that says there is no such product is believed, unless the question names a product's uid, or a title that
    was found stands in it word for word. Where it names a uid, an answer must tell something of that product. A model
    that was trained on another catalogue is not believed, and quoted only where the records have all of its words.

    Args:
        prompt: What it was asked.
        said: What it said.
        catalogue: Where the records stand.
        k: Of the nearest titles that a refusal names, at most.
    """
    text = without_false_citations(said.text, prompt.products).strip()
    abstains, asked = talk.is_abstention(text), prompt.answer.question.casefold()
    # What a model was not trained on, it does not know: the index does.
    named = prompt.by_uid or catalogue.another or any(product.title.casefold() in asked for product in prompt.products)
    if not prompt.products or (abstains and not named):
        return _refusal(prompt.answer, catalogue, k)
    sources, grounded = behind(text, prompt.products)
    true_facts = fact_share(text, sources)
    quoted = (
        abstains
        or grounded < (1.0 if catalogue.another else QUOTE_BELOW)
        or not colours_of(text) <= set().union(*(colours_of(f"{one.title} {one.content}") for one in sources))
        or (true_facts is not None and true_facts < QUOTE_BELOW_FACTS)
        or (prompt.by_uid and not tells(text, sources[0]))
    )
    if quoted:
        sources = prompt.products[:1]
        text = f"{sources[0].content} [{sources[0].uid}]"
    text = without_our_words(text)
    shown, others = not prompt.answer.closed_book, [one for one in prompt.others if one not in sources]
    alike = [*sources[:1], *(one for one in others if one.title == sources[0].title)]
    apart = dict(zip((one.uid for one in alike), told_apart([one.content for one in alike]), strict=True))
    return replace(
        prompt.answer,
        text=text,
        sources=tuple(
            catalogue.source(one, shown=shown, cited=f"[{one.uid}]" in text, variant=apart.get(one.uid, ""))
            for one in sources
        ),
        grounded=grounded,
        quoted=quoted,
        others=tuple(catalogue.source(one, variant=apart.get(one.uid, "")) for one in others),
        finished=quoted or said.finished,
    )


def _refusal(answer: Answer, catalogue: Catalog, k: int) -> Answer:
    index, asked, words = catalogue.index, answer.question, LANGUAGES[answer.language]["notes"]
    if not index.names_product(asked):
        return replace(answer, text=words["help"].replace("{title}", index.example().title))
    nearest, meant = (
        tuple(dict.fromkeys(product.title for product in found))
        for found in (index.nearest(asked, k), index.did_you_mean(asked, k))
    )
    text = talk.abstention(index.named(asked), language=answer.language)
    if meant:
        text += words["did_you_mean"].format(titles=words["or"].join(f'"{title}"' for title in meant))
    return replace(answer, text=text, nearest=nearest, did_you_mean=meant)
