"""What a push does to the card: evaluations given beside the folder, its language, and a Llama's duties."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from amazon_titles.cards.evaluations import rows
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.cards import problems
from tests.loopback_hub.clients import push, try_to_push
from tests.loopback_hub.folders import adapter_folder
from tests.unit.test_model_card import AFTER, BEFORE

pytestmark = pytest.mark.integration

LLAMA = "meta-llama/Llama-3.2-1B-Instruct"


LEGAL = {"LICENSE.txt": b"LLAMA 3.2 COMMUNITY LICENSE\n", "USE_POLICY.md": b"# Use policy\n\nSee file:///etc/policy.\n"}


@pytest.fixture
def llama(hub: LoopbackHub, tmp_path: Path) -> Path:
    hub.state.add_account("meta-llama", "hf_" + "M" * 34)
    hub.put("model", LLAMA, {"config.json": b"{}", "original/LICENSE.txt": b"", "README.md": b"# Llama\n", **LEGAL})
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


def test_the_bases_licence_goes_along(hub: LoopbackHub, client_python: str, llama: Path, tmp_path: Path) -> None:
    report = push(client_python, "adapter", llama, "ana/Llama-mine", hub, tmp_path)
    there = hub.repo("ana/Llama-mine").files()
    assert {path: hub.read("ana/Llama-mine", path) for path in LEGAL} == LEGAL
    assert "original/LICENSE.txt" not in there
    assert set(LEGAL) < {row["path"] for row in report["files"]}
    assert not push(client_python, "adapter", llama, "ana/Llama-mine", hub, tmp_path)["changed"]
    (llama / "LICENSE.txt").write_text("A copy that stands in the folder.\n")
    push(client_python, "adapter", llama, "ana/Llama-mine", hub, tmp_path)
    assert hub.read("ana/Llama-mine", "LICENSE.txt") == b"A copy that stands in the folder.\n"


def test_a_licence_that_may_not_be_read(hub: LoopbackHub, client_python: str, llama: Path, tmp_path: Path) -> None:
    hub.repo(LLAMA).gated = True
    private = push(client_python, "adapter", llama, "ana/Llama-mine", hub, tmp_path)
    assert [warning.partition(":")[0] for warning in private["warnings"]] == sorted(LEGAL)
    public = try_to_push(client_python, "adapter", llama, "ana/Llama-shown", hub, tmp_path, private=False)
    assert public.returncode == 1
    assert "LICENSE.txt: the licence of meta-llama/Llama-3.2-1B-Instruct asks for a copy of it" in public.stderr
    assert ("model", "ana/Llama-shown") not in hub.state.repos
    for name, text in LEGAL.items():
        (llama / name).write_bytes(text)
    shown = push(client_python, "adapter", llama, "ana/Llama-shown", hub, tmp_path, private=False)
    assert shown["warnings"] == []


def test_what_compares_older_evaluations_stays_here(hub: LoopbackHub, tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "adapter")
    older = rows(BEFORE, AFTER)[0] | {"after": 0.07, "change_interval": [0.01, 0.02]}
    (folder / "eval/comparison.json").write_text(json.dumps({"rows": [older]}))
    for name in ("before_after.png", "loss.png"):
        (folder / "eval" / name).write_bytes(b"\x89PNG")
    files = {}
    for name, report in (("before", BEFORE), ("after", AFTER)):
        (folder / "eval" / f"{name}.json").write_text(json.dumps(report | {"model": "older"}))
        (tmp_path / f"{name}.json").write_text(json.dumps(report))
        files[name] = str(tmp_path / f"{name}.json")
    report = push(sys.executable, "adapter", folder, "ana/mine", hub, tmp_path, **files)
    there = {path for path in hub.repo("ana/mine").files() if path.startswith("eval/")}
    assert there == {"eval/before.json", "eval/after.json", "eval/loss.png"}
    left_out = {row["path"]: row["reason"] for row in report["left_out"]}
    stale = {"eval/comparison.json", "eval/comparison.md", "eval/before_after.png"}
    assert left_out == dict.fromkeys(stale, "it compares other evaluations than those given")
    card = hub.read("ana/mine", "README.md").decode()
    assert "eval/loss.png" in card
    assert "before_after.png" not in card
    assert "+0.01" not in card
    same = {name: str(folder / "eval" / f"{name}.json") for name in ("before", "after")}
    push(sys.executable, "adapter", folder, "ana/mine", hub, tmp_path, **same)
    assert stale < set(hub.repo("ana/mine").files()), "the folder's own reports: what compares them is of them"


def test_a_public_llama_must_be_called_so(hub: LoopbackHub, llama: Path, tmp_path: Path) -> None:
    done = try_to_push(sys.executable, "adapter", llama, "ana/mine", hub, tmp_path, private=False)
    assert done.returncode == 1
    assert "name to begin with 'Llama', and ana/mine does not" in done.stderr
    assert ("model", "ana/mine") not in hub.state.repos
    push(sys.executable, "adapter", llama, "ana/mine", hub, tmp_path)
    assert "NOTICE" in hub.repo("ana/mine").files()
