"""`CatalogModel`: a language model with a catalogue, which generates, and answers questions with their sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amazon_titles.errors import InputError
from amazon_titles.io import is_local
from amazon_titles.model import loading
from amazon_titles.model.answer import Answer
from amazon_titles.model.catalog import Catalog
from amazon_titles.model.finding import require_model
from amazon_titles.model.generation import Generation, Sampling
from amazon_titles.model.local import LocalModel
from amazon_titles.model.retrieve import Options, RetrievedPrompt, finalize, retrieve
from amazon_titles.templates import Message

if TYPE_CHECKING:
    from amazon_titles.model.retrieve import ChatModel

BATCH_SIZE = 32
"""Conversations at a time: on two cores a tiny Llama writes ten times the tokens a second of one at a time."""


class CatalogModel:
    """A language model with the catalogue that it answers about; made by `from_pretrained`.

    Besides what stands here, a model on this machine (not one behind an address) has `answer_losses(conversations, *,
    batch_size) -> list[tuple[float, int]]`: of conversations that end with the assistant's message, the sum of the
    losses of that message's tokens, end-of-turn included, in nats, and how many they are. One behind an address has
    `generate_each`, which is `generate_full` as its answers come.

    Attributes:
        name: What reports call it.
        template: How it is spoken to; None where a server sees to that.
        device: What it runs on, as torch names it; "" for a server.
        dataset: Folder or Hub id that its catalogue comes from; "" for none.
        dataset_folder: The folder that it was read from; None for none.
        catalogue: The records that it answers about; None for none.

    Args:
        chat_model: The model.
        catalogue: What to answer about; without one only `generate` works.
    """

    def __init__(self, chat_model: ChatModel, catalogue: Catalog | None = None) -> None:
        self.name = chat_model.name
        self.template = getattr(chat_model, "template", None)
        self.device = str(getattr(chat_model, "device", ""))
        self.dataset = catalogue.dataset if catalogue else ""
        self.dataset_folder = catalogue.folder if catalogue else None
        self.catalogue, self._chat_model = catalogue, chat_model
        # A server does not tell losses: a measure that cannot be computed is absent.
        if hasattr(chat_model, "answer_losses"):
            self.answer_losses = chat_model.answer_losses
        if hasattr(chat_model, "generate_each"):
            self.generate_each = chat_model.generate_each

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        *,
        dataset: str | Path | None = None,
        base: str | None = None,
        revision: str | None = None,
        token: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        name: str | None = None,
        parallel: int = 16,
    ) -> CatalogModel:
        """Loads an adapter (with its base) or a whole model, or takes one that a server speaks for.

        Args:
            model: Folder, Hub id, or address of an OpenAI-compatible server, up to `/v1`.
            dataset: Dataset folder or Hub id to answer about. By default the one that the adapter's `run.json` names.
            base: Of an adapter: folder or Hub id of its base; by default the one that it names.
            revision: Of a Hub id.
            token: Of the Hub; by default the one that is logged in.
            device: As in torch; by default CUDA or MPS where there is one, else the CPU.
            dtype: As in torch; by default bfloat16 on CUDA devices that have it, else float32.
            name: Of the model on the server; by default the only one that it has.
            parallel: Requests to a server at a time.

        Raises:
            InputError: There is no such model or dataset, or a file of it is missing or damaged; the message names it.
            MissingExtraError: torch, transformers or peft is not installed.
            AmazonTitlesError: The Hub, or the server, does not answer; the message says how.
        """
        # The catalogue first, because it is the quicker one to find wanting.
        if loading.is_address(model):
            from amazon_titles.model.served import ServedModel

            catalogue = Catalog.open(dataset, token=token) if dataset else None
            return cls(ServedModel(str(model), name=name, parallel=parallel), catalogue)
        where = {"revision": revision, "token": token}
        require_model(model)
        named = dataset or loading.dataset_of(model, **where)
        catalogue = Catalog.open(named, token=token) if named else None
        # Of the Hub an adapter names its dataset's commit; a folder may have been built again since.
        if catalogue and (dataset or is_local(model)):
            another = loading.tell_of_another_catalogue(model, catalogue.revision, **where)
            catalogue = replace(catalogue, another=another)
        return cls(loading.load_local(model, base=base, **where, device=device, dtype=dtype), catalogue)

    @property
    def server(self) -> str:
        """What serves it, such as "vllm 0.32.0"; "" for a model in this process."""
        return str(getattr(self._chat_model, "server", ""))

    def generate(self, conversations: Sequence[Sequence[Message]], **limits: int) -> list[str]:
        """The texts of `generate_full`, which tells of the arguments."""
        return [generation.text for generation in self.generate_full(conversations, **limits)]

    def generate_full(
        self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int = 256, batch_size: int = BATCH_SIZE
    ) -> list[Generation]:
        """Answers conversations greedily, in their order, without looking anything up.

        Args:
            conversations: Each a list of messages that ends with the user's.
            max_new_tokens: Longest answer, in tokens.
            batch_size: Conversations at a time; like lengths go together.

        Returns:
            One `Generation` a conversation: `text` without special tokens, `finished`, `tokens`.
        """
        return self._chat_model.generate_full(conversations, max_new_tokens=max_new_tokens, batch_size=batch_size)

    def ask(
        self,
        question: str,
        *,
        k: int = 3,
        closed_book: bool = False,
        language: str | None = None,
        default_language: str = "en",
        max_new_tokens: int = 256,
        sampling: Sampling | None = None,
    ) -> Answer:
        """Answers a question about a product, with the records behind the answer.

        Args:
            question: Free text that names a product, in English or Portuguese.
            k: At most this many records are shown to the model.
            closed_book: Answer from what the fine-tuning taught. The matching record is still named as the source, but
                the model is not shown it.
            language: `en` or `pt`; by default the question's own.
            default_language: Where the question has none, as a bare title.
            max_new_tokens: Longest answer, in tokens.
            sampling: How to draw the answer; by default it is the likeliest.

        Raises:
            InputError: The question is empty or too long, or the model came without a catalogue.
        """
        languages = {"language": language, "default_language": default_language}
        options = {"k": k, "closed_book": closed_book, "max_new_tokens": max_new_tokens, "sampling": sampling}
        return self.ask_batch([question], batch_size=1, **languages, **options)[0]

    def ask_batch(
        self, questions: Sequence[str], *, batch_size: int = BATCH_SIZE, **options: Any  # noqa: ANN401
    ) -> list[Answer]:  # fmt: skip
        """Answers questions together: what `ask` answers each, in their order, in a fraction of the time.

        Args:
            questions: As in `ask`.
            batch_size: Questions at a time.
            **options: Those of `ask`, such as `k` and `closed_book`.

        Raises:
            InputError: As in `ask`.
        """
        catalogue, how = self._require_catalogue(), Options(**options)
        found = [retrieve(question, catalogue, self._chat_model, how) for question in questions]
        prompts = [prompt.messages for prompt in found if isinstance(prompt, RetrievedPrompt)]
        limits: Any = {"max_new_tokens": how.max_new_tokens, "batch_size": batch_size, "sampling": how.sampling}
        said = iter(self._chat_model.generate_full(prompts, **limits) if prompts else ())
        return [
            finalize(prompt, next(said), catalogue, how.k) if isinstance(prompt, RetrievedPrompt) else prompt
            for prompt in found
        ]

    def converse(self, messages: Sequence[Message], **limits: Any) -> Iterator[str | Generation]:  # noqa: ANN401
        """Yields the model's words to a conversation, without a search, and last the `Generation`.

        Args:
            messages: End with the user's.
            **limits: `max_new_tokens`, 256 by default, and `sampling`; greedy without.

        Raises:
            InputError: The conversation is too long for the model.
        """
        room, used = self._chat_model.window, self._chat_model.count_tokens(messages)
        if room is not None and used + limits.get("max_new_tokens", 256) > room:
            found = f"The conversation takes {used} tokens, and the model's limit is {room}, including the answer."
            raise InputError(found, hint="Start a new one.")
        yield from self._chat_model.stream(messages, **limits)

    def stream(self, question: str, **options: Any) -> Iterator[str | Answer]:  # noqa: ANN401
        """Yields the model's words as they come, and last the `Answer`.

        The answer has the last word: where the words are not supported, its text is the record instead (`quoted`), and
        where no product fits, nothing comes before it, unless `always`.

        Args:
            question: As in `ask`.
            **options: Those of `ask`, such as `k` and `closed_book`; and `always`, to hear a model from memory
                also where no product fits.

        Raises:
            InputError: As in `ask`.
        """
        catalogue, how = self._require_catalogue(), Options(**options)
        prompt = retrieve(question, catalogue, self._chat_model, how)
        if isinstance(prompt, Answer):
            yield prompt
            return
        for piece in self._chat_model.stream(prompt.messages, max_new_tokens=how.max_new_tokens, sampling=how.sampling):
            yield finalize(prompt, piece, catalogue, how.k) if isinstance(piece, Generation) else piece

    def without_adapter(self) -> CatalogModel | None:
        """The same model before its fine-tuning, to answer the same questions; None where it has no adapter.

        Both share one set of weights in memory, so only one of them may write at a time, or each a token in turn.
        """
        base = self._chat_model.without_adapter() if isinstance(self._chat_model, LocalModel) else None
        return CatalogModel(base, self.catalogue) if base else None

    def _require_catalogue(self) -> Catalog:
        if self.catalogue is None:
            raise InputError("No catalogue to name sources from.", hint="Name the dataset: --dataset DIR")
        return self.catalogue
