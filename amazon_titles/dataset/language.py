"""The language that a catalogue's texts are in, for its card."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

_SAMPLE = 200


def language_of(dataset: Path) -> str | None:
    """The language of most of a dataset's first products, by its ISO 639-1 code; None where no language has half.

    Args:
        dataset: The folder, with its catalogue.
    """
    # py3langid takes a second to load its model.
    from py3langid import classify
    from pyarrow.dataset import dataset as opened

    rows = opened(dataset / "catalog").head(_SAMPLE, columns=["title", "content"]).to_pylist()
    found = Counter(classify(f"{row['title']}. {row['content']}")[0] for row in rows)
    language, votes = found.most_common(1)[0]
    return str(language) if 2 * votes > len(rows) else None
