"""Everything that the page says of its own, in English and Portuguese; here and nowhere else."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace

LANGUAGES = {"en": "English", "pt": "Português"}
"""Code → its name in itself, as the switch shows it."""


Texts = SimpleNamespace
"""What is said in one language, each by its name; a text with braces is filled in by `str.format`."""


def in_each_language(**said: tuple[str, str]) -> dict[str, Texts]:
    """The texts of every language by its code.

    Args:
        **said: Name → what is said, in the order of `LANGUAGES`.
    """
    columns = zip(LANGUAGES, zip(*said.values(), strict=True), strict=True)
    return {code: Texts(**dict(zip(said, column, strict=True))) for code, column in columns}


TEXTS = in_each_language(
    title=("Ask the catalogue", "Pergunte ao catálogo"),
    short=("A catalogue's model, before and after, with sources", "Um modelo antes e depois do ajuste, com fontes"),
    lead=("Each question goes to two models: “{base}” as it was, and “{model}”, the same one after its fine-tuning on "
        "product titles and descriptions.",
        "Cada pergunta vai para dois modelos: “{base}” como era, e “{model}”, o mesmo depois do ajuste fino em títulos "
        "e descrições de produtos."),
    lead_base=("“{model}” is no adapter, so there is nothing to compare its answers with.",
        "“{model}” não é um adaptador, então não há com o que comparar suas respostas."),
    products=("{products} products can be named as a source.", "{products} produtos podem ser citados como fonte."),
    made_up=("A made-up sample: none of these products exists, and nothing that is said of them is true.",
        "Uma amostra inventada: nenhum destes produtos existe, e nada do que se diz deles é verdade."),
    ask_tab=("Ask", "Perguntar"), table_tab=("Before and after", "Antes e depois"),
    question=("Your question", "Sua pergunta"),
    placeholder=("Ask about a product by its title", "Pergunte sobre um produto pelo título"),
    mode=("How it answers", "Como responde"), open_book=("With the records in view", "Com os registros à vista"),
    closed_book=("From memory (closed book)", "De memória (sem consulta)"), ask=("Ask", "Perguntar"),
    examples=("Or try one of these:", "Ou experimente uma destas:"), before=("Before", "Antes"),
    after=("After the fine-tuning", "Depois do ajuste fino"), answer=("Answer", "Resposta"),
    waiting=("Ask something: the answer comes here.", "Pergunte algo: a resposta aparece aqui."),
    writing=("writing …", "escrevendo …"), empty=("(It said nothing.)", "(Não disse nada.)"),
    supported=("{share} of this is supported by the source", "{share} disto é sustentado pela fonte"),
    quoted=("This is the record itself, quoted: the model's own words were not supported by it.",
        "Este é o próprio registro, citado: as palavras do modelo não eram sustentadas por ele."),
    own_words=("What the model said", "O que o modelo disse"),
    refused=("No product of the catalogue fits the question, so the model was not asked.",
        "Nenhum produto do catálogo corresponde à pergunta, por isso o modelo não foi consultado."),
    said_no=("The model itself says that it does not know this product.",
        "O próprio modelo diz que não conhece este produto."),
    cut=("Cut off at the length limit.", "Cortado no limite de comprimento."), sources=("Sources", "Fontes"),
    shown=("shown to the model", "mostrado ao modelo"),
    not_shown=("not shown to the model: it answered from memory", "não mostrado ao modelo: ele respondeu de memória"),
    others=("Others that fit as well", "Outros que também correspondem"),
    nearest=("Nearest titles", "Títulos mais próximos"),
    no_base=("This model is no adapter: there is no answer from before.",
        "Este modelo não é um adaptador: não há resposta de antes."),
    error=("This could not be answered.", "Não foi possível responder."),
    unexpected=("Something went wrong here ({error}). The terminal that runs this page says more.",
        "Algo deu errado aqui ({error}). O terminal que executa esta página diz mais."),
    empty_question=("The question is empty: ask about a product by its title.",
        "A pergunta está vazia: pergunte sobre um produto pelo título."),
    too_long=("The question has {found} characters; at most {limit} are read.",
        "A pergunta tem {found} caracteres; no máximo {limit} são lidos."),
    measured=("The same questions for both, answered greedily; only “grounded” and “property” show records.",
        "As mesmas perguntas para os dois, com decodificação gulosa; só em “com textos” e “propriedade” há registros "
        "na pergunta."),
    set=("Set", "Conjunto"), n=("n", "n"), measure=("Measure", "Medida"), change=("Change", "Mudança"),
    all_measures=("All measures", "Todas as medidas"),
    no_evaluation=("There is no comparison to show: this model comes without an eval/comparison.json, or with one that "
        "holds no rows. To make one, run “amazon-titles evaluate” on the base and on the fine-tuned model, then "
        "“amazon-titles compare before.json after.json --out DIR/eval”.",
        "Não há comparação a mostrar: este modelo vem sem eval/comparison.json, ou com um que não tem linhas. Para "
        "fazer uma, execute “amazon-titles evaluate” na base e no modelo ajustado e, em seguida, “amazon-titles "
        "compare before.json after.json --out DIR/eval”."),
    unreached=("Whether this model comes with an evaluation is not known here: the Hub could not be reached.",
        "Não se sabe aqui se este modelo vem com uma avaliação: não foi possível acessar o Hub."),
    plot_before_after=("Bars of each measure before and after the fine-tuning",
        "Barras de cada medida antes e depois do ajuste fino"),
    plot_loss=("The training loss over the epochs", "A perda do treino ao longo das épocas"),
    trained=("How it was trained", "Como foi treinado"), setting=("Setting", "Parâmetro"), value=("Value", "Valor"),
    decimal=(".", ","),
)  # fmt: skip
"""Every language by its code."""

NAMES = {"pt": {
    "seen": "vistos", "unseen": "não vistos", "invented": "inventados", "grounded": "com textos",
    "property": "propriedade", "general": "gerais", "fact recall": "fatos lembrados",
    "said it does not know": "disse que não sabe", "fact precision": "fatos corretos",
    "groundedness": "apoio nos textos", "right source cited": "fonte certa citada",
    "property asked, and no other": "propriedade pedida, e nenhuma outra", "right answer": "resposta certa",
    "false abstention": "recusa indevida", "loss (nats a token)": "perda (nats por token)",
    "perplexity": "perplexidade", "end reached": "fim alcançado", "repetition": "repetição",
    "refused by the index": "recusado pelo índice", "base model": "modelo base", "dataset": "conjunto de dados",
    "engine": "motor", "tokens": "tokens", "seconds": "segundos", "device": "dispositivo", "final loss": "perda final",
    "epochs": "épocas", "learning rate": "taxa de aprendizado", "batch size": "tamanho do lote",
    "LoRA rank": "posto do LoRA", "LoRA alpha": "alfa do LoRA", "LoRA dropout": "dropout do LoRA",
    "block size": "tamanho do bloco", "quantization": "quantização", "before": "antes", "after": "depois",
    "train": "treino", "validation": "validação", "epoch": "época",
}}  # fmt: skip
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
    wanted: dict[str, float] = {}
    for part in accepted.split(","):
        name, _, quality = part.partition(";q=")
        code = name.strip().split("-")[0].lower()
        with suppress(ValueError):
            if code in LANGUAGES and (weight := float(quality or 1)) > 0:
                wanted[code] = max(weight, wanted.get(code, 0.0))
    return max(wanted, key=wanted.__getitem__, default=default)
