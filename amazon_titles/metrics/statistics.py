"""Means, how sure they are, and whether a change is more than chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[Any]]

Values = Sequence[float | None]
"""One value an example, None where it cannot be computed."""

RESAMPLES = 2000
# Sign flips of a permutation test: all of them up to this many, else as many drawn ones.
_FLIPS = 2**13
# Numbers drawn at a time, so that a thousand examples cost megabytes and not gigabytes.
_AT_A_TIME = 2**20


def mean(values: Values, weights: Sequence[float] | None = None) -> float | None:
    """The mean of the values that exist; None where none does: what cannot be computed is absent, never zero.

    Args:
        values: One an example.
        weights: As many; by default each counts the same.
    """
    known = [(v, w) for v, w in zip(values, weights or [1.0] * len(values), strict=True) if v is not None]
    total = sum(w for _, w in known)
    return sum(v * w for v, w in known) / total if total else None


def bootstrap_interval(
    values: Values, *, weights: Sequence[float] | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> list[float] | None:
    """The 95 % interval of a mean: percentile bootstrap over the examples (Efron 1979).

    Args:
        values: One an example; those that are None are left out.
        weights: As for `mean`; drawn together with their values.
        resamples: Draws with replacement.
        seed: Of the draws, so that the same values give the same interval.

    Returns:
        `[low, high]`; None with fewer than two values.
    """
    import numpy as np

    known = [(v, w) for v, w in zip(values, weights or [1.0] * len(values), strict=True) if v is not None]
    if len(known) < 2:
        return None
    value, weight = (np.array(column, dtype=float) for column in zip(*known, strict=True))
    total = value * weight
    means = np.concatenate(
        [total[drawn].sum(axis=1) / weight[drawn].sum(axis=1) for drawn in _draws(len(known), resamples, seed)]
    )
    low, high = np.percentile(means, [2.5, 97.5])
    return [round(float(low), 4), round(float(high), 4)]


@dataclass(frozen=True, slots=True)
class Change:
    """What changed between two measurements of the same examples.

    Attributes:
        n: Examples that have a value in both.
        before: Mean of those.
        after: Mean of those.
        interval: 95 % of `after - before`: paired bootstrap, `[low, high]`; None with fewer than two examples.
        p_value: Two-sided, of a paired permutation test; None with fewer than two examples.
    """

    n: int
    before: float
    after: float
    interval: list[float] | None
    p_value: float | None


def paired_change(
    before: Values, after: Values, *, weights: Sequence[float] | None = None, seed: int = 0
) -> Change | None:
    """What changed, over the examples that have a value both times; None where there is none.

    The test flips the sign of each example's difference: were the training without effect, either order of the two
    would be as likely (Fisher's randomisation test). Up to thirteen examples all flips are counted; with more, drawn
    ones, and then the measured one counts among them, so that p is never 0 (Phipson and Smyth 2010).

    Args:
        before: One value an example.
        after: In the same order.
        weights: As for `mean`, the same both times.
        seed: Of the draws.
    """
    import numpy as np

    pairs = zip(before, after, weights or [1.0] * len(before), strict=True)
    both = [(b, a, w) for b, a, w in pairs if b is not None and a is not None]
    if not both or not sum(w for *_, w in both):
        return None
    first, then, weight = (np.array(column, dtype=float) for column in zip(*both, strict=True))
    means = [float((column * weight).sum() / weight.sum()) for column in (first, then)]
    if len(both) < 2:
        return Change(len(both), means[0], means[1], None, None)
    difference = then - first
    interval = bootstrap_interval(list(difference), weights=list(weight), seed=seed)
    return Change(len(both), means[0], means[1], interval, _permutation_p(difference * weight, seed))


def _permutation_p(differences: Numbers, seed: int) -> float:
    import numpy as np

    n = len(differences)
    least = abs(differences.sum()) * (1 - 1e-9)  # sums in another order differ in their last digits
    if 2**n <= _FLIPS:
        bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
        return float((np.abs((1 - 2 * bits) @ differences) >= least).mean())
    random, extreme = np.random.default_rng(seed), 0
    for count in _portions(n, _FLIPS - 1):
        signs = random.integers(0, 2, size=(count, n), dtype=np.int8) * 2 - 1
        extreme += int((np.abs(signs @ differences) >= least).sum())
    return (1 + extreme) / _FLIPS


def _draws(n: int, resamples: int, seed: int) -> Iterator[Numbers]:
    import numpy as np

    random = np.random.default_rng(seed)
    for count in _portions(n, resamples):
        yield random.integers(n, size=(count, n))


def _portions(n: int, draws: int) -> Iterator[int]:
    """Splits `draws` draws of `n` numbers into portions that fit the memory."""
    most = max(1, _AT_A_TIME // n)
    while draws > 0:
        yield min(most, draws)
        draws -= most
