"""When `ask` gives the record itself in place of a model's words: what each threshold lets through, and what it costs.

    python benchmarks/quoting.py quickstart

Takes the answers of a quickstart's adapter from its evaluation and holds them against the record that they are about:
answers that say what the record says are right; those with a number or name that is not the record's contradict it. To
these it adds, for every right answer, three that contradict it: one number changed, one name changed, and the answer
about another product. Then `ask` is asked about every product that was trained, in English and in Portuguese, from
memory and with the records in view: how often it answers in the model's own words with the support of the record, and
how often what it shows as supported contradicts it. Writes benchmarks/results/quoting.md.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from amazon_titles.catalog import Product
from amazon_titles.conversations import question
from amazon_titles.dataset import read_catalog
from amazon_titles.evaluation import EvalReport
from amazon_titles.evaluation.refusal import refuses
from amazon_titles.metrics import fact_precision, facts, without_citations
from amazon_titles.model.grounding import behind, fact_share

RESULTS = Path(__file__).parent / "results"
SETS = ("seen", "grounded", "property")
GRID = [(words, share) for words in (0.5, 0.7, 0.9) for share in (0.8, 0.9, 1.0)]


def answers(folder: Path) -> Iterator[tuple[str, Product]]:
    """Every answer about a product, without its citation, and the product."""
    report = EvalReport.load(folder / "adapter" / "eval" / "after.json")
    products = {product.uid: product for product in read_catalog(folder / "dataset")}
    for example in report.examples:
        if example.set in SETS and not refuses(example.answer):
            yield without_citations(example.answer), products[example.uid]


def altered(right: list[tuple[str, Product]]) -> Iterator[tuple[str, Product]]:
    """Right answers made wrong: a number, a name, or all of it another product's."""
    for place, (text, product) in enumerate(right):
        number = re.search(r"\d+", text)
        if number:
            other = str(int(number.group()) + 7)
            yield text[: number.start()] + other + text[number.end() :], product
        names = [fact for fact in facts(text) if fact.isalpha()]
        if names:
            yield re.sub(re.escape(sorted(names)[0]), "Zorvexa", text, count=1, flags=re.IGNORECASE), product
        another = right[(place + 1) % len(right)]
        if another[1].uid != product.uid:
            yield another[0], product


def shown(text: str, product: Product, words: float, share: float) -> bool:
    """Whether an answer would be shown as supported."""
    sources, grounded = behind(text, [product])
    true = fact_share(text, sources)
    return grounded >= words and (true is None or true >= share)


def asked(folder: Path) -> Iterator[str]:
    """Rows of a table: what `ask` does about the products that were trained."""
    from amazon_titles.model import CatalogModel
    from amazon_titles.training.speed import computes_in_bf16

    report = EvalReport.load(folder / "adapter" / "eval" / "after.json")
    trained = {example.uid for example in report.examples if example.set == "seen"}
    products = [product for product in read_catalog(folder / "dataset") if product.uid in trained]
    dtype = "bfloat16" if computes_in_bf16() else None
    model = CatalogModel.from_pretrained(folder / "adapter", dataset=folder / "dataset", dtype=dtype)
    for closed_book in (False, True):
        own = contradicting = 0
        for language in ("en", "pt"):
            questions = [question(product.title, language=language) for product in products]
            for product, answer in zip(products, model.ask_batch(questions, closed_book=closed_book), strict=True):
                if answer.kind == "answer":
                    own += answer.grounded == 1.0
                    text = without_citations(answer.text)
                    contradicting += fact_precision(text, f"{product.title} {product.content}") not in (None, 1.0)
        count = 2 * len(products)
        how = "from memory" if closed_book else "records in view"
        yield f"| {how} | {count} | {own / count:.2f} | {contradicting / count:.3f} |"


def main() -> None:
    """Prints and writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    said = list(answers(options.folder))
    right = [both for both in said if fact_precision(both[0], f"{both[1].title} {both[1].content}") in (None, 1.0)]
    wrong = [both for both in said if both not in right]
    made = list(altered(right))
    lines = [
        f"{len(right)} right answers, {len(wrong)} that contradict their record, {len(made)} altered to contradict it.",
        "",
        "| supported words, at least | true numbers and names, at least | right, replaced by the record "
        "| the model's own contradictions shown | made contradictions shown |",
        "|---:|---:|---:|---:|---:|",
    ]
    for words, share in GRID:
        lost = sum(not shown(*both, words, share) for both in right) / max(1, len(right))
        own = sum(shown(*both, words, share) for both in wrong) / max(1, len(wrong))
        let = sum(shown(*both, words, share) for both in made) / max(1, len(made))
        lines.append(f"| {words} | {share} | {lost:.3f} | {own:.3f} | {let:.3f} |")
    lines += [
        "",
        "| `ask`, over the trained products | n | own words, fully supported | shown as supported, and contradicts |",
        "|---|---:|---:|---:|",
        *asked(options.folder),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / "quoting.md").write_text(
        f"# When the record is quoted\n\nWritten by `benchmarks/quoting.py`.\n\n{text}", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
