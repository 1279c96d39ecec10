"""What must never be published: each reason has a folder that is refused for it, and clean folders are not."""

from __future__ import annotations

import json
import shutil
from array import array
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_titles import hub_errors, secrets
from amazon_titles.adapter_files import for_every_peft, for_every_transformers, weight_problems
from amazon_titles.errors import InputError, PublishError
from amazon_titles.hub import adapters, push_adapter_to_hub, push_dataset_to_hub
from amazon_titles.hub.adapter_metadata import read_adapter_metadata
from amazon_titles.hub.client import Client
from amazon_titles.hub.contents import ADAPTER_FILES, DATASET_FILES, gather
from amazon_titles.hub.validate import _PATH_IN_TEXT
from tests.loopback_hub.folders import adapter_folder, dataset_folder, write_safetensors


@pytest.fixture(autouse=True)
def _no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "a" * 34)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")


def refused(what: str, folder: Path, **options: Any) -> str:
    push = push_dataset_to_hub if what == "dataset" else push_adapter_to_hub
    with pytest.raises(PublishError) as caught:
        push(folder, "ana/x", dry_run=True, **options)
    return str(caught.value)


def edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_what_a_model_says_is_no_path(tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "a")
    (folder / "eval").mkdir(exist_ok=True)
    report = folder / "eval" / "after.json"
    report.write_text(json.dumps({"examples": [{"answer": "/home/ana/nonsense"}]}))
    assert push_adapter_to_hub(folder, "ana/a", dry_run=True).size > 0
    report.write_text(json.dumps({"examples": [], "dataset": "/home/ana/dataset"}))
    assert "eval/after.json: it names a path of this machine" in refused("adapter", folder)


def test_clean_folders_pass(tmp_path: Path) -> None:
    assert push_dataset_to_hub(dataset_folder(tmp_path / "d"), "ana/d", dry_run=True).dry_run
    assert push_adapter_to_hub(adapter_folder(tmp_path / "a"), "ana/a", dry_run=True).size > 0


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a dataset folder"):
        push_dataset_to_hub(tmp_path, "ana/d")
    with pytest.raises(InputError, match="is not an adapter folder"):
        push_adapter_to_hub(tmp_path, "ana/d")
    with pytest.raises(InputError, match="There is no folder"):
        push_adapter_to_hub(tmp_path / "nothing", "ana/d")


def test_a_report_that_does_not_add_up(tmp_path: Path) -> None:
    folder = dataset_folder(tmp_path / "d")
    edit(folder / "report.json", kept=1)
    assert "report.json: it does not add up: 30 rows read, 1 kept and 6 dropped" in refused("dataset", folder)
    (folder / "report.json").write_text("{}")
    assert "report.json: it lacks rows_read, kept or dropped" in refused("dataset", folder)


def test_shards_that_would_not_load(tmp_path: Path) -> None:
    folder = dataset_folder(tmp_path / "d")
    shard = folder / "chat/test-00000-of-00001.parquet"
    table = pq.read_table(shard)
    pq.write_table(table.replace_schema_metadata({"huggingface": "{}"}), shard)
    (folder / "catalog/train-00000-of-00001.parquet").write_bytes(b"PAR1 cut")
    pq.write_table(pa.table({"a": [1]}), folder / "catalog/other.parquet")
    (folder / "text-llama3/train-00000-of-00001.parquet").unlink()
    said = refused("dataset", folder)
    assert "chat/test-00000-of-00001.parquet: its schema metadata 'huggingface' makes datasets 3.2 fail" in said
    assert "catalog/train-00000-of-00001.parquet: it cannot be read" in said
    assert "catalog/other.parquet: no config of README.md names it" in said
    assert "README.md: its configs name 'text-llama3/train-*.parquet', which matches no file" in said


