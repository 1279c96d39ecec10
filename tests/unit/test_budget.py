"""What a recipe will take, against counts that are known."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_titles import resources
from amazon_titles.budget import estimate, flavors, shape_of
from amazon_titles.budget.flavors import runs
from amazon_titles.budget.shapes import Shape, memory_gb
from amazon_titles.errors import InputError
from amazon_titles.recipes import gpus, load_recipe

ROWS, PRODUCTS = 600, 200


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "dataset"
    for config in ("text-llama3", "text-chatml"):
        (folder / config).mkdir(parents=True)
        pq.write_table(pa.table({"text": ["x" * 428 + "\n"] * ROWS}), folder / config / "train-00000-of-00001.parquet")
    files = "[{split: train, path: %s/train-*.parquet}]"
    configs = "".join(f"- config_name: {c}\n  data_files: {files % c}\n" for c in ("text-llama3", "text-chatml"))
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    report = {"splits": {"train": {"products": PRODUCTS, "rows": {"recall": ROWS, "grounded": 0}}}}
    (folder / "report.json").write_text(json.dumps(report))
    return folder


def recipe(name, dataset, **settings):
    return load_recipe(resources.recipes()[name]).with_settings({"data.path": str(dataset), **settings})


# Parameters as the model pages count them; LoRA of rank 16 on all linear layers as peft's
# print_trainable_parameters says.
@pytest.mark.parametrize(
    ("base", "parameters", "adapter"),
    [
        ("HuggingFaceTB/SmolLM2-135M-Instruct", 134_515_008, 4_884_480),
        ("meta-llama/Llama-3.2-1B-Instruct", 1_235_814_400, 11_272_192),
        ("meta-llama/Llama-3.2-3B-Instruct", 3_212_749_824, 24_313_856),
        ("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248, 41_943_040),
    ],
)
def test_parameters_are_the_known_ones(base, parameters, adapter):
    shape = shape_of(base)
    assert shape.parameters == parameters
    assert shape.adapter_parameters(16, "all-linear") == adapter
    assert shape.adapter_parameters(16, None) == shape.adapter_parameters(16, "q_proj,v_proj") < adapter


def test_every_shipped_base_has_a_shape():
    for name, path in resources.recipes().items():
        assert name.startswith("quickstart") or shape_of(load_recipe(path).base_model) is not None


def test_tokens_steps_and_exposures(dataset):
    budget = estimate(recipe("llama-3.2-1b-lora", dataset, epochs=10), hours=1)
    per_row = 429 / 4.3 + 2
    assert budget.rows == ROWS
    assert budget.tokens == pytest.approx(ROWS * per_row, rel=0.01)
    blocks = budget.tokens // 1024
    assert budget.steps == 10 * (-(-blocks // 4) // 4)
    assert budget.products == PRODUCTS
    assert budget.exposures == 30
    assert budget.epochs_wanted == 34
    assert json.loads(json.dumps(asdict(budget)))["rows"] == ROWS


def test_the_limit_takes_the_hours_that_were_given(dataset, monkeypatch):
    """Training on `limit` products for the wanted passes takes the wanted hours, by the budget's own reckoning."""
    monkeypatch.setattr(flavors, "gpus", lambda: ())
    budget = estimate(recipe("llama-3.2-1b-lora", dataset, epochs=34), hours=3, exposures=100)
    here, *others = budget.places
    assert (here.hours, here.limit) == (None, None)
    for place in others:
        assert place.limit / PRODUCTS * place.hours == pytest.approx(3, rel=0.02, abs=place.hours / PRODUCTS)


def base(dataset):
    folder = dataset.parent / "base"
    folder.mkdir()
    config = {"hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 6}
    config |= {"num_key_value_heads": 2, "vocab_size": 1500, "tie_word_embeddings": True}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_an_unreadable_tokenizer_is_said(dataset):
    folder = base(dataset)
    (folder / "tokenizer.json").write_text("{}")
    budget = estimate(recipe("quickstart-tiny", dataset, base_model=str(folder)))
    assert any("cannot be used" in line for line in budget.rests_on)


def test_the_tokenizer_of_a_local_base_is_measured(dataset):
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"x" * 428: 0, "\n": 1, "?": 2}, unk_token="?"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split("\n", "isolated")
    folder = base(dataset)
    tokenizer.save(str(folder / "tokenizer.json"))
    budget = estimate(recipe("quickstart-tiny", dataset, base_model=str(folder)))
    assert budget.tokens == ROWS * (2 + 2)


def test_a_t4_takes_fp16_and_no_bf16(dataset):
    fits = {
        name: {place.flavor: place.fits for place in estimate(recipe(name, dataset)).places}
        for name in ("llama-3.2-1b-lora", "llama-3.2-1b-lora-t4", "llama-3.1-8b-qlora")
    }
    assert fits["llama-3.2-1b-lora"]["t4-small"] is False
    assert fits["llama-3.2-1b-lora-t4"]["t4-small"] is True
    assert fits["llama-3.1-8b-qlora"]["l4x1"] is True
    assert fits["llama-3.1-8b-qlora"]["cpu-upgrade"] is False


def test_quantizing_and_small_batches_save_memory(dataset):
    shape = shape_of("meta-llama/Llama-3.1-8B-Instruct")
    qlora = recipe("llama-3.1-8b-qlora", dataset)
    whole = qlora.with_settings({"quantization": None})
    assert memory_gb(qlora, shape, "autotrain") < 24 < 32 < memory_gb(whole, shape, "autotrain")
    assert memory_gb(whole, shape, "trl") < memory_gb(whole, shape, "autotrain")
    assert memory_gb(qlora.with_settings({"batch_size": 1}), shape, "trl") < memory_gb(qlora, shape, "trl")
    cpu = next(flavor for flavor in flavors.flavors()[0] if flavor.name == "here")
    assert runs(whole.with_settings({"mixed_precision": None}), cpu, "autotrain")


