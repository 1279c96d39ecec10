"""The few exceptions. Each message says what was found, what was expected and the next command."""

from __future__ import annotations

from importlib.util import find_spec


class AmazonTitlesError(Exception):
    """Something a user can mend. The command line prints the message and exits with `exit_code`, without a traceback.

    Args:
        message: One sentence: what was found and what was expected.
        hint: The next command, or what to change.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in a traceback's place; IPython asks for it by this name."""
        return [f"Error: {self}"]


class InputError(AmazonTitlesError):
    """The input is wrong: a file, an option, a recipe. Exit 2."""

    exit_code = 2


class MissingExtraError(AmazonTitlesError):
    """A feature needs packages of an extra that is not installed.

    Args:
        extra: The extra's name in `pyproject.toml`.
        package: The import that failed.
    """

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(
            f"This needs the package {package!r}, which is not installed here.",
            hint=f"Install it with: pip install 'amazon-titles[{extra}] @ PATH_OR_URL' (from a checkout: '.[{extra}]')",
        )


def require(extra: str, *packages: str) -> None:
    """Refuses to go on without the packages of an extra, by the names that they are imported by.

    Raises:
        MissingExtraError: One is not installed.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtraError(extra, package.replace("_", "-"))


class TrainingError(AmazonTitlesError):
    """A training run did not leave a usable adapter."""


class PublishError(AmazonTitlesError):
    """A folder must not, or could not, be published."""
