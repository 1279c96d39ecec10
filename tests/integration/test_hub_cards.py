"""What a push does to the card: evaluations given beside the folder, its language, and a Llama's duties."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.cards import problems
from tests.loopback_hub.clients import push, try_to_push
from tests.loopback_hub.folders import adapter_folder
from tests.unit.test_model_card import AFTER, BEFORE

pytestmark = pytest.mark.integration

LLAMA = "meta-llama/Llama-3.2-1B-Instruct"


@pytest.fixture
def llama(hub: LoopbackHub, tmp_path: Path) -> Path:
    hub.state.add_account("meta-llama", "hf_" + "M" * 34)
    hub.put("model", LLAMA, {"config.json": b"{}"})
    return adapter_folder(tmp_path / "adapter", base=LLAMA)


def test_evaluations_given_beside_the_folder_stand_in_the_card(hub: LoopbackHub, tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "adapter")
    for name, report in (("before", BEFORE), ("after", AFTER)):
        (tmp_path / f"{name}.json").write_text(json.dumps(report))
    files = {name: str(tmp_path / f"{name}.json") for name in ("before", "after")}
    push(sys.executable, "adapter", folder, "ana/mine", hub, tmp_path, card_language="pt", **files)
    card = hub.read("ana/mine", "README.md").decode()
    assert "| vistos | 4 | fatos lembrados | 0,10 | 0,60 | +0,50 |" in card
    assert 'from_pretrained("ana/mine")' in card
    assert "# mine\n" in card
    assert problems(card, "model") == []
    assert not push(sys.executable, "adapter", folder, "ana/mine", hub, tmp_path, card_language="pt", **files)[
        "changed"
    ]


def test_reports_that_are_none_or_do_not_fit_are_refused(hub: LoopbackHub, tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "adapter")
    (tmp_path / "before.json").write_text(json.dumps(BEFORE | {"dataset": "other"}))
    (tmp_path / "after.json").write_text(json.dumps(AFTER))
    (tmp_path / "none.json").write_text("[1]")
    for names, said in ((("before", "after"), "have another dataset"), (("none", "after"), "is no evaluation report")):
        files = dict(zip(("before", "after"), (str(tmp_path / f"{name}.json") for name in names), strict=True))
        done = try_to_push(sys.executable, "adapter", folder, "ana/mine", hub, tmp_path, **files)
        assert done.returncode == 2
        assert said in done.stderr
    assert ("model", "ana/mine") not in hub.state.repos


def test_a_llama_goes_up_with_its_notice(hub: LoopbackHub, llama: Path, tmp_path: Path) -> None:
    push(sys.executable, "adapter", llama, "ana/Llama-mine", hub, tmp_path, private=False, card_language="en")
    assert (
        "Llama 3.2 is licensed under the Llama 3.2 Community License" in hub.read("ana/Llama-mine", "NOTICE").decode()
    )
    assert "**Built with Llama**" in hub.read("ana/Llama-mine", "README.md").decode()


def test_a_public_llama_must_be_called_so(hub: LoopbackHub, llama: Path, tmp_path: Path) -> None:
    done = try_to_push(sys.executable, "adapter", llama, "ana/mine", hub, tmp_path, private=False)
    assert done.returncode == 1
    assert "name to begin with 'Llama', and ana/mine does not" in done.stderr
    assert ("model", "ana/mine") not in hub.state.repos
    push(sys.executable, "adapter", llama, "ana/mine", hub, tmp_path)
    assert "NOTICE" in hub.repo("ana/mine").files()
