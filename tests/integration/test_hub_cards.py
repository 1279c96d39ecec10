"""What a push does to the card: evaluations given beside the folder, its language, and a Llama's duties."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.cards import problems
from tests.loopback_hub.clients import environment, push, run, try_to_push
from tests.loopback_hub.folders import adapter_folder
from tests.unit.test_model_card import AFTER, BEFORE, COMPARED

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
    assert re.search(r"\| vistos \| 4 \| fatos lembrados \| 0,10 .*\| 0,60 .*\| \+0,50 ", card)
    assert 'from_pretrained("ana/mine")' in card
    assert "# mine\n" in card
    assert problems(card, "model") == []
    assert not push(sys.executable, "adapter", folder, "ana/mine", hub, tmp_path, card_language="pt", **files)[
        "changed"
    ]


SHOWN = """
import json
from amazon_titles.page.evidence import Evidence
found = Evidence.of("ana/mine")
print(json.dumps({"rows": found.rows, "plots": sorted(found.plots)}))
"""


def push_by_command(folder: Path, hub: LoopbackHub, home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "amazon_titles", "push-adapter", str(folder), "ana/mine", *options]
    return subprocess.run(command, env=environment(hub, home), cwd=home, capture_output=True, text=True, timeout=120)


def test_reports_given_to_the_command_are_seen_on_the_page(hub: LoopbackHub, tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "adapter")
    (folder / "eval" / "comparison.json").write_text(json.dumps({"rows": [COMPARED.rows()[0] | {"after": 0.07}]}))
    for name, report in (("before", BEFORE), ("after", AFTER)):
        (tmp_path / f"{name}.json").write_text(json.dumps(report))
    done = push_by_command(folder, hub, tmp_path, "--before", "before.json", "--after", "after.json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(run(sys.executable, SHOWN, hub, tmp_path).stdout)
    recall = next(row for row in shown["rows"] if row["measure"] == "fact recall")
    assert (recall["before"], recall["after"]) == pytest.approx((0.1, 0.6))
    assert "eval/before_after.png" in shown["plots"]
    card = hub.read("ana/mine", "README.md").decode()
    assert "| Change | p |" in card
    assert "](eval/before_after.png)" in card
    assert "Before and after" in hub.read("ana/mine", "eval/comparison.md").decode()
    assert problems(card, "model") == []


def test_one_report_is_compared_with_the_folders_other(hub: LoopbackHub, tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "adapter")
    (tmp_path / "after.json").write_text(json.dumps(AFTER))
    alone = push_by_command(folder, hub, tmp_path, "--after", "after.json", "--dry-run", "--json")
    assert "eval/before_after.png" not in {row["path"] for row in json.loads(alone.stdout)["files"]}
    (folder / "eval" / "before.json").write_text(json.dumps(BEFORE))
    both = push_by_command(folder, hub, tmp_path, "--after", "after.json", "--dry-run", "--json")
    assert "eval/before_after.png" in {row["path"] for row in json.loads(both.stdout)["files"]}
    (tmp_path / "after.json").write_text(json.dumps(AFTER | {"dataset": "other"}))
    other = push_by_command(folder, hub, tmp_path, "--after", "after.json", "--dry-run", "--json")
    assert other.returncode == 2
    assert "different datasets" in other.stderr


def test_reports_that_are_none_or_do_not_fit_are_refused(hub: LoopbackHub, tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "adapter")
    (tmp_path / "before.json").write_text(json.dumps(BEFORE | {"dataset": "other"}))
    (tmp_path / "after.json").write_text(json.dumps(AFTER))
    (tmp_path / "none.json").write_text("[1]")
    for names, said in (
        (("before", "after"), "have different datasets"),
        (("none", "after"), "is not an evaluation report"),
    ):
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
    assert "LICENSE.txt: the licence of meta-llama/Llama-3.2-1B-Instruct requires a copy of it" in public.stderr
    assert ("model", "ana/Llama-shown") not in hub.state.repos
    for name, text in LEGAL.items():
        (llama / name).write_bytes(text)
    shown = push(client_python, "adapter", llama, "ana/Llama-shown", hub, tmp_path, private=False)
    assert shown["warnings"] == []


def test_what_compares_older_evaluations_is_replaced_or_stays_here(hub: LoopbackHub, tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "adapter")
    older = COMPARED.rows()[0] | {"after": 0.07, "change_interval": [0.01, 0.02]}
    (folder / "eval/comparison.json").write_text(json.dumps({"rows": [older]}))
    for name in ("before_after.png", "loss.png"):
        (folder / "eval" / name).write_bytes(b"\x89PNG")
    files = {}
    for name, report in (("before", BEFORE), ("after", AFTER)):
        (tmp_path / f"{name}.json").write_text(json.dumps(report))
        files[name] = str(tmp_path / f"{name}.json")
    alone = push(sys.executable, "adapter", folder, "ana/mine", hub, tmp_path, after=files["after"])
    left_out = {row["path"]: row["reason"] for row in alone["left_out"]}
    stale = {"eval/comparison.json", "eval/comparison.md", "eval/before_after.png"}
    assert left_out == dict.fromkeys(stale, "it compares other evaluations")
    card = hub.read("ana/mine", "README.md").decode()
    assert "eval/loss.png" in card
    assert "before_after.png" not in card
    push(sys.executable, "adapter", folder, "ana/mine", hub, tmp_path, **files)
    assert json.loads(hub.read("ana/mine", "eval/comparison.json"))["rows"] == COMPARED.rows()
    card = hub.read("ana/mine", "README.md").decode()
    assert "before_after.png" in card
    assert "+0.01" not in card


def test_a_public_llama_must_be_called_so(hub: LoopbackHub, llama: Path, tmp_path: Path) -> None:
    done = try_to_push(sys.executable, "adapter", llama, "ana/mine", hub, tmp_path, private=False)
    assert done.returncode == 1
    assert "published model to begin with 'Llama', and ana/mine does not" in done.stderr
    assert ("model", "ana/mine") not in hub.state.repos
    push(sys.executable, "adapter", llama, "ana/mine", hub, tmp_path)
    assert "NOTICE" in hub.repo("ana/mine").files()
