"""`CatalogModel`: loads a base model or an adapter, generates, and answers questions with their sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amazon_titles.conversations import abstention, grounded_question
from amazon_titles.errors import InputError, MissingExtraError
from amazon_titles.metrics import grounded_share
from amazon_titles.model import loading
from amazon_titles.model.answer import Answer, Source
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
        self._model, self._tokenizer = model, tokenizer
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
        """Answers conversations greedily, in their order.

        Args:
            conversations: Each a list of messages that ends with the user's.
            max_new_tokens: Longest answer, in tokens.
            batch_size: Conversations at a time; like lengths go together.

        Returns:
            One answer a conversation, without special tokens.
        """
        order = sorted(range(len(conversations)), key=lambda i: sum(len(m["content"]) for m in conversations[i]))
        answers = [""] * len(conversations)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            for row, answer in zip(
                rows, self._batch([conversations[row] for row in rows], max_new_tokens), strict=True
            ):
                answers[row] = answer
        return answers

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
        if not question.strip():
            raise InputError(
                "The question is empty.", hint="Ask about a product: amazon-titles ask 'What is \"…\"?' --model DIR"
            )
        if self._index is None:
            raise InputError("No catalogue to name sources from.", hint="Name the dataset: --dataset DIR")
        hits = self._index.search(question, k)
        if not hits:
            nearest = tuple(product.title for product in self._index.nearest(question, k))
            return Answer(abstention(self._index.named(question), language=language), (), None, nearest=nearest)
        # Closed book the model sees no record, so only the one that it is asked about stands behind the answer.
        products = [hit.product for hit in hits][: 1 if closed_book else k]
        content = question if closed_book else grounded_question(question, products, language=language)
        text = self.generate([[{"role": "user", "content": content}]])[0]
        grounded = grounded_share(text, [f"{product.title} {product.content}" for product in products])
        sources = tuple(self._source(product, shown=not closed_book) for product in products)
        if grounded < QUOTE_BELOW:
            return Answer(f"{products[0].content} [{products[0].uid}]", sources, grounded, quoted=True)
        return Answer(text, sources, grounded)

    @property
    def index(self) -> CatalogIndex | None:
        """The catalogue that it answers about; None for none."""
        return self._index

    def without_adapter(self) -> CatalogModel | None:
        """The same model before its fine-tuning: the adapter is switched off while it writes; None where it has none.

        Both share one set of weights in memory, so only one of them may write at a time, or each a token in turn.
        """
        if not hasattr(self._model, "disable_adapter"):
            return None
        base = Path(str(self._model.peft_config["default"].base_model_name_or_path)).name
        bare = _WithoutAdapter(self._model)
        return CatalogModel(
            bare, self._tokenizer, name=base, index=self._index, dataset=self.dataset,
            dataset_folder=self.dataset_folder, url=self._url,
        )  # fmt: skip

    def stream(self, question: str, *, k: int = 3, closed_book: bool = False) -> Iterator[str | Answer]:
        """For now the whole answer at once."""
        answer = self.ask(question, k=k, closed_book=closed_book)
        yield answer.text
        yield answer

    def _source(self, product: Product, *, shown: bool) -> Source:
        return Source(product.uid, product.title, self._url.format(uid=product.uid), self.dataset, shown)

    def _batch(self, conversations: Sequence[Sequence[Message]], max_new_tokens: int) -> list[str]:
        import torch

        texts = [self.template.prompt(messages) for messages in conversations]
        self._tokenizer.padding_side = "left"
        encoded = self._tokenizer(texts, return_tensors="pt", padding=True, return_token_type_ids=False)
        encoded = encoded.to(self._model.device)
        end = self._tokenizer.convert_tokens_to_ids(self.template.end)
        with torch.inference_mode():
            output = self._model.generate(
                **encoded, max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=end, pad_token_id=end
            )
        new = output[:, encoded["input_ids"].shape[1] :]
        return [text.strip() for text in self._tokenizer.batch_decode(new, skip_special_tokens=True)]


class _WithoutAdapter:
    """A `peft` model whose adapter is off during each call."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        self._adapted = model

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._adapted, name)

    def __call__(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        with self._adapted.disable_adapter():
            return self._adapted(*args, **options)

    def generate(self, **options: Any) -> Any:  # noqa: ANN401
        with self._adapted.disable_adapter():
            return self._adapted.generate(**options)
