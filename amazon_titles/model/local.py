"""`LocalModel`: a model on this machine, spoken to in the template that it was trained in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amazon_titles.errors import AmazonTitlesError
from amazon_titles.model.generation import Generation, Sampling, pieces
from amazon_titles.templates import ChatTemplate, Message

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Positions whose logits are held at a time: at Llama 3's 128,256 tokens of vocabulary, 256 of them are 131 MB.
_POSITIONS = 256


class LocalModel:
    """A causal language model of `transformers` or `peft`, with its tokenizer.

    Attributes:
        name: What reports call it.
        template: How it is spoken to.
        device: What it runs on.
        window: Tokens that a prompt and its answer may have together.

    Args:
        model: Of transformers or peft, on its device, in evaluation mode.
        tokenizer: Its tokenizer.
        name: What reports call it.
        template: How it is spoken to.
        adapted: Whether an adapter, where the model has one, is on.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, name: str, template: ChatTemplate,
        adapted: bool = True,
    ) -> None:  # fmt: skip
        from transformers import GenerationConfig

        self.name, self.template, self.device = name, template, model.device
        self.window = int(getattr(model.config, "max_position_embeddings", 0)) or 2048
        self._model, self._tokenizer, self._adapted = model, tokenizer, adapted
        configured = model.generation_config.eos_token_id
        named = configured if isinstance(configured, list) else [configured]
        numbers = [number for number in named if isinstance(number, int)]  # what a file says may be anything
        self._ends = sorted({tokenizer.convert_tokens_to_ids(template.end), *numbers})
        # Of what the model's publisher recommends (a temperature, a penalty) nothing else holds here.
        model.generation_config = GenerationConfig(eos_token_id=self._ends, pad_token_id=self._ends[0])
        tokenizer.pad_token, tokenizer.padding_side = tokenizer.pad_token or template.end, "left"

    def without_adapter(self) -> LocalModel | None:
        """The base under a `peft` adapter, which is switched off while it writes; None where there is no adapter.

        Both share one set of weights, so only one of them may write at a time, or each a token in turn.
        """
        if not hasattr(self._model.base_model, "disable_adapter_layers"):
            return None
        name = Path(str(self._model.active_peft_config.base_model_name_or_path)).name
        return LocalModel(self._model, self._tokenizer, name=name, template=self.template, adapted=False)

    def parts(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The model of transformers or peft, and its tokenizer."""
        return self._model, self._tokenizer

    def count_tokens(self, conversation: Sequence[Message]) -> int:
        """Tokens of the prompt that a conversation becomes."""
        return len(self._encode([conversation])[0])

    def generate_full(
        self, conversations: Sequence[Sequence[Message]], *, batch_size: int = 32, max_new_tokens: int = 256,
        sampling: Sampling | None = None,
    ) -> list[Generation]:  # fmt: skip
        """Answers conversations, in their order.

        Args:
            conversations: Each a list of messages that ends with the user's.
            batch_size: Conversations at a time; like lengths go together. Fewer, where the device's memory ends.
            max_new_tokens: Longest answer, in tokens.
            sampling: How to draw; greedy without.

        Raises:
            AmazonTitlesError: One conversation alone does not fit the device's memory.
        """
        prompts = [self.template.prompt(messages) for messages in conversations]
        order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
        said: list[list[int]] = []
        while len(said) < len(order):
            batch = [prompts[row] for row in order[len(said) :][:batch_size]]
            try:
                said += self._generate(batch, max_new_tokens=max_new_tokens, logits_processor=_drawing(sampling))
            except RuntimeError as error:
                if "out of memory" not in str(error):  # CUDA's words and MPS's
                    raise
                if len(batch) == 1:
                    raise AmazonTitlesError(
                        "The device does not have enough memory for this model and one question.",
                        hint="Use the CPU: ask --device cpu, or CUDA_VISIBLE_DEVICES= before another command.",
                    ) from None
                batch_size = len(batch) // 2
        answers = dict(zip(order, map(self._generation, said), strict=True))
        return [answers[row] for row in range(len(prompts))]

    def stream(
        self, conversation: Sequence[Message], *, max_new_tokens: int = 256, sampling: Sampling | None = None
    ) -> Iterator[str | Generation]:
        """Yields the text of one answer as it comes, and last what `generate_full` tells of it.

        Args:
            conversation: A list of messages that ends with the user's.
            max_new_tokens: Longest answer, in tokens.
            sampling: How to draw; greedy without.
        """
        yield from pieces(self._states(self.template.prompt(conversation), max_new_tokens, _drawing(sampling)))

    def _states(self, prompt: str, max_new_tokens: int, drawing: Any) -> Iterator[Generation]:  # noqa: ANN401
        """What has been said so far, after every token: `generate` makes one at a time, with one cache.

        A streamer of transformers would want a thread, and base and adapter, which share their weights, a lock.
        """
        from transformers import DynamicCache

        ids, cache, said = self._inputs([prompt])["input_ids"], DynamicCache(), Generation("", False, 0)
        start = ids.shape[1]
        while not said.finished and ids.shape[1] < start + max_new_tokens:
            inputs = {"input_ids": ids, "attention_mask": ids.new_ones(ids.shape), "past_key_values": cache}
            with self._running():
                ids = self._model.generate(**inputs, max_new_tokens=1, logits_processor=drawing)
            said = self._generation(ids[0, start:].tolist())
            # Half a character waits for what follows.
            yield said._replace(text=said.text.rstrip("\ufffd").rstrip())
        yield said

    def complete(self, texts: Sequence[str], *, max_new_tokens: int, seed: int = 0) -> list[str]:
        """Continues raw texts together, drawn at random, each up to its first end token.

        What is drawn is among the likeliest tokens that together have a probability of 0.95.

        Args:
            texts: As the model shall see them, special tokens included, without BOS: the tokenizer writes it.
            max_new_tokens: Longest continuation, in tokens.
            seed: The same texts and seed give the same continuations on the same machine.
        """
        import torch

        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            drawn = self._generate(texts, max_new_tokens=max_new_tokens, do_sample=True, top_p=0.95, top_k=0)
        return list(map(self._text, drawn))

    def answer_losses(
        self, conversations: Sequence[Sequence[Message]], *, batch_size: int = 32
    ) -> list[tuple[float, int]]:
        """How surprised the model is by given answers: `(sum of losses in nats, tokens)` of each, end-of-turn included.

        Args:
            conversations: Each a list of messages that ends with the assistant's.
            batch_size: Conversations at a time; like lengths go together.
        """
        import torch
        from torch.nn.functional import cross_entropy
        from torch.nn.utils.rnn import pad_sequence

        prompts = self._encode([messages[:-1] for messages in conversations])
        said = [self.template.escape(messages[-1]["content"].strip()) + self.template.end for messages in conversations]
        answers = [self._tokenizer(text, add_special_tokens=False).input_ids for text in said]
        whole = [torch.tensor(prompt + answer) for prompt, answer in zip(prompts, answers, strict=True)]
        order = sorted(range(len(whole)), key=lambda row: len(whole[row]))
        losses: dict[int, tuple[float, int]] = {}
        # The model of transformers under an adapter, its layers included.
        model = self._model.get_base_model() if hasattr(self._model, "get_base_model") else self._model
        head = model.get_output_embeddings()
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            # Padded on the right: what follows a token cannot change it, so neither mask nor positions are needed.
            ids = pad_sequence([whole[row] for row in rows], batch_first=True).to(self.device)
            with self._running():
                hidden = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
                for row, states, tokens in zip(rows, hidden, ids, strict=True):
                    first, end = len(prompts[row]), len(whole[row])
                    # The position before a token is the one that foretells it.
                    seen, wanted = states[first - 1 : end - 1], tokens[first:end]
                    parts = zip(seen.split(_POSITIONS), wanted.split(_POSITIONS), strict=True)
                    loss = sum(float(cross_entropy(head(s).float(), w, reduction="sum")) for s, w in parts)
                    losses[row] = loss, end - first
        return [losses[row] for row in range(len(whole))]

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Without gradients, and of a base without the adapter that lies over it.

        Peft's own `disable_adapter` inspects every layer before and after, which costs more than a token of a small
        model.
        """
        import torch

        if not self._adapted:
            self._model.base_model.disable_adapter_layers()
        try:
            with torch.inference_mode():
                yield
        finally:
            if not self._adapted:
                self._model.base_model.enable_adapter_layers()

    def _generate(self, texts: Sequence[str], **options: Any) -> list[list[int]]:  # noqa: ANN401 - those of `generate`
        """The tokens that follow each text; those after its first end token are padding."""
        inputs = self._inputs(texts)
        with self._running():
            made: Any = self._model.generate(**inputs, **options)
        return [row.tolist() for row in made[:, inputs["input_ids"].shape[1] :]]

    def _encode(self, conversations: Sequence[Sequence[Message]]) -> list[list[int]]:
        """Token ids of the prompts; the tokenizer writes BOS."""
        return [self._tokenizer(self.template.prompt(messages)).input_ids for messages in conversations]

    def _inputs(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 - what `generate` takes
        """Token ids and attention mask, the shorter texts padded on the left."""
        inputs = self._tokenizer(list(texts), padding=True, return_tensors="pt", return_token_type_ids=False)
        return inputs.to(self.device)

    def _text(self, tokens: Sequence[int]) -> str:
        kept = [token for token in tokens if token not in self._ends]
        return str(self._tokenizer.decode(kept, skip_special_tokens=True))

    def _generation(self, tokens: Sequence[int]) -> Generation:
        """What a model said with these tokens: those up to the first end token, which padding is made of, too."""
        end = next((place for place, token in enumerate(tokens) if token in self._ends), None)
        return Generation(self._text(tokens[:end]).strip(), end is not None, len(tokens[:end]))


def _drawing(sampling: Sampling | None) -> Any:  # noqa: ANN401 - a list of processors, as `generate` takes it
    """Makes the greedy choice a draw: Gumbel noise on the logits, the same for every row of a batch.

    `generate` itself would draw the rows from one generator in turn, so that an answer depended on those beside it.
    """
    import torch
    from transformers import LogitsProcessorList

    if sampling is None:
        return LogitsProcessorList()
    chance = torch.Generator().manual_seed(sampling.seed)

    def draw(_: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        noise = torch.empty(logits.shape[-1]).exponential_(generator=chance).log().to(logits.device)
        return logits.float() / sampling.temperature - noise

    return LogitsProcessorList([draw])
