"""Everything that the page says of its own, in English and Portuguese; here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

LANGUAGES = {"en": "English", "pt": "Português"}
"""Code → its name in itself, as the switch shows it."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What is said in one language; a text with braces is filled in by `str.format`."""

    title: str
    short: str
    lead: str
    lead_base: str
    products: str
    made_up: str
    ask_tab: str
    table_tab: str
    question: str
    placeholder: str
    mode: str
    open_book: str
    closed_book: str
    ask: str
    examples: str
    before: str
    after: str
    answer: str
    waiting: str
    writing: str
    empty: str
    supported: str
    quoted: str
    own_words: str
    refused: str
    said_no: str
    cut: str
    sources: str
    shown: str
    not_shown: str
    others: str
    nearest: str
    no_base: str
    error: str
    unexpected: str
    empty_question: str
    too_long: str
    measured: str
    set: str
    n: str
    measure: str
    change: str
    all_measures: str
    no_evaluation: str
    unreached: str
    plot_before_after: str
    plot_loss: str
    trained: str
    setting: str
    value: str
    decimal: str


TEXTS: dict[str, Texts] = {
    "en": Texts(
        title="Ask the catalogue",
        short="A catalogue's model, before and after, with sources",
        lead="Each question goes to two models: “{base}” as it was, and “{model}”, the same one after its fine-tuning "
        "on product titles and descriptions.",
        lead_base="“{model}” is no adapter, so there is nothing to compare its answers with.",
        products="{products} products can be named as a source.",
        made_up="A made-up sample: none of these products exists, and nothing that is said of them is true.",
        ask_tab="Ask",
        table_tab="Before and after",
        question="Your question",
        placeholder="Ask about a product by its title",
        mode="How it answers",
        open_book="With the records in view",
        closed_book="From memory (closed book)",
        ask="Ask",
        examples="Or try one of these:",
        before="Before",
        after="After the fine-tuning",
        answer="Answer",
        waiting="Ask something: the answer comes here.",
        writing="writing …",
        empty="(It said nothing.)",
        supported="{share} of this is supported by the source",
        quoted="This is the record itself, quoted: the model's own words were not supported by it.",
        own_words="What the model said",
        refused="No product of the catalogue fits the question, so the model was not asked.",
        said_no="The model itself says that it does not know this product.",
        cut="Cut off at the length limit.",
        sources="Sources",
        shown="shown to the model",
        not_shown="not shown to the model: it answered from memory",
        others="Others that fit as well",
        nearest="Nearest titles",
        no_base="This model is no adapter: there is no answer from before.",
        error="This could not be answered.",
        unexpected="Something went wrong here ({error}). The terminal that runs this page says more.",
        empty_question="The question is empty: ask about a product by its title.",
        too_long="The question has {found} characters; at most {limit} are read.",
        measured="The same questions for both, answered greedily; only “grounded” and “property” show records.",
        set="Set",
        n="n",
        measure="Measure",
        change="Change",
        all_measures="All measures",
        no_evaluation="There is no comparison to show: this model comes without an eval/comparison.json, or with one "
        "that holds no rows. To make one, run “amazon-titles evaluate” on the base and on the fine-tuned model, then "
        "“amazon-titles compare before.json after.json --out DIR/eval”.",
        unreached="Whether this model comes with an evaluation is not known here: the Hub could not be reached.",
        plot_before_after="Bars of each measure before and after the fine-tuning",
        plot_loss="The training loss over the epochs",
        trained="How it was trained",
        setting="Setting",
        value="Value",
        decimal=".",
    ),
    "pt": Texts(
        title="Pergunte ao catálogo",
        short="Um modelo antes e depois do ajuste, com fontes",
        lead="Cada pergunta vai para dois modelos: “{base}” como era, e “{model}”, o mesmo depois do ajuste fino em "
        "títulos e descrições de produtos.",
        lead_base="“{model}” não é um adaptador, então não há com o que comparar suas respostas.",
        products="{products} produtos podem ser citados como fonte.",
        made_up="Uma amostra inventada: nenhum destes produtos existe, e nada do que se diz deles é verdade.",
        ask_tab="Perguntar",
        table_tab="Antes e depois",
        question="Sua pergunta",
        placeholder="Pergunte sobre um produto pelo título",
        mode="Como responde",
        open_book="Com os registros à vista",
        closed_book="De memória (sem consulta)",
        ask="Perguntar",
        examples="Ou experimente uma destas:",
        before="Antes",
        after="Depois do ajuste fino",
        answer="Resposta",
        waiting="Pergunte algo: a resposta aparece aqui.",
        writing="escrevendo …",
        empty="(Não disse nada.)",
        supported="{share} disto é sustentado pela fonte",
        quoted="Este é o próprio registro, citado: as palavras do modelo não eram sustentadas por ele.",
        own_words="O que o modelo disse",
        refused="Nenhum produto do catálogo corresponde à pergunta, por isso o modelo não foi consultado.",
        said_no="O próprio modelo diz que não conhece este produto.",
        cut="Cortado no limite de comprimento.",
        sources="Fontes",
        shown="mostrado ao modelo",
        not_shown="não mostrado ao modelo: ele respondeu de memória",
        others="Outros que também correspondem",
        nearest="Títulos mais próximos",
        no_base="Este modelo não é um adaptador: não há resposta de antes.",
        error="Não foi possível responder.",
        unexpected="Algo deu errado aqui ({error}). O terminal que executa esta página diz mais.",
        empty_question="A pergunta está vazia: pergunte sobre um produto pelo título.",
        too_long="A pergunta tem {found} caracteres; no máximo {limit} são lidos.",
        measured="As mesmas perguntas para os dois, com decodificação gulosa; só em “com textos” e “propriedade” há "
        "registros na pergunta.",
        set="Conjunto",
        n="n",
        measure="Medida",
        change="Mudança",
        all_measures="Todas as medidas",
        no_evaluation="Não há comparação a mostrar: este modelo vem sem eval/comparison.json, ou com um que não tem "
        "linhas. Para fazer uma, execute “amazon-titles evaluate” na base e no modelo ajustado e, em seguida, "
        "“amazon-titles compare before.json after.json --out DIR/eval”.",
        unreached="Não se sabe aqui se este modelo vem com uma avaliação: não foi possível acessar o Hub.",
        plot_before_after="Barras de cada medida antes e depois do ajuste fino",
        plot_loss="A perda do treino ao longo das épocas",
        trained="Como foi treinado",
        setting="Parâmetro",
        value="Valor",
        decimal=",",
    ),
}
"""Every language by its code."""

