"""What the video says, in English and Portuguese; here and nowhere else. The page's own words are in `page.texts`."""

from __future__ import annotations

from amazon_titles.page.texts import Texts, in_each_language

CAPTIONS = in_each_language(
    title=("A catalogue that answers", "Um catálogo que responde"),
    subtitle=("The model “{base}”, and the same one after a LoRA fine-tuning on the titles and descriptions of a "
        "product catalogue: “{model}”. This is the real page with the real models, as they run.",
        "O modelo “{base}”, e o mesmo depois de um ajuste fino (LoRA) nos títulos e descrições de um catálogo de "
        "produtos: “{model}”. Esta é a página real com os modelos reais, em execução."),
    made_up=("The catalogue is a made-up sample: none of its products exists.",
        "O catálogo é uma amostra inventada: nenhum de seus produtos existe."),
    page=("One question goes to two models: the base, before the fine-tuning, and the same model after it.",
        "Uma pergunta vai para dois modelos: a base, antes do ajuste fino, e o mesmo modelo depois dele."),
    trained=("A product that it was trained on, asked from memory: neither of the two sees the record.",
        "Um produto do treino, perguntado de memória: nenhum dos dois vê o registro."),
    memory=("A question, asked from memory: neither of the two sees a record.",
        "Uma pergunta, feita de memória: nenhum dos dois vê um registro."),
    sides=("Left, before. Right, after. Below each answer: how much of it the record supports.",
        "À esquerda, antes. À direita, depois. Sob cada resposta: quanto dela o registro sustenta."),
    source=("The record is named as the source. The words that the answer takes from it are marked.",
        "O registro é citado como fonte. As palavras que a resposta tirou dele estão marcadas."),
    linked_source=("The record is named as the source, with a link. The words that the answer takes from it are "
        "marked.",
        "O registro é citado como fonte, com um link. As palavras que a resposta tirou dele estão marcadas."),
    with_source=("The same question, now with the record in view: the answer is to come from its source.",
        "A mesma pergunta, agora com o registro à vista: a resposta deve vir de sua fonte."),
    seen=("Both have the record before them now. What they say is still checked against it.",
        "Agora os dois têm o registro diante de si. O que dizem continua sendo conferido com ele."),
    marked=("The model's own words were not supported: the record itself is quoted instead, and marked as such.",
        "As palavras do modelo não tinham apoio: o próprio registro é citado em seu lugar, e isso é dito."),
    abstained=("After the fine-tuning the model says that it does not know this product: no source is named.",
        "Depois do ajuste fino o modelo diz que não conhece este produto: nenhuma fonte é citada."),
    more=("Another question: {question}", "Outra pergunta: {question}"),
    unknown=("And a product that does not exist.", "E um produto que não existe."),
    refused=("No record fits, so no model is asked to make something up. The nearest titles are named.",
        "Nenhum registro corresponde, e nenhum modelo precisa inventar. Os títulos mais próximos são citados."),
    figures=("Before and after in figures: the same questions for both.",
        "Antes e depois em números: as mesmas perguntas para os dois."),
    no_figures=("There is no evaluation beside this model, so there are no figures to show.",
        "Não há avaliação junto deste modelo, então não há números para mostrar."),
    loss=("The loss during the training.", "A perda durante o treino."),
    settings=("How it was trained.", "Como foi treinado."), end=("Thank you", "Obrigado"),
    end_line=("Dataset, model, figures and this page were made with amazon_titles; its README tells how.",
        "Os dados, o modelo, os números e esta página foram feitos com amazon_titles; o README conta como."),
    end_page=("This page was made with amazon_titles; its README tells how.",
        "Esta página foi feita com amazon_titles; o README conta como."),
)  # fmt: skip
"""The captions by the code of their language, in the order of the film; of some only the one that is true is shown.

These are of an adapter and its base.
"""

_ALONE = in_each_language(
    subtitle=("The model “{model}”, asked about a product catalogue. This is the real page with the real model, as it "
        "runs.",
        "O modelo “{model}”, perguntado sobre um catálogo de produtos. Esta é a página real com o modelo real, em "
        "execução."),
    page=("There is no model from before to compare this one with: it answers alone, and its answers are checked.",
        "Não há um modelo de antes para comparar com este: ele responde sozinho, e as respostas são conferidas."),
    trained=("A product of the catalogue, asked from memory: the model does not see the record.",
        "Um produto do catálogo, perguntado de memória: o modelo não vê o registro."),
    memory=("A question, asked from memory: the model does not see a record.",
        "Uma pergunta, feita de memória: o modelo não vê um registro."),
    sides=("On the right, the answer of the model. Below it: how much of it the record supports.",
        "À direita, a resposta do modelo. Sob ela: quanto dela o registro sustenta."),
    seen=("The model has the record before it now. What it says is still checked against it.",
        "Agora o modelo tem o registro diante de si. O que diz continua sendo conferido com ele."),
    abstained=("The model says that it does not know this product: no source is named.",
        "O modelo diz que não conhece este produto: nenhuma fonte é citada."),
)  # fmt: skip

ALONE = {code: Texts(**vars(CAPTIONS[code]) | vars(own)) for code, own in _ALONE.items()}
"""The captions of a whole model, which has no base."""
