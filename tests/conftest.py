"""What every test may ask for: a Hub of its own, and each environment's Python to push with."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from amazon_titles import progress
from amazon_titles.training.bases import Base, made_base
from tests.autotrain_env import require_other_python
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.clients import TOKEN

# `make test` draws the same examples every time, and takes the time that a busy machine takes; new ones are looked for
# by HYPOTHESIS_PROFILE=search.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(scope="session", autouse=True)
def _indexes_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests leave no indexes among the user's."""
    os.environ["AMAZON_TITLES_CACHE"] = str(tmp_path_factory.mktemp("indexes"))


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    """A Hub with the account `ana`, a member of `a-lab`, and the base that the adapters of tests name."""
    with LoopbackHub() as running:
        running.state.add_account("ana", TOKEN, organizations=("a-lab",))
        running.put("model", "ana/tiny", {"config.json": b"{}"})
        yield running


@pytest.fixture(params=["this environment", "the other environment"])
def client_python(request: pytest.FixtureRequest) -> str:
    """Each environment's interpreter in turn: today's huggingface_hub, and AutoTrain's 0.27."""
    if request.param == "this environment":
        return sys.executable
    return str(require_other_python())


class Clock:
    """Tells the time that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of progress, which stands still; no line of progress comes by itself."""
    monkeypatch.setattr(progress, "clock", made := Clock())
    monkeypatch.setattr(progress._Lines, "beat", lambda self, over: None)
    monkeypatch.setattr(progress._Lines, "said", 0.0)
    return made


@pytest.fixture
def beat(clock: Clock, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Lets seconds pass, one by one, and gives the lines that were said since it was last asked."""

    def beats(seconds: int, each: Callable[[], object] = lambda: None) -> list[str]:
        for _ in range(seconds):
            clock.now += 1
            each()
            if progress._Lines.open:
                progress._Lines.open[-1].emit()
        return capsys.readouterr().err.splitlines()

    return beats


@pytest.fixture(scope="session")
def real_base() -> Base:
    """SmolLM2-135M-Instruct from the package index, made once a machine: the same wherever the tests run."""
    return made_base()
