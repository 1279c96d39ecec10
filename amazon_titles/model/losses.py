"""How surprised a model is by the right answers: the sum of their tokens' losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Positions whose logits are held at a time: at Llama 3's 128,256 tokens of vocabulary, 256 of them are 131 MB.
_POSITIONS = 256


def answer_loss(
    model: Any,  # noqa: ANN401 - whatever transformers or peft loaded
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]],
) -> list[float]:
    """The sum of the losses of each answer's tokens, in nats, given its prompt.

    Args:
        model: On its device, in evaluation mode.
        prompts: Token ids, BOS included; the prompt itself is not counted.
        answers: Token ids, end-of-turn included; at least one each.
    """
    import torch

    rows = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
    longest = max(map(len, rows))
    # Padded on the right: what follows a token cannot change it, so neither mask nor positions are needed.
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    sums = []
    with torch.inference_mode():
        hidden = inner.get_decoder()(input_ids=ids.to(model.device), use_cache=False).last_hidden_state
        head = inner.get_output_embeddings()
        for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            # The position before a token is the one that foretells it.
            states = hidden[number, len(prompt) - 1 : len(prompt) + len(answer) - 1]
            wanted = torch.tensor(answer, device=states.device)
            sums.append(
                sum(
                    float(
                        torch.nn.functional.cross_entropy(
                            head(states[start : start + _POSITIONS]).float(),
                            wanted[start : start + _POSITIONS],
                            reduction="sum",
                        )
                    )
                    for start in range(0, len(answer), _POSITIONS)
                )
            )
    return sums
