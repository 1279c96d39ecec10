"""What the licence of a base asks of whoever publishes an adapter of it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Licence:
    """A base's licence and the duties that come with it.

    Attributes:
        id: As the Hub's metadata has it.
        name: In words.
        link: Its text.
        built_with: What must be displayed; "" for nothing.
        prefix: What the name of a published model must begin with; "" for anything.
        notice: The attribution that must travel with every copy; "" for none.
    """

    id: str
    name: str
    link: str
    built_with: str = ""
    prefix: str = ""
    notice: str = ""

    @property
    def notice_file(self) -> str:
        """What NOTICE must hold; "" where none is asked for."""
        return f"{self.notice}\n{self.link}\n" if self.notice else ""

    def allows(self, name: str) -> bool:
        """Whether a model may be published under this name (without its owner)."""
        return name.lower().startswith(self.prefix.lower())


_APACHE = Licence("apache-2.0", "Apache License 2.0", "https://www.apache.org/licenses/LICENSE-2.0")
# Llama-3.2-1B, Meta-Llama-3-8B, Llama-4-Scout, and copies of them under other owners; TinyLlama-1.1B is none.
_LLAMA_NAME = re.compile(r"(?<![a-z])llama-?(3(?:[.-][123](?![\d.]|b\b))?|4)(?![\d.])", re.IGNORECASE)


def licence_of(base: str) -> Licence | None:
    """The licence of a base by its id on the Hub; None where this library does not know it.

    Args:
        base: `meta-llama/Llama-3.2-1B-Instruct`, or a copy of it under another owner.
    """
    owner, _, name = base.rpartition("/")
    if (found := _LLAMA_NAME.search(name)) is not None:
        return _llama(found.group(1).replace("-", "."))
    return _APACHE if owner == "HuggingFaceTB" and name.startswith("SmolLM") else None


def _llama(version: str) -> Licence:
    """Section 1.b of each licence: display, name and notice. Version 3 words them otherwise than 3.1 and later."""
    meta, prefix = ("Meta ", "Llama 3") if version == "3" else ("", "Llama")
    name = f"{meta}Llama {version} Community License"
    link = f"https://www.llama.com/llama{version.replace('.', '_')}/license/"
    notice = (
        f"{meta}Llama {version} is licensed under the {name}, Copyright © Meta Platforms, Inc. All Rights Reserved."
    )
    return Licence(f"llama{version}", name, link, f"Built with {meta}{prefix}", prefix, notice)
