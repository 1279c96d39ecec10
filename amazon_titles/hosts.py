"""The names by which a server on this machine may be asked.

A site that somebody visits may send its questions here, under a name that it lets lead to this machine (DNS rebinding):
its name then stands in the Host header. An address in numbers cannot be made to lead elsewhere.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable
from fnmatch import fnmatch
from urllib.parse import urlsplit

_LOCAL = ("localhost", "*.localhost")
# Of the notebook's proxy, as `google.colab.output.eval_js("google.colab.kernel.proxyPort(…)")` names it.
_COLAB = ("*.colab.dev", "*.colab.googleusercontent.com")


def known_hosts(host: str | None, others: Iterable[str] = ()) -> tuple[str, ...]:
    """The names by which a server may be asked, as patterns.

    Args:
        host: That it listens on.
        others: More names: of the share link, and what the user allows.
    """
    names = [*_LOCAL, *others, *filter(None, [host, os.environ.get("SPACE_HOST")])]
    if "COLAB_RELEASE_TAG" in os.environ:
        names += _COLAB
    if is_open(host):  # whoever reaches this machine may know it by its name
        names += [socket.gethostname(), f"{socket.gethostname()}.local", socket.getfqdn()]
    return tuple(name.lower() for name in names)


def is_open(host: str | None) -> bool:
    """Whether others than this machine reach a server that listens on this host."""
    try:
        return not ipaddress.ip_address((host or "127.0.0.1").strip("[]")).is_loopback
    except ValueError:
        return host != "localhost"


def is_known(address: str, hosts: Iterable[str]) -> bool:
    """Whether a Host header names one of the `hosts`, which are patterns, or is an address in numbers."""
    try:
        name = urlsplit(f"//{address}").hostname or ""
        return any(fnmatch(name, known) for known in hosts) or bool(ipaddress.ip_address(name))
    except ValueError:
        return False
