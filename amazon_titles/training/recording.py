"""A batch's forward and backward pass on CUDA, recorded once and played again: one launch in place of thousands.

torch is imported with this module, which only the trl engine's own process imports.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor


class RecordedStep:
    """Adds a batch's gradients to the parameters', by a CUDA graph.

    All batches have one shape, and everything that they need lies where it lay when the graph was made: the gradients
    too, so they are set to zero and never taken away.

    Attributes:
        refused: Why nothing could be recorded, so that every step runs as it is written; None where it could.

    Args:
        sum_of_losses: Of a batch.
        parameters: The model's.
    """

    def __init__(self, sum_of_losses: Callable[[Mapping[str, Any]], Tensor], parameters: Iterable[Tensor]) -> None:
        self.sum_of_losses = sum_of_losses
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self.refused: str | None = None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.batch: dict[str, Any] = {}
        self.factor = self.total = torch.ones(())

    def __call__(self, batch: Mapping[str, Any], factor: Tensor) -> Tensor:
        """The sum of the batch's losses, whose gradients are multiplied by `factor`."""
        if self.refused is not None:
            return self._run(batch, factor)
        if self.graph is None:
            self._record(batch, factor)
            return self(batch, factor)
        for name, value in self.batch.items():
            if isinstance(value, Tensor):
                value.copy_(batch[name], non_blocking=True)
        self.factor.copy_(factor, non_blocking=True)
        self.graph.replay()
        return self.total.clone()

    def _run(self, batch: Mapping[str, Any], factor: Tensor) -> Tensor:
        total = self.sum_of_losses(batch)
        (total * factor).backward()  # type: ignore[no-untyped-call]
        return total.detach()

    def _record(self, batch: Mapping[str, Any], factor: Tensor) -> None:
        self.batch = {name: value.clone() if isinstance(value, Tensor) else value for name, value in batch.items()}
        self.factor = factor.clone()
        for parameter in self.parameters:
            parameter.grad = torch.zeros_like(parameter)
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # libraries take their workspaces before anything is recorded
            self._run(self.batch, self.factor)
        torch.cuda.current_stream().wait_stream(aside)
        gc.collect()
        torch.cuda.empty_cache()  # what the graph needs it takes for itself
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self.total = self._run(self.batch, self.factor)
            self.graph = graph
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self.refused = str(error).strip().partition("\n")[0][:200]
        self.zero_grad()

    def zero_grad(self) -> None:
        """Sets the gradients to zero where they lie."""
        if gradients := [parameter.grad for parameter in self.parameters if parameter.grad is not None]:
            torch._foreach_zero_(gradients)
