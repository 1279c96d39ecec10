"""An AutoTrain YAML as a typed recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from amazon_titles import resources
from amazon_titles.errors import InputError
from amazon_titles.io import read_text
from amazon_titles.progress import say
from amazon_titles.recipes import autotrain_checks, environment_checks, fields, schema, source
from amazon_titles.recipes.problems import LintContext, Problem
from amazon_titles.templates import ChatTemplate, template_of_config

_S = TypeVar("_S")
# AutoTrain expands ${…} from the environment here and nowhere else. No token: the login serves, and AutoTrain leaves a
# token in clear in the output folder's training_params.json unless it pushes.
_HUB_SECTION: Mapping[str, fields.Value] = {"push_to_hub": False, "token": None, "username": "${HF_USERNAME}"}


@dataclass(frozen=True)
class Recipe:
    """One training run as plain `autotrain --config FILE` reads it.

    Attributes:
        path: The file it came from; for a filled-in or changed recipe, the file it started from.
        text: The YAML text, comments included.
        config: The mapping that AutoTrain sees: the text through `yaml.safe_load`.
    """

    path: Path
    text: str = field(repr=False)
    config: Mapping[str, Any] = field(repr=False)

    def section(self, *names: str) -> Mapping[str, Any]:
        """A section as it is written; empty where it is missing or is no mapping."""
        section = source.lookup(self.config, names)
        return section if isinstance(section, Mapping) else {}

    @property
    def base_model(self) -> str:
        """The base: a Hub id or a local folder."""
        return str(self.value("base_model", required=True))

    @property
    def project_name(self) -> str:
        """The output folder, which is also the name of the model repo."""
        return str(self.value("project_name", required=True))

    @property
    def data_path(self) -> str:
        """The dataset: a folder or a Hub id."""
        return str(self.value("data", "path", required=True))

    @property
    def train_split(self) -> str:
        """As AutoTrain takes it: `config:split`, such as `text-llama3:train`, or only a split."""
        return str(self.value("data", "train_split", required=True))

    @property
    def dataset_config(self) -> str:
        """The dataset config that is trained on, such as `text-llama3`; "" where only a split is named."""
        return self.train_split.rpartition(":")[0]

    @property
    def split(self) -> str:
        """The split that is trained on, without its config."""
        return self.train_split.rpartition(":")[2]

    @property
    def text_column(self) -> str:
        """The column that is trained on."""
        return str(self.value("data", "column_mapping", "text_column"))

    @property
    def template(self) -> ChatTemplate | None:
        """The template in which the `text-…` config is rendered; None for any other config."""
        return template_of_config(self.dataset_config)

    @cached_property
    def params(self) -> fields.Params:
        """Every training setting: the recipe's, and AutoTrain's default where the recipe is silent.

        Numbers are numbers, also where YAML reads a text (`5e-3`).

        Raises:
            InputError: A value is of the wrong type; `problems()` says this of all values at once.
        """
        return self._settings("params", fields.Params)

    @cached_property
    def settings(self) -> fields.Own:
        """This library's own settings (section `amazon_titles`), with their defaults."""
        return self._settings("amazon_titles", fields.Own)

    @cached_property
    def hub(self) -> fields.Hub:
        """`username`, `token` (as written: `${HF_TOKEN}`) and `push_to_hub`."""
        return self._settings("hub", fields.Hub)

    def with_settings(self, settings: Mapping[str, Any]) -> Recipe:
        """The recipe with some values changed, its comments kept.

        Args:
            settings: Values by dotted key (`params.lr`) or bare one (`lr`), as typed or as values.

        Raises:
            InputError: No such key, or a value that does not fit.
        """
        text, changes = self.text, dict(fields.parse_setting(*setting) for setting in settings.items())
        if any(path[0] == "hub" for path in changes) and not self.section("hub"):
            # Of a section `hub` AutoTrain wants all three keys.
            changes = {("hub", name): value for name, value in _HUB_SECTION.items()} | changes
        for path, value in changes.items():
            text = source.replace(text, path, value)
        return Recipe(self.path, text, source.parse(text, self.path))

    def problems(self, *, run_here: bool = False, online: bool = False, engine: str = "autotrain") -> list[Problem]:
        """Everything that is wrong with the recipe, in the order of its lines.

        Local folders that the recipe names are opened where they exist; nothing heavy is imported.

        Args:
            run_here: The training is about to start on this machine, so what is missing here is an error.
            online: Ask the Hub too: base, dataset and the repo that a push would go to.
            engine: What is to train.
        """
        context = LintContext(self, run_here=run_here, engine=engine)
        rules = [*schema.RULES, *autotrain_checks.RULES, *environment_checks.RULES]
        if online:
            # huggingface_hub costs 0.3 s to import.
            from amazon_titles.recipes import online as hub_checks

            rules += hub_checks.RULES
        found = {problem for rule in rules for problem in rule(context)}
        return sorted(found, key=lambda problem: (problem.line or 0, problem.key, problem.reason))

    def value(self, *path: str, required: bool = False) -> fields.Value:
        """A setting as AutoTrain takes it: its default where the recipe is silent.

        Args:
            *path: Its place: `"params", "lr"`.
            required: Whether null and "" are as if it were missing.

        Raises:
            InputError: It is of the wrong type, or required and missing.
        """
        section, name, known = self.section(*path[:-1]), path[-1], fields.KEYS[path]
        with suppress(ValueError):
            value = known.coerce(section[name]) if name in section else known.default
            if value or not required:
                return value
        found = f"is {section[name]!r}" if name in section else "is missing"
        hint = f"See every problem at once: amazon-titles check {self.path}"
        raise InputError(f"{self.path}: {'.'.join(path)} {found}; expected {known.expected}.", hint=hint)

    def _settings(self, name: str, kind: type[_S]) -> _S:
        return kind(**{key: self.value(name, key) for key in fields.SECTIONS[(name,)]})


