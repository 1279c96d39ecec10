"""`CatalogModel`: loads a base model or an adapter, generates, and answers questions with their sources."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amazon_titles.conversations import abstention, grounded_question
from amazon_titles.errors import InputError, MissingExtraError
from amazon_titles.metrics import grounded_share
from amazon_titles.search import CatalogIndex
from amazon_titles.templates import TEMPLATES, ChatTemplate, Message

if TYPE_CHECKING:
    from amazon_titles.catalog import Product

# Below this share of supported words an answer is replaced by a quotation of the record.
QUOTE_BELOW = 0.5


@dataclass(frozen=True, slots=True)
class Source:
    """A record of the catalogue that stands behind an answer.

    Attributes:
        uid: The product's uid, an ASIN in trn.json.
        title: Its title.
        url: Its link.
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
        grounded: Share of the model's words that the sources support, 0 to 1; None where the model was not asked.
        quoted: Whether `text` is the record itself, because the model's own answer was not supported.
        nearest: Titles nearest to the question, where no product fits it.
    """

    text: str
    sources: tuple[Source, ...]
    grounded: float | None
    quoted: bool = False
    nearest: tuple[str, ...] = ()


class CatalogModel:
    """A language model with the catalogue that it answers about; made by `from_pretrained`.

    Args:
        model: A causal language model of `transformers` or `peft`.
        tokenizer: Its tokenizer.
        name: What reports call it.
        index: The catalogue to answer about; without one only `generate` works.
        dataset: Folder or Hub id that the index was made from.
        url: Link of a product, with `{uid}`.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        index: CatalogIndex | None,
        dataset: str,
        url: str,  # noqa: ANN401
    ) -> None:
        self.name = name
        self.template = _template_of(tokenizer, name)
        self._model, self._tokenizer = model, tokenizer
        self._index, self._dataset, self._url = index, dataset, url

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

        _require_model(model)
        device = device or _device(torch)
        torch_dtype = getattr(torch, dtype or _dtype(torch, device))
        where = {"revision": revision, "token": token}
        if _is_adapter(model, **where):
            from peft import AutoPeftModelForCausalLM

            loaded = AutoPeftModelForCausalLM.from_pretrained(str(model), torch_dtype=torch_dtype, **where)
        else:
            loaded = AutoModelForCausalLM.from_pretrained(str(model), torch_dtype=torch_dtype, **where)
        tokenizer = AutoTokenizer.from_pretrained(str(model), **where)
        dataset = dataset or _dataset_of(model)
        index = CatalogIndex.build(dataset) if dataset else None
        return cls(
            loaded.to(device).eval(),
            tokenizer,
            name=Path(model).name,
            index=index,
            dataset=str(dataset or ""),
            url=_url_of(dataset),
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
            closed_book: Answer from what the fine-tuning taught. The matching record is still named as the source, but the
                model is not shown it.
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
            return Answer(abstention(question, language=language), (), None, nearest=nearest)
        # Closed book the model sees no record, so only the one that it is asked about stands behind the answer.
        products = [hit.product for hit in hits][: 1 if closed_book else k]
        content = question if closed_book else grounded_question(question, products, language=language)
        text = self.generate([[{"role": "user", "content": content}]])[0]
        grounded = grounded_share(text, [f"{product.title} {product.content}" for product in products])
        sources = tuple(self._source(product, shown=not closed_book) for product in products)
        if grounded < QUOTE_BELOW and not closed_book:
            return Answer(f"{products[0].content} [{products[0].uid}]", sources, grounded, quoted=True)
        return Answer(text, sources, grounded)

    def _source(self, product: Product, *, shown: bool) -> Source:
        return Source(product.uid, product.title, self._url.format(uid=product.uid), self._dataset, shown)

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


def _template_of(tokenizer: Any, name: str) -> ChatTemplate:  # noqa: ANN401
    """The template whose end-of-turn token the tokenizer knows: what was trained on is what is sent."""
    vocabulary = tokenizer.get_vocab()
    for template in TEMPLATES.values():
        if template.end in vocabulary:
            if tokenizer.pad_token is None:
                tokenizer.pad_token = template.end
            return template
    ends = ", ".join(template.end for template in TEMPLATES.values())
    raise InputError(
        f"The tokenizer of {name} has none of the end-of-turn tokens that the chat templates use ({ends}).",
        hint="Use an Instruct model of the Llama 3 or SmolLM2 family.",
    )


def _device(torch: Any) -> str:  # noqa: ANN401
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _dtype(torch: Any, device: str) -> str:  # noqa: ANN401
    return "bfloat16" if device == "cuda" and torch.cuda.is_bf16_supported() else "float32"


def _require_model(model: str | Path) -> None:
    folder = Path(model)
    if not folder.is_dir():
        if folder.exists() or str(model).startswith((".", "/", "~")) or str(model).count("/") != 1:
            raise InputError(
                f"No model folder {str(model)!r}.", hint="Name an adapter folder, a base model's folder or a Hub id."
            )
        return
    if not (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise InputError(
            f"The folder {str(model)!r} holds no model: neither adapter_config.json nor config.json.",
            hint="Train one: amazon-titles train RECIPE",
        )


def _is_adapter(model: str | Path, *, revision: str | None, token: str | None) -> bool:
    if Path(model).is_dir():
        return (Path(model) / "adapter_config.json").is_file()
    from huggingface_hub import HfApi

    return HfApi(token=token).file_exists(str(model), "adapter_config.json", revision=revision)


def _dataset_of(model: str | Path) -> str | None:
    run = Path(model) / "run.json"
    if not run.is_file():
        return None
    return str(json.loads(run.read_text(encoding="utf-8"))["dataset"]["path"])


def _url_of(dataset: str | Path | None) -> str:
    from amazon_titles.dataset import read_report

    return read_report(Path(dataset)).url if dataset else "{uid}"
