"""Which split a product belongs to, and which products a limit keeps: pure functions of the title."""

from __future__ import annotations

from amazon_titles.catalog import key_hash

SPLITS = ("train", "validation", "test")

_MASK = (1 << 64) - 1


def mix(value: int) -> int:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014): 64 bits in, 64 unrelated bits out."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def split_of(title: str, *, validation: float, test: float) -> str:
    """The split of a product: decided by its normalised title alone, so it stays when others come or go.

    Args:
        title: Clean title.
        validation: Share of the products, 0 to 1.
        test: Likewise.

    Returns:
        `train`, `validation` or `test`.
    """
    place = key_hash(title) / 2**64
    if place < test:
        return "test"
    return "validation" if place < test + validation else "train"


def sampling_rank(title: str, *, seed: int) -> int:
    """Where a product stands in the queue for a limited dataset: the `limit` lowest ranks are kept.

    Spread evenly over the file and over the splits, and nested: a larger limit adds products and drops none.

    Returns:
        0 to 2^64 - 1.
    """
    return mix(key_hash(title) ^ mix(seed & _MASK))
