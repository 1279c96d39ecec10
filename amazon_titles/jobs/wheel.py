"""This library as a wheel, packed anew from wherever it runs: no package index has it, and a job cannot see a checkout.

Nothing is built and nothing is downloaded: the modules, the recipes and the cards go in as `resources.library_files`
lists them, with the metadata of the installation. The same files give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from importlib import metadata

import amazon_titles
from amazon_titles import resources
from amazon_titles.errors import InputError

_NAME = "amazon_titles"
# Before 1980 a zip knows no time; any fixed one makes the bytes the same.
_TIME = (1980, 1, 1, 0, 0, 0)
_WHEEL = "Wheel-Version: 1.0\nGenerator: amazon-titles\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def pack_wheel() -> tuple[str, bytes]:
    """The wheel's file name and its bytes, in the form of the binary distribution format (PEP 427).

    Raises:
        InputError: The library runs without having been installed, so that its metadata (what it depends on) is not
            known; or nothing says which files belong to it.
    """
    version = amazon_titles.__version__
    info = f"{_NAME}-{version}.dist-info"
    own = {place: path.read_bytes() for place, path in resources.library_files().files.items()}
    files = {**own, f"{info}/METADATA": _metadata(version), f"{info}/WHEEL": _WHEEL.encode()}
    files[f"{info}/entry_points.txt"] = b"[console_scripts]\namazon-titles = amazon_titles.cli:main\n"
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, content)
    return f"{_NAME}-{version}-py3-none-any.whl", packed.getvalue()


def _metadata(version: str) -> bytes:
    try:
        text = metadata.distribution("amazon-titles").read_text("METADATA")
    except metadata.PackageNotFoundError:
        text = None
    if text is None:
        raise InputError(
            "This library runs here without being installed, so what it depends on is not known.",
            hint="Install it: pip install -e . in a checkout.",
        )
    head = text.partition("\n\n")[0]
    lines = [f"Version: {version}" if line.startswith("Version: ") else line for line in head.splitlines()]
    # The long description is of no use in a job.
    return ("\n".join(line for line in lines if not line.startswith("Description-Content-Type")) + "\n").encode()


def _record(files: dict[str, bytes], own: str) -> bytes:
    """Each file with its hash and size, and this one without."""
    rows = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(content)}\n")
    return "".join([*rows, f"{own},,\n"]).encode()