@pytest.mark.parametrize("path", ["/home/ana/base", "C:\\models\\base", "./base", "../base", "~/base", "file:///base"])
def test_paths_of_a_machine(tmp_path: Path, path: str) -> None:
    folder = adapter_folder(tmp_path / "a")
    edit(folder / "run.json", log=path)
    (folder / "recipe.yml").write_text(f"base_model: ana/tiny\nlogging_dir: '{path}'\n")
    said = refused("adapter", folder)
    assert "run.json: it names a path of this machine" in said
    assert "recipe.yml: it names a path of this machine" in said
    edit(folder / "adapter_config.json", base_model_name_or_path=path)
    assert "adapter_config.json: its base is" in refused("adapter", folder)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("trained from `/home/ana/out`", True),
        ("(/tmp/x)", True),
        ("C:\\Users\\ana", True),
        ("~/models/x", True),
        ("https://www.amazon.com/dp/0001234567", False),
        ("https://host/home/page", False),
        ("`--out ./merged`", False),
        ("a/b/tmp/c", False),
        ("and/or, 1/2, l/data", False),
        ("POST /v1/chat/completions", False),
    ],
)
def test_paths_in_prose(text: str, found: bool) -> None:
    assert bool(_PATH_IN_TEXT.search(text)) is found


def test_a_card_with_blanks_or_without_metadata(tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "a")
    (folder / "README.md").write_text("# Model\n[More Information Needed]\n")
    said = refused("adapter", folder)
    assert "README.md: the YAML at its head is missing" in said
    assert "README.md: it says [More Information Needed]" in said


def test_not_for_publishing(tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "a")
    edit(folder / "run.json", publishable=False, why_not_publishable="it is a toy")
    assert "run.json: it is marked as not for publishing: it is a toy" in refused("adapter", folder)


