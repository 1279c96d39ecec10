"""What one engine obeys and the other does not: said where it would otherwise be silence."""

from __future__ import annotations

from collections.abc import Iterator

from amazon_titles.recipes.fields import KEYS
from amazon_titles.recipes.problems import LintContext, Problem, Rule

# Settings of AutoTrain that mean nothing to the trl engine, and what to do instead.
_AUTOTRAIN_ONLY = {
    "hub.push_to_hub": "Publish what comes out: amazon-titles push-adapter.",
    "params.auto_find_batch_size": "Set batch_size.",
    "params.distributed_backend": "Use: --devices N",
    "params.unsloth": "Write false.",
    "params.use_flash_attention_2": "Write false: torch's own flash attention is used.",
}


def validation(sheet: LintContext) -> Iterator[Problem]:
    """The best adapter is the one with the lowest loss on rows that were not trained on."""
    if sheet.get("amazon_titles.keep") == "best" and not sheet.text("amazon_titles.valid_split"):
        yield sheet.problem(
            "amazon_titles.keep",
            "is best, and there is no validation split to tell which that is.",
            "Set amazon_titles.valid_split to validation.",
        )


def disobeyed(sheet: LintContext) -> Iterator[Problem]:
    """Settings that the engine which is about to start does not read."""
    if sheet.run_here and sheet.engine == "autotrain":
        for name in ("valid_split", "checkpoint_dir", "checkpoint_steps", "keep"):
            key = f"amazon_titles.{name}"
            if sheet.get(key) != KEYS[("amazon_titles", name)].default:
                yield sheet.problem(key, "is obeyed by the trl engine alone.", "Use: --engine trl", "warning")
    if sheet.engine == "trl":
        for key, mend in _AUTOTRAIN_ONLY.items():
            if sheet.given(key) and sheet.get(key):
                yield sheet.problem(key, "is not obeyed by the trl engine.", mend, "warning")


ENGINES: tuple[Rule, ...] = (validation, disobeyed)
"""Every rule of this file."""
