"""What the hand-in says of its own, in English and Portuguese."""

from __future__ import annotations

from typing import Any

TEXTS = {
    "en": {
        "title": "Fine-tuning a language model on {catalogue}",
        "about": "A language model fine-tuned with LoRA on the titles and descriptions of {catalogue}: the data, the "
        "test before the training, the training, and answers that name their sources.",
        "named": "the catalogue {name}",
        "made_up": "{name} (made-up products: none of them exists)",
        "unnamed": "a product catalogue",
        "base": "Base model",
        "members": "Members",
        "repository": "Source code",
        "video": "Video",
    },
    "pt": {
        "title": "Fine-tuning de um modelo de linguagem sobre {catalogue}",
        "about": "Um modelo de linguagem ajustado com LoRA em títulos e descrições de produtos ({catalogue}): os "
        "dados, o teste antes do treinamento, o treinamento e respostas que citam suas fontes.",
        "named": "o catálogo {name}",
        "made_up": "{name} (produtos inventados: nenhum deles existe)",
        "unnamed": "um catálogo de produtos",
        "base": "Modelo base",
        "members": "Integrantes",
        "repository": "Código-fonte",
        "video": "Vídeo",
    },
}
"""Every language by its code; `{catalogue}` is one of the three ways to name it."""


def texts_of(language: str, catalogue: dict[str, Any]) -> dict[str, str]:
    """The texts of a language about a catalogue.

    Args:
        language: `pt` or `en`.
        catalogue: What the dataset's report says of it; {} where it says nothing.
    """
    say = TEXTS[language]
    name, made_up = catalogue.get("name"), bool(catalogue.get("made_up"))
    how = "made_up" if made_up and name else "named" if name else "unnamed"
    named = say[how].replace("{name}", str(name))
    return {key: text.replace("{catalogue}", named) for key, text in say.items()}