def test_a_tokenizer_that_transformers_5_saved_is_mended(tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "a")
    edit(folder / "tokenizer_config.json", tokenizer_class="TokenizersBackend", extra_special_tokens=["<|one|>"])
    pushed = json.loads(read_adapter_metadata(folder).files["tokenizer_config.json"])
    assert pushed["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert (pushed["extra_special_tokens"], pushed["additional_special_tokens"]) == ({}, ["<|one|>"])
    assert for_every_transformers(pushed) == pushed
    push_adapter_to_hub(folder, "ana/a", dry_run=True)


def test_a_config_that_old_peft_would_misread(tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "a")
    edit(folder / "adapter_config.json", peft_version="0.21.2", use_bdlora=None, qalora_group_size=16, use_dora=True)
    report = push_adapter_to_hub(folder, "ana/a", dry_run=True)
    assert "adapter_config.json" in {file.path for file in report.files}
    kept, in_use = for_every_peft(json.loads((folder / "adapter_config.json").read_text()))
    assert in_use == []
    assert kept["r"] == 4
    assert kept["use_dora"]
    assert not {"peft_version", "use_bdlora", "qalora_group_size"} & kept.keys()
    edit(folder / "adapter_config.json", use_qalora=True)
    assert "adapter_config.json: it uses 'use_qalora', which peft 0.14 does not support" in refused("adapter", folder)


def test_missing_files_and_broken_json(tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "a")
    (folder / "adapter_model.safetensors").unlink()
    (folder / "recipe.yml").write_text("a: [")
    (folder / "tokenizer_config.json").write_text("{")
    said = refused("adapter", folder)
    assert "adapter_model.safetensors: it is missing; amazon-titles train writes it" in said
    assert "recipe.yml: it is not YML" in said
    assert "tokenizer_config.json: it is not JSON" in said


def weights(tmp_path: Path, a: list[float], b: list[float]) -> list[str]:
    path = tmp_path / "w.safetensors"
    write_safetensors(path, {"x.lora_A.weight": array("f", a), "x.lora_B.weight": array("f", b)})
    return list(weight_problems(path))


def test_weights(tmp_path: Path) -> None:
    assert weights(tmp_path, [1.0, -2.0], [0.0, 1e-30]) == []
    assert "zero" in weights(tmp_path, [1.0], [0.0, -0.0])[0]
    assert "NaN" in weights(tmp_path, [1.0], [1.0, float("nan")])[0]
    assert "NaN" in weights(tmp_path, [float("-inf")], [1.0])[0]
    path = tmp_path / "w.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    assert "damaged" in next(iter(weight_problems(path)))
    path.write_bytes(b"")
    assert "damaged" in next(iter(weight_problems(path)))


def half(bits: list[int], kind: str, tmp_path: Path) -> list[str]:
    header = {"x": {"dtype": kind, "shape": [len(bits)], "data_offsets": [0, 2 * len(bits)]}}
    text = json.dumps(header).encode()
    path = tmp_path / "half.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + array("H", bits).tobytes())
    return list(weight_problems(path))


def test_half_weights(tmp_path: Path) -> None:
    assert half([0x3C00, 0x0001], "F16", tmp_path) == []
    assert "NaN" in half([0x7E00], "F16", tmp_path)[0]
    assert half([0x7E00], "BF16", tmp_path) == [], "a large bfloat16 has the bits of a float16 NaN"
    assert "NaN" in half([0xFF80], "BF16", tmp_path)[0]
    assert "zero" in half([0x8000, 0], "BF16", tmp_path)[0]


@given(st.binary(max_size=200), st.sampled_from(["hf_", "ghp_", "api_org_"]), st.binary(max_size=200))
def test_a_token_is_found_wherever_it_stands(before: bytes, prefix: str, after: bytes) -> None:
    assert secrets.find(before + prefix.encode() + b"Ab3" * 12 + after, {})


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_redacting_leaves_other_text_alone(text: str) -> None:
    if secrets.find(text.encode(), secrets.known_secrets()) is None:
        assert secrets.redact(text) == text
    assert "hf_" + "a" * 34 not in secrets.redact(text + "hf_" + "a" * 34 + text)


def test_texts_that_look_a_little_like_secrets() -> None:
    for text in (
        b"task-list and risk-free desk-organizer-with-12-drawers-and-a-lamp-on-top",
        b"hf_hub_download",
        b"AKIAKIA",
    ):
        assert secrets.find(text, {}) is None


def test_a_key_at_the_start_of_a_line_is_found_in_json_too() -> None:
    key = "sk-" + "a1" * 20
    for text in (key, f"({key})", json.dumps(f"keys:\n{key}"), json.dumps(f"key\t{key}")):
        assert secrets.find(text.encode(), {}) == "what looks like an API key"
    assert secrets.find(f"de{key}".encode(), {}) is None


def test_a_token_in_a_name_or_a_word(tmp_path: Path) -> None:
    token = "hf_" + "N" * 30
    folder = dataset_folder(tmp_path / "d")
    shard = folder / f"chat/train-{token}.parquet"
    shutil.copy(folder / "chat/train-00000-of-00001.parquet", shard)
    assert "a file's name: it holds what looks like a Hugging Face token" in refused("dataset", folder)
    shard.unlink()
    said = refused("dataset", folder, tag=token)
    assert "the tag: it holds what looks like a Hugging Face token" in said
    assert token not in said


def test_what_is_left_out_says_why(tmp_path: Path) -> None:
    for path in (".cache/x", "pytorch_model.bin", "checkpoint-3/a.json", "runs/x", "notes.txt", "chat/train.parquet"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    contents, left_out = gather(tmp_path, ADAPTER_FILES)
    assert contents == []
    assert {row.path: row.reason for row in left_out} == {
        ".cache/x": "hidden or a cache",
        "pytorch_model.bin": "a pickle, which runs code when loaded",
        "checkpoint-3/a.json": "a checkpoint",
        "runs/x": "a log of training",
        "notes.txt": "not part of this kind of folder",
        "chat/train.parquet": "not part of this kind of folder",
    }
    assert [content.path for content in gather(tmp_path, DATASET_FILES)[0]] == ["chat/train.parquet"]


def test_the_login_command_is_the_installed_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_errors, "version", lambda _: "0.27.0")
    assert hub_errors.login_command() == "huggingface-cli login"
    monkeypatch.setattr(hub_errors, "version", lambda _: "2.4.0")
    assert hub_errors.login_command() == "hf auth login"


PRIVATE = b"the password of ana's shop is 1234"


def private(tmp_path: Path) -> Path:
    path = tmp_path / "private.txt"
    path.write_bytes(PRIVATE)
    return path


def pushed(what: str, folder: Path, **options: Any) -> tuple[set[str], dict[str, str]]:
    """What would go up, and what stays here with its reason."""
    push = push_dataset_to_hub if what == "dataset" else push_adapter_to_hub
    report = push(folder, "ana/x", dry_run=True, **options)
    assert PRIVATE.decode() not in report.card
    assert all(f"  {file.path} " in str(report) for file in report.files), "every file is shown"
    return {file.path for file in report.files}, {row.path: row.reason for row in report.left_out}


@pytest.mark.parametrize("what", ["dataset", "adapter"])
def test_a_link_is_named_and_never_followed(tmp_path: Path, what: str) -> None:
    folder = (dataset_folder if what == "dataset" else adapter_folder)(tmp_path / "folder")
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "changes.png").write_bytes(PRIVATE)
    before, _ = pushed(what, folder)
    planted = ["LICENSE", "eval/before_after.png", "photos"]
    (folder / "eval").mkdir(exist_ok=True)
    for name in planted[:2]:
        (folder / name).symlink_to(private(tmp_path))
    (folder / "photos").symlink_to(tmp_path / "eval", target_is_directory=True)
    card = folder / "README.md"
    card.write_text(card.read_text() + "".join(f"![]({name})\n" for name in (*planted, "photos/changes.png")))
    files, left_out = pushed(what, folder)
    assert files == before
    assert {name for name, reason in left_out.items() if reason.startswith("a link")} == set(planted)


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("dataset", "README.md"),
        ("dataset", "report.json"),
        ("adapter", "run.json"),
        ("adapter", "tokenizer_config.json"),
    ],
)
def test_what_is_needed_must_be_there_itself(tmp_path: Path, what: str, name: str) -> None:
    folder = (dataset_folder if what == "dataset" else adapter_folder)(tmp_path / "folder")
    shutil.move(folder / name, tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    assert f"{name}: it is a link, whose target may be someone else's: replace it with the file" in refused(
        what, folder
    )


def test_what_a_push_rewrites_is_no_link_either(tmp_path: Path) -> None:
    """The card is filled in, the recipe is renamed, reports are shown: each of them would be read through a link."""
    folder = adapter_folder(tmp_path / "a")
    report = {"scores": {}, "examples": [], "dataset": PRIVATE.decode(), "settings": {}}
    (tmp_path / "after.json").write_text(json.dumps(report))
    (tmp_path / "card.md").write_bytes(b"USER/NAME " + PRIVATE)
    (tmp_path / "mine.yml").write_bytes(b"# " + PRIVATE)
    links = {"README.md": "card.md", "recipe.yml": "mine.yml", "eval/after.json": "after.json", "NOTICE": "card.md"}
    for name, source in links.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(tmp_path / source)
    files, left_out = pushed("adapter", folder, card_language="en")
    assert set(left_out) == {"recipe.yml", "eval/after.json", "NOTICE"}
    assert "README.md" in files, "written anew"


def test_a_picture_goes_only_where_the_card_links_it(tmp_path: Path) -> None:
    folder = dataset_folder(tmp_path / "d")
    pictures = {"lengths.png", "plots/a b.png", "plots/b.svg", "me.jpg", "family/beach.png"}
    for name in pictures:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"\x89PNG")
    card = folder / "README.md"
    card.write_text(card.read_text() + '![Lengths](./lengths.png "so long")\n<img alt="b" src="plots/b.svg">\n')
    files, left_out = pushed("dataset", folder)
    assert files & pictures == {"lengths.png", "plots/b.svg"}
    assert {left_out[name] for name in ("me.jpg", "family/beach.png")} == {"a picture that the card does not link"}


