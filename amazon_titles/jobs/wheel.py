"""This library as a wheel, packed anew from wherever it runs: no package index has it, and a job cannot see a checkout.

Nothing is built and nothing is downloaded: the modules, the recipes and the cards go in as `resources.library_files`
lists them, with the metadata of the installation. The same files give the same bytes. A build tool would want the
network, a checkout, or a package that the library does not need otherwise.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from importlib import metadata

from amazon_titles import __version__, resources
from amazon_titles.errors import InputError

_WHEEL = b"Wheel-Version: 1.0\nGenerator: amazon-titles\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_SCRIPTS = b"[console_scripts]\namazon-titles = amazon_titles.cli:main\n"


def pack_wheel() -> tuple[str, bytes]:
    """The wheel's file name and its bytes, in the form of the binary distribution format (PEP 427).

    Raises:
        InputError: The library runs without having been installed, so that its metadata (what it depends on) is not
            known; or nothing says which files belong to it.
    """
    name = f"amazon_titles-{__version__}"
    files = {place: path.read_bytes() for place, path in resources.library_files().files.items()}
    about = {"METADATA": _metadata(), "WHEEL": _WHEEL, "entry_points.txt": _SCRIPTS}
    files |= {f"{name}.dist-info/{file}": content for file, content in about.items()}
    record = f"{name}.dist-info/RECORD"  # each file with its hash and size, and this one without
    rows = [f"{path},sha256={_digest(content)},{len(content)}\n" for path, content in files.items()]
    files[record] = "".join([*rows, f"{record},,\n"]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path)  # of 1980, where a zip's time begins: the same bytes at any time
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return f"{name}-py3-none-any.whl", packed.getvalue()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _metadata() -> bytes:
    """The installation's metadata with this version, and without the long description, of no use in a job."""
    try:
        text = metadata.distribution("amazon-titles").read_text("METADATA")
    except metadata.PackageNotFoundError:
        text = None
    if text is None:
        raise InputError(
            "This library runs here without being installed, so what it depends on is not known.",
            hint="Install it: pip install -e . in a checkout.",
        )
    head = re.sub(r"(?m)^Version: .*$", f"Version: {__version__}", text.partition("\n\n")[0].rstrip("\n"))
    return (re.sub(r"(?m)^Description-Content-Type.*\n?", "", head + "\n")).encode()
