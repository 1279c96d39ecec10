"""Finds tokens and keys, in any file, before it leaves the machine; and takes them out of what is said.

What no pattern can see: a password that nothing names, and whatever is packed or encoded (SECURITY.md).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

# A token begins where no word goes on; JSON writes the end of a line as a letter.
_START = rb"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
# What stands between a name and its value, in JSON, YAML, a shell or Python; JSON in JSON has backslashes, too.
_IS = rb"""(?:\\?["'])?[ \t]{0,3}(?::|=>?)[ \t]{0,3}(?:\\?["'])?"""
# A value of letters and digits that is no word, no number, and not the name of a variable or of a file.
_MIXED = rb"(?=[A-Za-z_+/=-]{0,60}[0-9])(?=[0-9_+/=-]{0,60}[A-Za-z])"
_KEY = _IS + _MIXED + rb"[A-Za-z0-9_+/=-]{16,}(?![\w.(\[])"
_PASSWORD = _IS + rb"(?=[^\s\"'0-9]{0,60}[0-9])(?=[^\s\"'A-Za-z]{0,60}[A-Za-z])[^\s\"'`\\<>(){}\[\]$,;]{8,}"

# Each shape is the literals that it begins with, and what follows: a search of the file for the literal (memchr) comes
# before the regex, which takes a time that grows as the file does: what may be long is bounded, or ends the match.
# Sources: the providers' own documentation of their token formats.
_SHAPES = tuple(
    (literal.encode(), re.compile(before + re.escape(literal.encode()) + rest), f"what looks like {name}")
    for literals, before, rest, name in (
        ("hf_ hf_jwt_ hf_oauth_ api_org_", b"", rb"[A-Za-z0-9][A-Za-z0-9._-]{18,}[A-Za-z0-9]", "a Hugging Face token"),
        ("ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", b"", rb"[A-Za-z0-9_]{30,}", "a GitHub token"),
        ("glpat- gldt- glrt-", b"", rb"[A-Za-z0-9_-]{20,}", "a GitLab token"),
        ("AKIA ASIA", b"", rb"[A-Z0-9]{16}(?![A-Za-z0-9])", "an AWS key"),
        ("aws_secret_access_key AWS_SECRET_ACCESS_KEY SecretAccessKey secretAccessKey", b"",
         _IS + rb"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])", "an AWS key"),
        ("AIza", b"", rb"[A-Za-z0-9_-]{35}", "a Google key"),
        ("ya29. GOCSPX-", b"", rb"[A-Za-z0-9_-]{20,}", "a Google key"),
        ("xoxa- xoxb- xoxe- xoxp- xoxr- xoxs- xapp-", b"", rb"[0-9A-Za-z-]{20,}", "a Slack token"),
        ("sk_live_ rk_live_ sk_test_ rk_test_ whsec_", b"", rb"[A-Za-z0-9]{16,}", "a Stripe key"),
        ("npm_ dckr_pat_ dop_v1_ gsk_ r8_ pplx- wandb_v1_ nvapi- dapi", _START, rb"[A-Za-z0-9_-]{27,}(?<=[^_-])",
         "an access token"),
        ("pypi-", _START, rb"[A-Za-z0-9_-]{50,}", "a PyPI token"),
        ("sk-", _START, rb"(?=[A-Za-z_-]{0,200}[0-9])[A-Za-z0-9_-]{32,}", "an API key"),
        ("SG.", _START, rb"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}", "an API key"),
        ("eyJ", rb"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))",
         rb"[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,}", "a JSON Web Token"),
        (["-----BEGIN "], b"", rb"(?:[A-Z0-9]{2,12} ){0,4}PRIVATE KEY", "a private key"),
        ("PuTTY-User-Key-File-", b"", rb"[0-9]", "a private key"),
        (["Bearer ", "bearer "], b"", rb"(?=[A-Za-z._~+/-]{0,200}[0-9])[A-Za-z0-9._~+/-]{20,}", "an access token"),
        ("://", b"",
         rb"[^\s/:@\"'<>{}]{0,64}:(?=[^\s/:@\"'0-9]{0,64}[0-9])[^\s/:@\"'<>{}$]{6,64}@", "a password in an address"),
        (["login "], b"", rb"\S{1,80}\s{1,20}password\s{1,5}[^\s<>{}$]{6,}", "a password of a .netrc"),
        (["wandb.login(", "wandb login"], b"", rb"[^\n]{0,20}?\b[0-9a-f]{40}\b", "a key of Weights & Biases"),
        (['"key"', "'key'"], b"", _IS + rb"[0-9a-f]{32}\b", "a key of Kaggle"),
        ("AccountKey= SharedAccessKey=", b"", rb"[A-Za-z0-9/+]{40,}", "a key of Azure"),
        ("_KEY _TOKEN _SECRET _PAT _CREDENTIAL api_key apikey apiKey api-key secret_key secretKey client_secret "
         "clientSecret access_token accessToken auth_token authToken refresh_token", b"", _KEY, "a key"),
        ("password Password PASSWORD passwd PASSWD passphrase PASSPHRASE senha Senha SENHA", b"", _PASSWORD,
         "a password"),
    )
    for literal in (literals.split(" ") if isinstance(literals, str) else literals)
)  # fmt: skip
_SECRET_NAME = re.compile(r"TOKEN(?!IZ)|SECRET|API_?KEY|PASSW|PASSPHRASE|CREDENTIAL|(?:^|_)(?:KEY|PAT|PWD)$", re.I)
_PLAIN = re.compile(r"https?:|[A-Za-z]:\\")  # where a token is, not what it is
_SHORTEST = 12  # characters: below this a value of the environment is likelier a word than a secret
_REDACTED = b"[a secret]"


def known_secrets(token: str | None = None) -> dict[bytes, str]:
    """The secrets of this process: the token in use, and values of the environment that are named like one.

    Args:
        token: The token that the push uses.

    Returns:
        Secret → what to call it. Never print a key.
    """
    secrets = {
        os.fsencode(value): f"the value of {name}"
        for name, value in os.environ.items()
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST
        # A slash begins a path, and may begin a secret: what lies there, or where its name says so, is a path.
        and not (_PLAIN.match(value) or os.path.exists(value) or re.search(r"(?:PATH|FILE|DIR|SOCK)$", name, re.I))  # noqa: PTH110
    }  # fmt: skip
    return secrets | ({token.encode(): "the token of this push"} if token else {})


def find(data: bytes, known: dict[bytes, str]) -> str | None:
    """What looks like a secret in these bytes, in words that do not repeat it; None if nothing does.

    Text in UTF-16 is text with a zero beside each letter, so it is searched without them, too.
    """
    for text in (data, data.replace(b"\0", b"")) if b"\0" in data else (data,):
        for secret, name in known.items():
            if secret in text:
                return name
        for literal, shape, name in _SHAPES:
            start = text.find(literal)  # much faster than the regex, and mostly the end of it
            if start >= 0 and shape.search(text, start):
                return name
    return None


def find_in_file(source: Path | bytes, known: dict[bytes, str]) -> str | None:
    """The same for a file; Parquet is searched in its columns too, for it lies compressed."""
    found = find(source if isinstance(source, bytes) else source.read_bytes(), known)
    if found is None and isinstance(source, Path) and source.suffix == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(source) as parquet:
            for batch in parquet.iter_batches(batch_size=8192):
                texts = (text for column in batch.columns for text in _texts(column))
                if found := next(filter(None, (find(text, known) for text in texts)), None):
                    break
    return found


def _texts(column: pa.Array[Any]) -> Iterator[bytes]:
    """All texts and bytes of a column, at whatever depth, a value a line: none begins where another one ends."""
    import pyarrow as pa

    kind = column.type
    if isinstance(column, pa.ExtensionArray):
        yield from _texts(column.storage)
    elif pa.types.is_dictionary(kind):
        yield from _texts(column.dictionary)
    elif pa.types.is_struct(kind):
        for field in column.flatten():
            yield from _texts(field)
    elif pa.types.is_map(kind):
        yield from _texts(column.keys)
        yield from _texts(column.items)
    elif pa.types.is_nested(kind):  # a list
        yield from _texts(column.flatten())
    elif len(column) > column.null_count and not pa.types.is_primitive(kind) and not pa.types.is_null(kind):
        yield b"\n".join(column.drop_null().cast(pa.large_binary()).to_pylist())


def redact(text: str, token: str | None = None) -> str:
    """Takes out of a message what looks like a secret, the process's own ones included."""
    data = text.encode("utf-8", "replace")
    for secret in known_secrets(token):
        data = data.replace(secret, _REDACTED)
    for _, shape, _ in _SHAPES:
        data = shape.sub(_REDACTED, data)
    return data.decode("utf-8", "replace")