def load_recipe(path: str | Path) -> Recipe:
    """Reads an AutoTrain YAML.

    Args:
        path: The file.

    Raises:
        InputError: No such file, not YAML, or not a mapping. What AutoTrain would make of a mapping is another
            question: ask `Recipe.problems()`.
    """
    path = Path(path)
    try:
        text = read_text(path)
    except OSError as error:
        raise InputError(
            f"No recipe at {path} ({error.strerror}).",
            hint=f"Shipped ones: {', '.join(resources.recipes())}. Write one out with: "
            f"amazon-titles recipe NAME --dataset DIR --out {path.name or 'my.yml'}",
        ) from None
    except UnicodeError:
        raise InputError(f"{path} is not UTF-8 text, so not a recipe.", hint="Save it as UTF-8.") from None
    return Recipe(path, text, source.parse(text, path))


def fill_recipe(
    name: str, *, dataset: str, user: str | None = None, project: str | None = None, settings: Mapping[str, Any] = {}
) -> str:
    """A shipped recipe, filled in: what `amazon-titles recipe` prints.

    AutoTrain expands no variables in `data.path` and `base_model`, so a recipe cannot be used with another dataset
    without being written anew.

    Args:
        name: The shipped recipe, such as `llama-3.2-1b-lora`.
        dataset: A dataset folder or a Hub id.
        user: The Hub user or organisation that a push goes to.
        project: The output folder and repo name.
        settings: More values, as of `--set`.

    Returns:
        YAML text with the recipe's comments.

    Raises:
        InputError: No such recipe, no such setting, or a value that does not fit.
    """
    shipped = resources.recipes()
    if name not in shipped:
        raise InputError(f"No shipped recipe {name!r}.", hint=f"Choose one of: {', '.join(shipped)}.")
    named = {"data.path": dataset, "hub.username": user, "project_name": project}
    filled = {key: value for key, value in named.items() if value is not None}
    return load_recipe(shipped[name]).with_settings({**filled, **settings}).text


def require_sound(recipe: Recipe, problems: Sequence[Problem]) -> None:
    """Says the warnings, and stops with every error at once.

    Raises:
        InputError: There is an error among the problems.
    """
    for problem in problems:
        if problem.severity != "error":
            say(f"{recipe.path}: {problem}")
    errors = [str(problem) for problem in problems if problem.severity == "error"]
    if errors:
        raise InputError(f"{recipe.path} has {len(errors)} error(s):\n  " + "\n  ".join(errors))
