"""`CatalogModel`: a language model with a catalogue, which generates, and answers questions with their sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from amazon_titles.errors import InputError
from amazon_titles.model import loading
from amazon_titles.model.answer import Answer
from amazon_titles.model.catalog import Catalog
from amazon_titles.model.generation import ChatModel, Generation, Sampling
from amazon_titles.model.local import LocalModel
from amazon_titles.model.retrieve import Options, RetrievedPrompt, finalize, prepare
from amazon_titles.model.served import ServedModel, is_address
from amazon_titles.templates import Message

BATCH_SIZE = 32
"""Conversations at a time: on two cores a tiny Llama writes ten times the tokens a second of one at a time."""


class CatalogModel:
    """A language model with the catalogue that it answers about; made by `from_pretrained`.

    Besides what stands here, a model on this machine (not one behind an address) has `answer_losses(conversations, *,
    batch_size) -> list[tuple[float, int]]`: of conversations that end with the assistant's message, the sum of the
    losses of that message's tokens, end-of-turn included, in nats, and how many they are.

    Attributes:
        name: What reports call it.
        template: How it is spoken to; None where a server sees to that.
        device: What it runs on, as torch names it; "" for a server.
        dataset: Folder or Hub id that its catalogue comes from; "" for none.
        dataset_folder: The folder that it was read from; None for none.

    Args:
        speaker: The model.
        catalogue: What to answer about; without one only `generate` works.
    """

    def __init__(self, speaker: ChatModel, catalogue: Catalog | None = None) -> None:
        self.name = speaker.name
        self.template = getattr(speaker, "template", None)
        self.device = str(getattr(speaker, "device", ""))
        self.dataset = catalogue.dataset if catalogue else ""
        self.dataset_folder = catalogue.folder if catalogue else None
        self._speaker, self._catalogue = speaker, catalogue
        # A server does not tell losses: a measure that cannot be computed is absent.
        if hasattr(speaker, "answer_losses"):
            self.answer_losses = speaker.answer_losses

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
        name: str | None = None,
    ) -> CatalogModel:
        """Loads an adapter (with its base) or a whole model, or takes one that a server speaks for.

        Args:
            model: Folder, Hub id, or address of an OpenAI-compatible server, up to `/v1`.
            dataset: Dataset folder or Hub id to answer about. By default the one that the adapter's `run.json` names.
            revision: Of a Hub id.
            token: Of the Hub; by default the one that is logged in.
            device: As in torch; by default CUDA or MPS where there is one, else the CPU.
            dtype: As in torch; by default bfloat16 on CUDA devices that have it, else float32.
            name: Of the model on the server; by default the only one that it has.

        Raises:
            InputError: There is no such model or dataset, or a file of it is missing or damaged; the message names it.
            MissingExtraError: torch, transformers or peft is not installed.
            AmazonTitlesError: The Hub, or the server, does not answer; the message says how.
        """
        where = {"revision": revision, "token": token}
        if not is_address(model):
            loading.require_libraries()
            loading.require_model(model)
            dataset = dataset or loading.dataset_of(model, **where)
        # First, because it is the quicker one to find wanting.
        catalogue = Catalog.open(dataset, token=token) if dataset else None
        if is_address(model):
            return cls(ServedModel(str(model), name=name), catalogue)
        return cls(loading.load_local(model, **where, device=device, dtype=dtype), catalogue)

    def generate(
        self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int = 256, batch_size: int = BATCH_SIZE
    ) -> list[str]:
        """The texts of `generate_full`."""
        full = self.generate_full(conversations, max_new_tokens=max_new_tokens, batch_size=batch_size)
        return [generation.text for generation in full]

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
        return self._speaker.generate_full(conversations, max_new_tokens=max_new_tokens, batch_size=batch_size)

    def ask(
        self,
        question: str,
        *,
        k: int = 3,
        closed_book: bool = False,
        language: str | None = None,
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
            max_new_tokens: Longest answer, in tokens.
            sampling: How to draw the answer; by default it is the likeliest.

        Raises:
            InputError: The question is empty or too long, or the model came without a catalogue.
        """
        options = Options(k, closed_book, language, max_new_tokens)
        return self._answers([question], options, sampling, batch_size=1)[0]

    def ask_batch(
        self,
        questions: Sequence[str],
        *,
        k: int = 3,
        closed_book: bool = False,
        language: str | None = None,
        max_new_tokens: int = 256,
        sampling: Sampling | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> list[Answer]:
        """Answers questions together: what `ask` answers each, in their order, in a fraction of the time.

        Args:
            questions: As in `ask`; so are the other arguments.
            k: See `ask`.
            closed_book: See `ask`.
            language: See `ask`.
            max_new_tokens: See `ask`.
            sampling: See `ask`.
            batch_size: Questions at a time.

        Raises:
            InputError: As in `ask`.
        """
        options = Options(k, closed_book, language, max_new_tokens)
        return self._answers(questions, options, sampling, batch_size=batch_size)

    def stream(
        self,
        question: str,
        *,
        k: int = 3,
        closed_book: bool = False,
        language: str | None = None,
        max_new_tokens: int = 256,
        sampling: Sampling | None = None,
    ) -> Iterator[str | Answer]:
        """Yields the model's words as they come, and last the `Answer`.

        The answer has the last word: where the words are not supported, its text is the record instead (`quoted`), and
        where no product fits, nothing comes before it. Arguments and errors as in `ask`.
        """
        catalogue = self._require_catalogue()
        options = Options(k, closed_book, language, max_new_tokens)
        asked = prepare(question, catalogue, self._speaker, options)
        if isinstance(asked, Answer):
            yield asked
            return
        for piece in self._speaker.stream(asked.messages, max_new_tokens=max_new_tokens, sampling=sampling):
            if isinstance(piece, Generation):
                yield finalize(asked, piece, catalogue, self._speaker, options)
            else:
                yield piece

    @property
    def catalogue(self) -> Catalog | None:
        """The records that it answers about; None for none."""
        return self._catalogue

    def without_adapter(self) -> CatalogModel | None:
        """The same model before its fine-tuning, to answer the same questions; None where it has no adapter.

        Both share one set of weights in memory, so only one of them may write at a time, or each a token in turn.
        """
        base = self._speaker.without_adapter() if isinstance(self._speaker, LocalModel) else None
        return CatalogModel(base, self._catalogue) if base else None

    def _answers(
        self, questions: Sequence[str], options: Options, sampling: Sampling | None, *, batch_size: int
    ) -> list[Answer]:
        catalogue = self._require_catalogue()
        prepared = [prepare(question, catalogue, self._speaker, options) for question in questions]
        waiting = [asked.messages for asked in prepared if isinstance(asked, RetrievedPrompt)]
        said: Iterator[Generation] = iter(())
        if waiting:
            said = iter(
                self._speaker.generate_full(
                    waiting, max_new_tokens=options.max_new_tokens, batch_size=batch_size, sampling=sampling
                )
            )
        return [
            finalize(asked, next(said), catalogue, self._speaker, options)
            if isinstance(asked, RetrievedPrompt)
            else asked
            for asked in prepared
        ]

    def _require_catalogue(self) -> Catalog:
        if self._catalogue is None:
            raise InputError("No catalogue to name sources from.", hint="Name the dataset: --dataset DIR")
        return self._catalogue
