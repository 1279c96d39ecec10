"""`LocalModel`: a model on this machine, spoken to in the template that it was trained in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from amazon_titles.errors import AmazonTitlesError
from amazon_titles.model.decoding import collect, decode, left_padded
from amazon_titles.model.generation import Generation, Sampling
from amazon_titles.model.losses import answer_loss
from amazon_titles.templates import ChatTemplate, Message


class LocalModel:
    """A causal language model of `transformers` or `peft`, with its tokenizer.

    Attributes:
        name: What reports call it.
        template: How it is spoken to.
        device: What it runs on.
        window: Tokens that a prompt and its answer may have together.

    Args:
        model: The model, on its device, in evaluation mode.
        tokenizer: Its tokenizer.
        name: See above.
        template: See above.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - whatever transformers or peft loaded
        tokenizer: Any,  # noqa: ANN401
        *,
        name: str,
        template: ChatTemplate,
    ) -> None:
        self.name = name
        self.template = template
        self.device = model.device
        self.window = int(getattr(model.config, "max_position_embeddings", 0)) or 2048
        self._model, self._tokenizer = model, tokenizer
        configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
        named = [configured] if isinstance(configured, int) else list(configured or [])
        self._ends = frozenset([tokenizer.convert_tokens_to_ids(template.end), *named])

    def without_adapter(self) -> LocalModel | None:
        """The base under a `peft` adapter, which is switched off while it writes; None where there is no adapter.

        Both share one set of weights, so only one of them may write at a time, or each a token in turn.
        """
        if not hasattr(getattr(self._model, "base_model", None), "disable_adapter_layers"):
            return None
        config = next(iter(self._model.peft_config.values()))
        name = Path(str(config.base_model_name_or_path)).name
        return LocalModel(_WithoutAdapter(self._model), self._tokenizer, name=name, template=self.template)

    def count_tokens(self, conversation: Sequence[Message]) -> int:
        """Tokens of the prompt that a conversation becomes."""
        return len(self._encode([conversation])[0])

    def generate_full(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int = 256,
        batch_size: int = 32,
        sampling: Sampling | None = None,
    ) -> list[Generation]:
        """Answers conversations, in their order.

        Args:
            conversations: Each a list of messages that ends with the user's.
            max_new_tokens: Longest answer, in tokens.
            batch_size: Conversations at a time; like lengths go together. Fewer, where the device's memory ends.
            sampling: How to draw; greedy without.

        Raises:
            AmazonTitlesError: One conversation alone does not fit the device's memory.
        """
        prompts = self._encode(conversations)
        waiting = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
        answers: list[Generation] = [Generation("", False, 0)] * len(prompts)
        while waiting:
            rows = waiting[:batch_size]
            steps = decode(
                self._model,
                [prompts[row] for row in rows],
                ends=self._ends,
                max_new_tokens=max_new_tokens,
                sampling=sampling,
            )
            try:
                tokens, finished = collect(steps, len(rows), self._ends)
            except RuntimeError as error:
                batch_size = _fewer(error, len(rows))
                continue
            waiting = waiting[batch_size:]
            texts = self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
            for row, text, said, ended in zip(rows, texts, tokens, finished, strict=True):
                answers[row] = Generation(text.strip(), ended, len(said))
        return answers

    def stream(
        self, conversation: Sequence[Message], *, max_new_tokens: int = 256, sampling: Sampling | None = None
    ) -> Iterator[str | Generation]:
        """Yields the text of one answer as it comes, and last what `generate_full` tells of it."""
        steps = decode(
            self._model,
            self._encode([conversation]),
            ends=self._ends,
            max_new_tokens=max_new_tokens,
            sampling=sampling,
        )
        said: list[int] = []
        shown = ""
        finished = False
        for step in steps:
            finished = step[0][1] in self._ends
            said += [token for _, token in step if token not in self._ends]
            text = self._tokenizer.decode(said, skip_special_tokens=True).lstrip()
            # Half a character, and blanks that may be the answer's last, wait for what follows.
            whole = text.rstrip("\ufffd").rstrip()
            if whole.startswith(shown) and len(whole) > len(shown):
                yield whole[len(shown) :]
                shown = whole
        rest = self._tokenizer.decode(said, skip_special_tokens=True).strip()
        if len(rest) > len(shown):
            yield rest[len(shown) :]
        yield Generation(rest, finished, len(said))

    def complete(
        self,
        texts: Sequence[str],
        *,
        max_new_tokens: int,
        batch_size: int = 32,
        temperature: float = 1.0,
        top_p: float = 0.95,
        seed: int = 0,
    ) -> list[str]:
        """Continues raw texts, drawn at random, each up to its first end token.

        Args:
            texts: As the model shall see them, special tokens included, without BOS: the tokenizer writes it.
            max_new_tokens: Longest continuation, in tokens.
            batch_size: Texts at a time.
            temperature: The logits are divided by it.
            top_p: The likeliest tokens that together have this probability are drawn from.
            seed: The same texts and seed give the same continuations on the same machine.
        """
        import torch

        found: list[str] = []
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            for start in range(0, len(texts), batch_size):
                rows = self._tokenizer(list(texts[start : start + batch_size])).input_ids
                ids, mask = left_padded(rows)
                drawn = self._model.generate(
                    input_ids=ids.to(self.device), attention_mask=mask.to(self.device), max_new_tokens=max_new_tokens,
                    do_sample=True, temperature=temperature, top_p=top_p, top_k=0, eos_token_id=sorted(self._ends),
                    pad_token_id=min(self._ends),
                )  # fmt: skip
                for tokens in drawn[:, ids.shape[1] :].tolist():
                    end = next((place for place, token in enumerate(tokens) if token in self._ends), len(tokens))
                    found.append(self._tokenizer.decode(tokens[:end], skip_special_tokens=True))
        return found

    def answer_losses(
        self, conversations: Sequence[Sequence[Message]], *, batch_size: int = 32
    ) -> list[tuple[float, int]]:
        """How surprised the model is by given answers: `(sum of losses in nats, tokens)` of each, end-of-turn included.

        Args:
            conversations: Each a list of messages that ends with the assistant's.
            batch_size: Conversations at a time; like lengths go together.
        """
        prompts = self._encode([messages[:-1] for messages in conversations])
        texts = [
            self.template.escape(messages[-1]["content"].strip()) + self.template.end for messages in conversations
        ]
        answers = self._tokenizer(texts, add_special_tokens=False).input_ids if texts else []
        order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]) + len(answers[row]))
        losses = [(0.0, 0)] * len(prompts)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            sums = answer_loss(self._model, [prompts[row] for row in rows], [answers[row] for row in rows])
            for row, value in zip(rows, sums, strict=True):
                losses[row] = value, len(answers[row])
        return losses

    def _encode(self, conversations: Sequence[Sequence[Message]]) -> list[list[int]]:
        """Token ids of the prompts; the tokenizer writes BOS."""
        texts = [self.template.prompt(messages) for messages in conversations]
        return list(self._tokenizer(texts).input_ids) if texts else []


class _WithoutAdapter:
    """A `peft` model whose adapter is off during each call.

    Peft's own `disable_adapter` inspects every layer before and after, which costs more than a token of a small model.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        self._adapted = model

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._adapted, name)

    def __call__(self, **inputs: Any) -> Any:  # noqa: ANN401
        layers = self._adapted.base_model
        layers.disable_adapter_layers()
        try:
            return self._adapted(**inputs)
        finally:
            layers.enable_adapter_layers()


def _fewer(error: RuntimeError, rows: int) -> int:
    """Half the rows of a batch that did not fit the device's memory.

    Raises:
        AmazonTitlesError: It was one row.
        RuntimeError: It failed for another reason.
    """
    if "out of memory" not in str(error):  # CUDA's words and MPS's
        raise error
    if rows == 1:
        raise AmazonTitlesError(
            "The device has not enough memory for this model and one question.",
            hint="Use another one (--device cpu), or a smaller type: --dtype bfloat16.",
        ) from None
    return rows // 2