def test_only_the_named_files_of_an_evaluation_go(tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "a")
    for name in ("eval/notes.md", "eval/customers.csv", "eval/.env", "eval/holiday.png", ".secret/loss.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(PRIVATE)
    files, left_out = pushed("adapter", folder, card_language="en")
    assert {name for name in files if name.startswith("eval/")} == {"eval/comparison.md"}
    assert left_out["eval/.env"] == left_out[".secret/loss.png"] == "hidden or a cache"
    assert left_out["eval/notes.md"] == left_out["eval/customers.csv"] == "not part of this kind of folder"
    assert left_out["eval/holiday.png"] == "a picture that the card does not link"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("{}", "its peft_type is None, and a LoRA adapter of a language model has 'LORA'"),
        ("[]", "its peft_type is None"),
        ({"peft_type": "IA3"}, "its peft_type is 'IA3'"),
        ({"task_type": None}, "its task_type is None"),
        ({"r": 0}, "its r is 0"),
        ({"r": "four"}, "its r is 'four'"),
    ],
)
def test_a_config_that_loads_no_adapter(tmp_path: Path, config: Any, reason: str) -> None:
    folder = adapter_folder(tmp_path / "a")
    if isinstance(config, str):
        (folder / "adapter_config.json").write_text(config)
    else:
        edit(folder / "adapter_config.json", **config)
    assert f"adapter_config.json: {reason}" in refused("adapter", folder)


