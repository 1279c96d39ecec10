"""`LocalModel`: a model on this machine, spoken to in the template that it was trained in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amazon_titles.errors import AmazonTitlesError
from amazon_titles.model.generation import Generation, decode, left_padded, whole_model
from amazon_titles.templates import ChatTemplate, Message

if TYPE_CHECKING:
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
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, name: str, template: ChatTemplate
    ) -> None:
        self.name, self.template, self.device = name, template, model.device
        self.window = int(getattr(model.config, "max_position_embeddings", 0)) or 2048
        self._model, self._tokenizer = model, tokenizer
        configured = model.generation_config.eos_token_id
        named = [configured] if isinstance(configured, int) else configured or []
        self._ends = frozenset([tokenizer.convert_tokens_to_ids(template.end), *named])

    def without_adapter(self) -> LocalModel | None:
        """The base under a `peft` adapter, which is switched off while it writes; None where there is no adapter.

        Both share one set of weights, so only one of them may write at a time, or each a token in turn.
        """
        if not hasattr(self._model.base_model, "disable_adapter_layers"):
            return None
        name = Path(str(self._model.active_peft_config.base_model_name_or_path)).name
        return LocalModel(_WithoutAdapter(self._model), self._tokenizer, name=name, template=self.template)

    def count_tokens(self, conversation: Sequence[Message]) -> int:
        """Tokens of the prompt that a conversation becomes."""
        return len(self._encode([conversation])[0])

    def generate_full(
        self, conversations: Sequence[Sequence[Message]], *, batch_size: int = 32, **limits: Any  # noqa: ANN401
    ) -> list[Generation]:  # fmt: skip
        """Answers conversations, in their order.

        Args:
            conversations: Each a list of messages that ends with the user's.
            batch_size: Conversations at a time; like lengths go together. Fewer, where the device's memory ends.
            **limits: `max_new_tokens` and `sampling`, as of `decode`.

        Raises:
            AmazonTitlesError: One conversation alone does not fit the device's memory.
        """
        prompts = self._encode(conversations)
        waiting = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
        answers: dict[int, Generation] = {}
        while waiting:
            rows = waiting[:batch_size]
            said: list[list[int]] = [[] for _ in rows]
            try:
                for step in decode(self._model, [prompts[row] for row in rows], ends=self._ends, **limits):
                    for place, token in step:
                        said[place].append(token)
            except RuntimeError as error:
                if "out of memory" not in str(error):  # CUDA's words and MPS's
                    raise
                if len(rows) == 1:
                    raise AmazonTitlesError(
                        "The device has not enough memory for this model and one question.",
                        hint="Use another one (--device cpu), or a smaller type: --dtype bfloat16.",
                    ) from None
                batch_size = len(rows) // 2
                continue
            waiting = waiting[batch_size:]
            answers |= {row: self._generation(tokens) for row, tokens in zip(rows, said, strict=True)}
        return [answers[row] for row in range(len(prompts))]

    def stream(self, conversation: Sequence[Message], **limits: Any) -> Iterator[str | Generation]:  # noqa: ANN401
        """Yields the text of one answer as it comes, and last what `generate_full` tells of it.

        Args:
            conversation: A list of messages that ends with the user's.
            **limits: `max_new_tokens` and `sampling`, as of `decode`.
        """
        said: list[int] = []
        shown = ""
        for step in decode(self._model, self._encode([conversation]), ends=self._ends, **limits):
            said += [token for _, token in step]
            # Half a character, and blanks that may be the answer's last, wait for what follows.
            whole = self._text(said).lstrip().rstrip("\ufffd").rstrip()
            if whole.startswith(shown) and whole != shown:
                yield whole[len(shown) :]
                shown = whole
        generation = self._generation(said)
        if len(generation.text) > len(shown):
            yield generation.text[len(shown) :]
        yield generation

    def complete(self, texts: Sequence[str], *, max_new_tokens: int, seed: int = 0) -> list[str]:
        """Continues raw texts together, drawn at random, each up to its first end token.

        What is drawn is among the likeliest tokens that together have a probability of 0.95.

        Args:
            texts: As the model shall see them, special tokens included, without BOS: the tokenizer writes it.
            max_new_tokens: Longest continuation, in tokens.
            seed: The same texts and seed give the same continuations on the same machine.
        """
        import torch

        ids, mask = left_padded(self._tokenizer(list(texts)).input_ids)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            drawn = self._model.generate(
                input_ids=ids.to(self.device), attention_mask=mask.to(self.device), max_new_tokens=max_new_tokens,
                do_sample=True, temperature=1.0, top_p=0.95, top_k=0, eos_token_id=sorted(self._ends),
                pad_token_id=min(self._ends),
            )  # fmt: skip
        return [self._text(tokens) for tokens in drawn[:, ids.shape[1] :].tolist()]

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
        answers = [torch.tensor(self._tokenizer(text, add_special_tokens=False).input_ids) for text in said]
        order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]) + len(answers[row]))
        losses = [(0.0, 0)] * len(prompts)
        model = whole_model(self._model)
        head = model.get_output_embeddings()
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            # Padded on the right: what follows a token cannot change it, so neither mask nor positions are needed.
            ids = pad_sequence(
                [torch.cat([torch.tensor(prompts[row]), answers[row]]) for row in rows], batch_first=True
            )
            with torch.inference_mode():
                hidden = model.get_decoder()(input_ids=ids.to(self.device), use_cache=False).last_hidden_state
                for row, states in zip(rows, hidden, strict=True):
                    # The position before a token is the one that foretells it.
                    states = torch.split(states[len(prompts[row]) - 1 :][: len(answers[row])], _POSITIONS)
                    wanted = torch.split(answers[row].to(self.device), _POSITIONS)
                    parts = zip(states, wanted, strict=True)
                    loss = sum(float(cross_entropy(head(s).float(), w, reduction="sum")) for s, w in parts)
                    losses[row] = loss, len(answers[row])
        return losses

    def _encode(self, conversations: Sequence[Sequence[Message]]) -> list[list[int]]:
        """Token ids of the prompts; the tokenizer writes BOS."""
        return [self._tokenizer(self.template.prompt(messages)).input_ids for messages in conversations]

    def _text(self, tokens: Sequence[int]) -> str:
        kept = [token for token in tokens if token not in self._ends]
        return str(self._tokenizer.decode(kept, skip_special_tokens=True))

    def _generation(self, tokens: Sequence[int]) -> Generation:
        """What a model said with these tokens, the last of which may be an end token."""
        ended = tokens[-1] in self._ends if tokens else False
        return Generation(self._text(tokens).strip(), ended, len(tokens) - ended)


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
