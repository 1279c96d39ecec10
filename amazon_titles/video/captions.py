"""What the video says, in English and Portuguese; here and nowhere else. The page's own words are in `page.texts`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Captions:
    """The captions in one language, in the order of the film."""

    title: str
    subtitle: str
    page: str
    before: str
    sides: str
    source: str
    with_source: str
    seen: str
    marked: str
    more: str
    unknown: str
    refused: str
    trained: str
    settings: str
    end: str
    end_line: str


CAPTIONS = {
    "en": Captions(
        title="A catalogue that answers",
        subtitle="The model “{base}”, and the same one after a LoRA fine-tuning on the titles and descriptions of a "
        "product catalogue: “{model}”. This is the real page with the real models, as they run.",
        page="One question goes to two models: the base, before the fine-tuning, and the same model after it.",
        before="A product that it was trained on, asked from memory: neither of the two sees the record.",
        sides="Left, before. Right, after. Below each answer: how much of it the record supports.",
        source="The record is named as the source, with a link. The words that the answer takes from it are marked.",
        with_source="The same question, now with the record in view: the answer is to come from its source.",
        seen="Both have the record before them now. What they say is still checked against it.",
        marked="The model's own words were not supported: the record itself is quoted instead, and marked as such.",
        more="Another question: {question}",
        unknown="And a product that does not exist.",
        refused="No record fits, so no model is asked to make something up. The nearest titles are named.",
        trained="Before and after in figures: the same questions for both.",
        settings="How it was trained.",
        end="Thank you",
        end_line="Dataset, model, figures and this page were made with amazon_titles; its README tells how.",
    ),
    "pt": Captions(
        title="Um catálogo que responde",
        subtitle="O modelo “{base}”, e o mesmo depois de um ajuste fino (LoRA) nos títulos e descrições de um catálogo "
        "de produtos: “{model}”. Esta é a página real com os modelos reais, em execução.",
        page="Uma pergunta vai para dois modelos: a base, antes do ajuste fino, e o mesmo modelo depois dele.",
        before="Um produto do treino, perguntado de memória: nenhum dos dois vê o registro.",
        sides="À esquerda, antes. À direita, depois. Sob cada resposta: quanto dela o registro sustenta.",
        source="O registro é citado como fonte, com um link. As palavras que a resposta tirou dele estão marcadas.",
        with_source="A mesma pergunta, agora com o registro à vista: a resposta deve vir de sua fonte.",
        seen="Agora os dois têm o registro diante de si. O que dizem continua sendo conferido com ele.",
        marked="As palavras do modelo não tinham apoio: o próprio registro é citado em seu lugar, e isso é dito.",
        more="Outra pergunta: {question}",
        unknown="E um produto que não existe.",
        refused="Nenhum registro corresponde, e nenhum modelo precisa inventar. Os títulos mais próximos são citados.",
        trained="Antes e depois em números: as mesmas perguntas para os dois.",
        settings="Como foi treinado.",
        end="Obrigado",
        end_line="Os dados, o modelo, os números e esta página foram feitos com amazon_titles; o README conta como.",
    ),
}
"""Every language by its code."""
