"""A batch's forward and backward pass on CUDA: compiled where it pays, recorded once, and played again.

torch is imported with this module, which only the trl engine's own process imports.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

_ALIKE = 0.2  # of a gradient's length: roundings of bfloat16 came to 0.01, a part that is missing to 1


class RecordedStep:
    """Adds a batch's gradients to the parameters', by a CUDA graph: one launch in place of thousands.

    All batches have one shape, and everything that they need lies where it lay when the graph was made: the gradients
    too, so they are set to zero and never taken away.

    Attributes:
        refused: Why the step is not compiled, or not recorded; empty where it is both.

    Args:
        sum_of_losses: Of a batch.
        parameters: The model's.
        compile_: Turns a compiler on or off for the next call of `sum_of_losses`; None where it does not pay.
    """

    def __init__(
        self, sum_of_losses: Callable[[Mapping[str, Any]], Tensor], parameters: Iterable[Tensor],
        compile_: Callable[[bool], None] | None = None,
    ) -> None:  # fmt: skip
        self.sum_of_losses, self.compile = sum_of_losses, compile_
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self.refused = {} if compile_ else {"compile": "the training is too short"}
        self.graph: torch.cuda.CUDAGraph | None = None
        self.batch: dict[str, Any] = {}
        self.factor = self.total = torch.ones(())

    def __call__(self, batch: Mapping[str, Any], factor: Tensor) -> Tensor:
        """The sum of the batch's losses, whose gradients are multiplied by `factor`."""
        if self.graph is None and "record" not in self.refused:
            self._record(batch, factor)
        if self.graph is None:
            return self._run(batch, factor)
        for name, value in self.batch.items():
            if isinstance(value, Tensor):
                value.copy_(batch[name], non_blocking=True)
        self.factor.copy_(factor, non_blocking=True)
        self.graph.replay()
        return self.total.clone()

    def zero_grad(self) -> None:
        """Sets the gradients to zero where they lie."""
        if gradients := [parameter.grad for parameter in self.parameters if parameter.grad is not None]:
            torch._foreach_zero_(gradients)

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
            plain = self._gradients()
            if self.compile is not None:
                self._try_compiling(self.compile, plain)
        torch.cuda.current_stream().wait_stream(aside)
        del plain
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
            self.refused["record"] = _first_line(error)
        self.zero_grad()

    def _try_compiling(self, compile_: Callable[[bool], None], plain: list[Tensor]) -> None:
        """Compiles, unless the compiler fails or what it made has other gradients (torch 2.11 lost some)."""
        compile_(True)
        try:
            off = [
                float((a - b).norm() / a.norm().clamp(min=1e-12)) for a, b in zip(plain, self._gradients(), strict=True)
            ]
            if all(share <= _ALIKE for share in off):
                return
            self.refused["compile"] = f"a gradient is off by {max(off):.0%}"
        except Exception as error:  # whatever a compiler says
            self.refused["compile"] = _first_line(error)
        compile_(False)

    def _gradients(self) -> list[Tensor]:
        self.zero_grad()
        self._run(self.batch, self.factor)
        return [parameter.grad.clone() for parameter in self.parameters if parameter.grad is not None]


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
