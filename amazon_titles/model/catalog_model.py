"""`CatalogModel`: loads a base model or an adapter, generates, and answers questions with their sources."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amazon_titles.conversations import abstention, grounded_question
from amazon_titles.errors import InputError, MissingExtraError
from amazon_titles.metrics import grounded_share
from amazon_titles.model import loading
from amazon_titles.model.answer import Answer, Source
from amazon_titles.model.generation import Generation
from amazon_titles.model.local import LocalModel
from amazon_titles.search import CatalogIndex
from amazon_titles.templates import Message

if TYPE_CHECKING:
    from amazon_titles.catalog import Product

# An answer that its sources support less is replaced by a quotation of the record.
QUOTE_BELOW = 0.5


class CatalogModel:
    """A language model with the catalogue that it answers about; made by `from_pretrained`.

    Attributes:
        name: What reports call it.
        template: How it is spoken to.
        dataset: Folder or Hub id that its catalogue comes from; "" for none.
        dataset_folder: The folder that it was read from; None for none.

    Args:
        model: A causal language model of `transformers` or `peft`.
        tokenizer: Its tokenizer.
        name: See above.
        index: The catalogue to answer about; without one only `generate` works.
        dataset: Folder or Hub id that the index was made from.
        url: Link of a product, with `{uid}`.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - whatever transformers or peft loaded
        tokenizer: Any,  # noqa: ANN401
        *,
        name: str,
        index: CatalogIndex | None,
        dataset: str,
        dataset_folder: Path | None,
        url: str,
    ) -> None:
        self.name = name
        self.template = loading.template_of(tokenizer, name)
        self._speaker = LocalModel(model, tokenizer, name=name, template=self.template)
        self.dataset = dataset
        self.dataset_folder = dataset_folder
        self._index, self._url = index, url

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        *,
        dataset: str | Path | None = None,
        revision: str | None = None,
        token: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
    ) -> CatalogModel:
        """Loads an adapter (with its base) or a base model.

        Args:
            model: Folder or Hub id.
            dataset: Dataset folder to answer about. By default the one that the adapter's `run.json` names.
            revision: Of a Hub id.
            token: Of the Hub; by default the one that is logged in.
            device: As in torch; by default CUDA or MPS where there is one, else the CPU.
            dtype: As in torch; by default bfloat16 on CUDA devices that have it, else float32.

        Raises:
            InputError: The folder holds no model, or the dataset no catalogue.
            MissingExtraError: torch, transformers or peft is not installed.
        """
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise MissingExtraError("model", error.name or "transformers") from error

        loading.require_model(model)
        device = device or loading.device(torch)
        torch_dtype = getattr(torch, dtype or loading.dtype(torch, device))
        where = {"revision": revision, "token": token}
        if loading.is_adapter(model, **where):
            from peft import AutoPeftModelForCausalLM

            loaded = AutoPeftModelForCausalLM.from_pretrained(str(model), torch_dtype=torch_dtype, **where)
        else:
            loaded = AutoModelForCausalLM.from_pretrained(str(model), torch_dtype=torch_dtype, **where)
        tokenizer = AutoTokenizer.from_pretrained(str(model), **where)
        dataset = dataset or loading.dataset_of(model, **where)
        folder = loading.dataset_folder(dataset, token=token) if dataset else None
        return cls(
            loaded.to(device).eval(),
            tokenizer,
            name=Path(model).name,
            index=CatalogIndex.build(folder) if folder else None,
            dataset=str(dataset or ""),
            dataset_folder=folder,
            url=loading.url_of(folder) if folder else "",
        )

    def generate(
        self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int = 256, batch_size: int = 16
    ) -> list[str]:
        """The texts of `generate_full`, without special tokens."""
        full = self.generate_full(conversations, max_new_tokens=max_new_tokens, batch_size=batch_size)
        return [generation.text for generation in full]

    def generate_full(
        self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int = 256, batch_size: int = 16
    ) -> list[Generation]:
        """Answers conversations greedily, in their order.

        Args:
            conversations: Each a list of messages that ends with the user's.
            max_new_tokens: Longest answer, in tokens.
            batch_size: Conversations at a time; like lengths go together.
        """
        return self._speaker.generate_full(conversations, max_new_tokens=max_new_tokens, batch_size=batch_size)

    def answer_losses(
        self, conversations: Sequence[Sequence[Message]], *, batch_size: int = 16
    ) -> list[tuple[float, int]]:
        """How surprised the model is by given answers: `(sum of losses in nats, tokens)` of each, end-of-turn included.

        Args:
            conversations: Each a list of messages that ends with the assistant's.
            batch_size: Conversations at a time; like lengths go together.
        """
        return self._speaker.answer_losses(conversations, batch_size=batch_size)

    def ask(self, question: str, *, k: int = 3, closed_book: bool = False, language: str = "en") -> Answer:
        """Answers a question about a product, with the records behind the answer.

        Args:
            question: Free text that names a product.
            k: At most this many records.
            closed_book: Answer from what the fine-tuning taught. The matching record is still named as the source, but
                the model is not shown it.
            language: Of our own sentences, `en` or `pt`.

        Raises:
            InputError: The question is empty, or the model came without a catalogue.
        """
        *_, answer = self.stream(question, k=k, closed_book=closed_book, language=language)
        assert isinstance(answer, Answer)
        return answer

    def stream(
        self, question: str, *, k: int = 3, closed_book: bool = False, language: str = "en"
    ) -> Iterator[str | Answer]:
        """Yields the model's own words as they come, and at the end the answer; see `ask`."""
        if not question.strip():
            raise InputError(
                "The question is empty.", hint="Ask about a product: amazon-titles ask 'What is \"…\"?' --model DIR"
            )
        if self._index is None:
            raise InputError("No catalogue to name sources from.", hint="Name the dataset: --dataset DIR")
        hits = self._index.search(question, k)
        if not hits:
            nearest = tuple(product.title for product in self._index.nearest(question, k))
            yield Answer(abstention(self._index.named(question), language=language), (), None, nearest=nearest)
            return
        # Closed book the model sees no record, so only the one that it is asked about stands behind the answer.
        products = [hit.product for hit in hits][: 1 if closed_book else k]
        content = question if closed_book else grounded_question(question, products, language=language)
        words = []
        for piece in self._speaker.stream([{"role": "user", "content": content}]):
            words.append(piece)
            yield piece
        text = "".join(words)
        grounded = grounded_share(text, [f"{product.title} {product.content}" for product in products])
        sources = tuple(self._source(product, shown=not closed_book) for product in products)
        if grounded < QUOTE_BELOW:
            yield Answer(f"{products[0].content} [{products[0].uid}]", sources, grounded, quoted=True)
        else:
            yield Answer(text, sources, grounded)

    @property
    def index(self) -> CatalogIndex | None:
        """The catalogue that it answers about; None for none."""
        return self._index

    def without_adapter(self) -> CatalogModel | None:
        """The same model before its fine-tuning: the adapter is switched off while it writes; None where it has none.

        Both share one set of weights in memory, so only one of them may write at a time, or each a token in turn.
        """
        speaker = self._speaker.without_adapter()
        if speaker is None:
            return None
        other = copy.copy(self)
        other._speaker, other.name = speaker, speaker.name
        return other

    def _source(self, product: Product, *, shown: bool) -> Source:
        return Source(product.uid, product.title, self._url.format(uid=product.uid), self.dataset, shown)
