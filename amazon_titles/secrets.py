"""Finds tokens and keys, in any file, before it leaves the machine; and takes them out of what is said."""

from __future__ import annotations

import os
import re
from pathlib import Path

# Each shape is the literals that it begins with, and what follows: a search of the file for the literal (memchr) comes
# before the regex. Sources: the providers' own documentation of their token formats.
_SHAPES = tuple(
    (literal, re.compile(re.escape(literal) + rest), f"what looks like {name}")
    for literals, rest, name in (
        ((b"hf_", b"api_org_"), rb"[A-Za-z0-9]{20,}", "a Hugging Face token"),
        ((b"ghp_", b"gho_", b"ghs_", b"github_pat_"), rb"[A-Za-z0-9_]{30,}", "a GitHub token"),
        ((b"glpat-",), rb"[A-Za-z0-9_-]{20,}", "a GitLab token"),
        ((b"AKIA",), rb"[A-Z0-9]{16}(?![A-Za-z0-9])", "an AWS key"),
        ((b"AIza",), rb"[A-Za-z0-9_-]{35}", "a Google key"),
        ((b"xoxb-",), rb"[0-9A-Za-z-]{20,}", "a Slack token"),
        ((b"sk-",), rb"(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{32,}", "an API key"),
        ((b"-----BEGIN ",), rb"(?:[A-Z]+ )*PRIVATE KEY", "a private key"),
    )
    for literal in literals
)
_SECRET_NAME = re.compile(r"TOKEN|SECRET|API_?KEY|PASSWORD|PASSWD", re.I)
_PLAIN = re.compile(r"/|https?:|[A-Za-z]:\\")  # where a token is, not what it is
_SHORTEST = 16  # characters: below this a value of the environment is likelier a word than a secret


def known_secrets(token: str | None = None) -> dict[bytes, str]:
    """The secrets of this process: the token in use, and values of the environment that are named like one.

    Args:
        token: The token that the push uses.

    Returns:
        Secret → what to call it. Never print a key.
    """
    secrets = {
        value.encode(): f"the value of {name}"
        for name, value in os.environ.items()
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST and not _PLAIN.match(value)
    }
    return secrets | ({token.encode(): "the token of this push"} if token else {})


def find(data: bytes, known: dict[bytes, str]) -> str | None:
    """What looks like a secret in these bytes, in words that do not repeat it; None if nothing does."""
    for secret, name in known.items():
        if secret in data:
            return name
    for literal, shape, name in _SHAPES:
        start = data.find(literal)  # much faster than the regex, and mostly the end of it
        for hit in shape.finditer(data, start) if start >= 0 else ():
            before = data[max(hit.start() - 2, 0) : hit.start()]
            # "a desk-organiser" is no key; JSON writes the end of a line as a letter.
            if literal != b"sk-" or not before[-1:].isalnum() or before in (rb"\n", rb"\r", rb"\t"):
                return name
    return None


def find_in_file(source: Path | bytes, known: dict[bytes, str]) -> str | None:
    """The same for a file; Parquet is searched in its columns too, for it lies compressed."""
    found = find(source if isinstance(source, bytes) else source.read_bytes(), known)
    if found is None and isinstance(source, Path) and source.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        with pq.ParquetFile(source) as parquet:
            for batch in parquet.iter_batches(batch_size=8192):
                plain = pa.BufferOutputStream()
                with pa.ipc.new_stream(plain, batch.schema) as stream:  # Arrow's own format compresses nothing
                    stream.write_batch(batch)
                if found := find(plain.getvalue().to_pybytes(), known):
                    break
    return found


def redact(text: str, token: str | None = None) -> str:
    """Takes out of a message what looks like a secret, the process's own ones included."""
    data = text.encode("utf-8", "replace")
    for secret in known_secrets(token):
        data = data.replace(secret, b"[a secret]")
    for _, shape, _ in _SHAPES:
        data = shape.sub(b"[a secret]", data)
    return data.decode("utf-8", "replace")