def test_a_tokenizer_without_a_vocabulary(tmp_path: Path) -> None:
    folder = adapter_folder(tmp_path / "a")
    (folder / "tokenizer.json").unlink()
    assert "tokenizer.json: no vocabulary was found" in refused("adapter", folder)
    (folder / "tokenizer.model").write_bytes(b"\x0a")
    assert push_adapter_to_hub(folder, "ana/a", dry_run=True).dry_run


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("adapter_config.json", b"{}", "adapter_config.json: its peft_type is None"),
        ("adapter_config.json", b"[1]", "adapter_config.json: its peft_type is None"),
        ("adapter_config.json", b"<html>", "adapter_config.json: its peft_type is None"),
        ("adapter_model.safetensors", b"<html>", "adapter_model.safetensors: it is no safetensors file"),
        ("tokenizer_config.json", b"", "tokenizer_config.json: it is empty"),
    ],
)
def test_what_does_not_load_back_was_not_published_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, reason: str
) -> None:
    """Whatever the checks before let through: a push that ends well has read an adapter from the repository."""
    contents, _ = gather(adapter_folder(tmp_path / "sent"), ADAPTER_FILES)
    there = adapter_folder(tmp_path / "there")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda repo_id, path, **_: str(there / path))
    client = Client("ana/a", "model", None)
    assert "LORA adapter of ana/tiny" in adapters._load_back(client, "main", contents)
    (there / name).write_bytes(content)
    with pytest.raises(PublishError, match="The published ana/a cannot be loaded") as failed:
        adapters._load_back(client, "main", contents)
    assert reason in str(failed.value)


TAKEN = {
    "ana/titles": "ana/titles",
    " ana/titles\n": "ana/titles",
    "titles": "titles",
    "datasets/ana/titles": "ana/titles",
    "https://huggingface.co/datasets/ana/titles/tree/main": "ana/titles",
    "https://huggingface.co/ana/titles?x=1#y": "ana/titles",
    "hf.co/datasets/ana/titles/": "ana/titles",
    "http://127.0.0.1:9/datasets/ana/titles": "ana/titles",
}


@pytest.mark.parametrize("typed", TAKEN)
def test_a_dry_run_takes_the_id_that_the_push_takes(tmp_path: Path, typed: str) -> None:
    folder = dataset_folder(tmp_path / "dataset")
    assert push_dataset_to_hub(folder, typed, dry_run=True).repo_id == TAKEN[typed]


REFUSED = {
    "ana/my titles": "ana/my-titles",
    "ana/títulos": "ana/titulos",
    "ana/a..b": "ana/a.b",
    "ana/titles.git": "ana/titles",
    "ana/b/titles": "b/titles",
    "spaces/ana/titles": "ana/titles",
    "https://huggingface.co/ana": "ana",
    "ana/": "ana",
    "": "USER/NAME",
}


@pytest.mark.parametrize("typed", REFUSED)
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_is_no_id_is_refused_with_the_right_form(tmp_path: Path, typed: str, dry_run: bool) -> None:
    folder = dataset_folder(tmp_path / "dataset")
    with pytest.raises(InputError) as caught:
        push_dataset_to_hub(folder, typed, dry_run=dry_run)
    assert repr(typed) in caught.value.message
    assert str(caught.value.hint).endswith(f": {REFUSED[typed]}")
