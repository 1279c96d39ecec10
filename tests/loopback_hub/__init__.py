"""A small Hub on this machine, so that publishing is tested with real clients and without a network.

`http.server`, real git object ids, tokens and organisations, LFS in one piece and in parts, ranges, pages, tags,
branches, 412 on a stale parent, and faults on demand. It does not speak Xet: clients get `HF_HUB_DISABLE_XET=1`.
"""

from tests.loopback_hub.server import LoopbackHub

__all__ = ["LoopbackHub"]
