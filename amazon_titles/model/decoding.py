"""Token by token: many conversations at a time, each row leaving when it is done.

`generate` of transformers keeps every row until the longest is finished, and spends more time between two steps than a
small model spends in one. This loop does what greedy `generate` does, row for row, and drops rows that have ended.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from amazon_titles.model.generation import Sampling

if TYPE_CHECKING:
    import torch

Rows = list[list[int]]

# Rows are dropped once a quarter of them has ended: copying the cache costs about as much as a step.
_DROP_SHARE = 0.25


def decode(
    model: Any,  # noqa: ANN401 - whatever transformers or peft loaded
    prompts: Sequence[Sequence[int]],
    *,
    ends: Collection[int],
    max_new_tokens: int,
    sampling: Sampling | None = None,
) -> Iterator[list[tuple[int, int]]]:
    """Yields, step by step, `(row, token)` of every row that is not done; an end token is a row's last.

    Args:
        model: On its device, in evaluation mode.
        prompts: Token ids, BOS included; shorter ones are padded on the left and take no notice of it.
        ends: Tokens that end an answer.
        max_new_tokens: Most tokens of a row.
        sampling: None for greedy.
    """
    import torch

    device = model.device
    ids, mask = (made.to(device) for made in left_padded(prompts))
    # A mask that masks nothing only costs time.
    padded = bool((mask == 0).any())
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    pick = _greedy if sampling is None else _Drawing(sampling, len(prompts))
    last = last_logits_only(model)
    stop = torch.tensor(sorted(ends))
    alive = torch.arange(len(prompts))  # the row that each line of the batch answers
    going = torch.ones(len(prompts), dtype=torch.bool)
    cache = None
    for _ in range(max_new_tokens):
        with torch.inference_mode():
            out = model(
                input_ids=ids,
                attention_mask=mask if padded else None,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                **last,
            )
        tokens = pick(out.logits[:, -1], alive)
        yield [
            (row, token)
            for row, token, goes in zip(alive.tolist(), tokens.tolist(), going.tolist(), strict=True)
            if goes
        ]
        cache = out.past_key_values
        going &= ~torch.isin(tokens, stop)
        left = int(going.sum())
        if not left:
            return
        positions = positions[:, -1:] + 1
        if left <= len(going) * (1 - _DROP_SHARE) and hasattr(cache, "batch_select_indices"):
            kept = going.nonzero().flatten()
            alive, tokens, going = alive[kept], tokens[kept], going[kept]
            kept = kept.to(device)
            mask, positions = mask[kept], positions[kept]
            cache.batch_select_indices(kept)
        if padded:
            mask = torch.cat([mask, mask.new_ones((len(mask), 1))], dim=1)
        ids = tokens.to(device)[:, None]


def left_padded(prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask of prompts, as long as the longest of them, the shorter ones padded on the left."""
    import torch

    longest = max(map(len, prompts))
    ids = torch.zeros((len(prompts), longest), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    return ids, mask


def _greedy(logits: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
    return logits.argmax(-1).cpu()


class _Drawing:
    """Draws each row's next token with the row's own generator."""

    def __init__(self, sampling: Sampling, rows: int) -> None:
        import torch

        self._temperature = sampling.temperature
        self._generators = [torch.Generator().manual_seed(sampling.seed) for _ in range(rows)]

    def __call__(self, logits: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
        import torch

        shares = torch.softmax(logits.float().cpu() / self._temperature, -1)
        drawn = [
            torch.multinomial(share, 1, generator=self._generators[row])
            for share, row in zip(shares, alive.tolist(), strict=True)
        ]
        return torch.cat(drawn)


def last_logits_only(model: Any) -> dict[str, int]:  # noqa: ANN401
    """The argument that spares a prompt's other logits: at 128,256 tokens of vocabulary they are gigabytes.

    transformers 4.48 calls it `num_logits_to_keep`, later ones `logits_to_keep`.
    """
    inner: Any = model.get_base_model() if hasattr(model, "get_base_model") else model
    known = inspect.signature(inner.forward).parameters
    return next(({name: 1} for name in ("logits_to_keep", "num_logits_to_keep") if name in known), {})


def collect(steps: Iterator[list[tuple[int, int]]], rows: int, ends: Collection[int]) -> tuple[Rows, list[bool]]:
    """All tokens of every row, end tokens left out, and whether each row reached its end."""
    tokens: Rows = [[] for _ in range(rows)]
    finished = [False] * rows
    for step in steps:
        for row, token in step:
            if token in ends:
                finished[row] = True
            else:
                tokens[row].append(token)
    return tokens, finished