def test_the_speed_of_this_machines_cpu_is_not_known(dataset, monkeypatch):
    monkeypatch.setattr(flavors, "gpus", lambda: ())
    here, *others = estimate(recipe("llama-3.2-1b-lora-t4", dataset), hours=1).places
    assert (here.flavor, here.hours, here.dollars, here.limit) == ("here", None, 0.0, None)
    assert all(place.hours and place.limit for place in others)
    lines = estimate(recipe("llama-3.2-1b-lora-t4", dataset)).lines()
    assert [line.split()[2:] for line in lines if line.startswith("  here ")] == [["?", "0.00"]]


def test_a_machine_that_is_measured_gives_its_hours(dataset, tmp_path, monkeypatch):
    pytest.importorskip("peft")
    from tests.tiny_models import make_base

    monkeypatch.setattr(flavors, "gpus", lambda: ())
    make_base(tmp_path / "base", "A kettle of iron.", layers=2)
    small = {"base_model": str(tmp_path / "base"), "block_size": 16, "batch_size": 1, "target_modules": "all-linear"}
    measured = estimate(recipe("quickstart-tiny", dataset, **small), hours=10_000, measure=True)
    here, *others = measured.places
    rate = int(
        re.search(r"here: ([\d,]+) tokens/s, measured just now in 20 steps", measured.rests_on[-1])[1].replace(",", "")
    )
    epochs = load_recipe(resources.recipes()["quickstart-tiny"]).params.epochs
    assert here.hours == pytest.approx(measured.tokens * epochs / rate / 3600, rel=1 / rate)
    assert here.limit
    assert others[0].hours == estimate(recipe("quickstart-tiny", dataset, **small)).places[1].hours


def test_what_is_not_known_is_told(dataset, tmp_path):
    with pytest.raises(InputError, match="shape of the base base is not known"):
        estimate(recipe("quickstart-tiny", dataset))
    with pytest.raises(InputError, match="is not on this machine"):
        estimate(load_recipe(resources.recipes()["llama-3.2-1b-lora"]))
    with pytest.raises(InputError, match="has no split test"):
        estimate(recipe("llama-3.2-1b-lora", dataset, train_split="text-llama3:test"))


def test_without_a_report_exposures_are_unknown(dataset):
    (dataset / "report.json").unlink()
    budget = estimate(recipe("llama-3.2-1b-lora", dataset), hours=1)
    assert budget.exposures is None
    assert all(place.limit is None for place in budget.places)
    assert "questions about each product during training: unknown" in "\n".join(budget.lines())


def machine(name, dollars, model=None, quantity="1", unit="hour"):
    chip = SimpleNamespace(model=model, quantity=quantity) if model else None
    return SimpleNamespace(name=name, unit_cost_usd=dollars, unit_label=unit, accelerator=chip)


def test_asked_prices_take_the_place_of_the_table(monkeypatch):
    asked = [
        machine("l4x1", 0.15, "L4", unit="minute"),
        machine("h200x8", 40.0, "H200", "8"),
        machine("new", 1.0, "B900"),
        machine("cpu-xl", 1.0),
    ]
    # huggingface_hub 0.27 has none.
    monkeypatch.setattr("huggingface_hub.HfApi.list_jobs_hardware", lambda self: asked, raising=False)
    listed, source = flavors.flavors(online=True)
    by_name = {flavor.name: flavor for flavor in listed}
    assert by_name["l4x1"].dollars == pytest.approx(9.0)
    assert by_name["t4-small"].dollars == 0.40
    assert (by_name["h200x8"].devices, by_name["h200x8"].dollars) == (8, 40.0)
    assert not {"new", "cpu-xl"} & set(by_name), "a machine whose speed nobody knows has no hours"
    assert "just now" in source

    def down(self):
        raise ConnectionError

    monkeypatch.setattr("huggingface_hub.HfApi.list_jobs_hardware", down, raising=False)
    assert "did not answer: ConnectionError" in flavors.flavors(online=True)[1]


@pytest.mark.parametrize(
    ("name", "known"),
    [("NVIDIA A100-SXM4-80GB", True), ("Tesla T4", True), ("NVIDIA H100 80GB HBM3", True), ("NVIDIA L40S", True),
     ("NVIDIA L4", True), ("NVIDIA GeForce GTX 1080", False)],
)  # fmt: skip
def test_a_gpu_of_this_machine_is_what_here_means(monkeypatch, name, known):
    monkeypatch.setattr(flavors, "gpus", lambda: (gpus.Gpu(name, 24.0, 8.0),) * 2)
    assert flavors.here().devices == (2 if known else 0)


@settings(deadline=None)
@given(
    st.builds(
        Shape,
        hidden_size=st.integers(8, 4096),
        intermediate_size=st.integers(8, 8192),
        num_hidden_layers=st.integers(1, 64),
        num_attention_heads=st.integers(1, 32),
        num_key_value_heads=st.integers(1, 8),
        head_dim=st.integers(8, 128),
        vocab_size=st.integers(100, 200_000),
        tie_word_embeddings=st.booleans(),
    ),
    st.integers(1, 128),
)
def test_the_adapter_grows_with_its_rank_and_its_modules(shape, rank):
    all_linear = shape.adapter_parameters(rank, "all-linear")
    assert all_linear * 2 == shape.adapter_parameters(2 * rank, "all-linear")
    assert shape.adapter_parameters(rank, "q_proj") < all_linear
