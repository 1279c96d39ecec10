"""Reads adapter_model.safetensors without torch: is every number finite, and has anything been trained?

The format is a length, a JSON header and the tensors' bytes (the safetensors documentation). Numbers are looked at as
integers, so bfloat16 needs no library that knows it: all bits of the exponent set is an infinity or a NaN, and all
bits but the sign clear is a zero (IEEE 754).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# safetensors' name of a type → (Arrow's unsigned type of that width, the exponent's bits, all bits but the sign)
_TYPES = {
    "F64": ("uint64", 0x7FF0000000000000, 0x7FFFFFFFFFFFFFFF),
    "F32": ("uint32", 0x7F800000, 0x7FFFFFFF),
    "F16": ("uint16", 0x7C00, 0x7FFF),
    "BF16": ("uint16", 0x7F80, 0x7FFF),
}
_LONGEST_HEADER = 100_000_000  # bytes, as in the safetensors library


def weight_problems(path: Path) -> Iterator[str]:
    """Every reason why these weights are none.

    Args:
        path: An `adapter_model.safetensors`.

    Yields:
        A sentence each: the file is damaged, a tensor holds NaN or infinity, nothing was trained.
    """
    import pyarrow as pa

    with path.open("rb") as file, pa.memory_map(str(path)) as mapped:
        try:
            header, start = _header(file.read(8), file, path.stat().st_size)
            tensors = {name: _bits(mapped, start, row) for name, row in header.items()}
        except (ValueError, KeyError, TypeError, pa.ArrowInvalid) as error:
            yield f"it is no safetensors file, or a damaged one ({error})"
            return
        yield from _judge(tensors, {name: row["dtype"] for name, row in header.items()})


def _header(length: bytes, file: Any, size: int) -> tuple[dict[str, Any], int]:  # noqa: ANN401 - a binary file
    count = struct.unpack("<Q", length)[0] if len(length) == 8 else 0
    if not 2 <= count <= min(_LONGEST_HEADER, size - 8):
        raise ValueError("its header does not fit")
    header = json.loads(file.read(count))
    header.pop("__metadata__", None)
    ends = [row["data_offsets"][1] for row in header.values()]
    if not ends or 8 + count + max(ends) != size:
        raise ValueError("it holds no tensors" if not ends else "it has been cut or added to")
    return header, 8 + count


def _bits(mapped: Any, start: int, row: dict[str, Any]) -> Any:  # noqa: ANN401 - Arrow has no types to check by
    """A tensor's numbers as unsigned integers."""
    import pyarrow as pa

    if row["dtype"] not in _TYPES:
        raise ValueError(f"a tensor of type {row['dtype']}")
    kind = getattr(pa, _TYPES[row["dtype"]][0])()
    first, end = row["data_offsets"]
    buffer = mapped.read_buffer(end - first) if mapped.seek(start + first) is not None else None
    return pa.Array.from_buffers(kind, (end - first) * 8 // kind.bit_width, [None, buffer])


def _judge(tensors: dict[str, Any], types: dict[str, str]) -> Iterator[str]:
    import pyarrow.compute as pc

    zero: dict[str, bool] = {}
    for name, bits in tensors.items():
        _, exponent, value = _TYPES[types[name]]
        like = bits.type
        special = pc.equal(pc.bit_wise_and(bits, _scalar(exponent, like)), _scalar(exponent, like))
        if pc.any(special).as_py():
            yield f"{name} holds NaN or infinity: the training diverged"
            return
        zero[name] = pc.max(pc.bit_wise_and(bits, _scalar(value, like))).as_py() in (0, None)
    # LoRA starts with B = 0: an adapter whose every B is zero changes nothing (Hu et al., 2021, section 4.1).
    products = [name for name in zero if "lora_B" in name] or list(zero)
    if all(zero[name] for name in products):
        yield "its weights are all zero: nothing was trained"


def _scalar(value: int, kind: Any) -> Any:  # noqa: ANN401 - Arrow has no types to check by
    import pyarrow as pa

    return pa.scalar(value, kind)