NAMES = {
    "pt": {
        "seen": "vistos",
        "unseen": "não vistos",
        "invented": "inventados",
        "grounded": "com textos",
        "property": "propriedade",
        "general": "gerais",
        "fact recall": "fatos lembrados",
        "said it does not know": "disse que não sabe",
        "fact precision": "fatos corretos",
        "groundedness": "apoio nos textos",
        "right source cited": "fonte certa citada",
        "property asked, and no other": "propriedade pedida, e nenhuma outra",
        "right answer": "resposta certa",
        "false abstention": "recusa indevida",
        "loss (nats a token)": "perda (nats por token)",
        "perplexity": "perplexidade",
        "end reached": "fim alcançado",
        "repetition": "repetição",
        "refused by the index": "recusado pelo índice",
        "base model": "modelo base",
        "dataset": "conjunto de dados",
        "engine": "motor",
        "tokens": "tokens",
        "seconds": "segundos",
        "device": "dispositivo",
        "final loss": "perda final",
        "epochs": "épocas",
        "learning rate": "taxa de aprendizado",
        "batch size": "tamanho do lote",
        "LoRA rank": "posto do LoRA",
        "LoRA alpha": "alfa do LoRA",
        "LoRA dropout": "dropout do LoRA",
        "block size": "tamanho do bloco",
        "quantization": "quantização",
        "before": "antes",
        "after": "depois",
        "train": "treino",
        "validation": "validação",
        "epoch": "época",
    }
}
"""Names of sets, measures and settings, and the words of plots, where they are not said as the reports spell them."""


def name_of(term: str, language: str) -> str:
    """A name of `NAMES` in a language; as it is where there is no other."""
    return NAMES.get(language, {}).get(term, term)


def preferred(accepted: str, default: str) -> str:
    """The language of `LANGUAGES` that a browser likes best, by its `Accept-Language`.

    Args:
        accepted: The header, such as `pt-BR,pt;q=0.9,en;q=0.8` (RFC 9110, 12.5.4).
        default: Where it names none of ours.
    """
    wanted = []
    for place, part in enumerate(accepted.split(",")):
        name, _, quality = part.partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            weight = 0.0
        wanted.append((-weight, place, name.strip().split("-")[0].lower()))
    return next((code for weight, _, code in sorted(wanted) if code in LANGUAGES and weight < 0), default)
