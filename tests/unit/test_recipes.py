"""A recipe is read, changed and filled in without losing a comment."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from amazon_titles import resources
from amazon_titles.errors import InputError
from amazon_titles.recipes import fill_recipe, load_recipe, source
from amazon_titles.recipes.fields import KEYS, find_key

SHIPPED = resources.recipes()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_is_complete(name):
    recipe = load_recipe(SHIPPED[name])
    assert recipe.template is not None
    assert recipe.split == "train"
    assert recipe.text_column == "text"
    assert recipe.params.peft is True
    assert recipe.params.target_modules == "all-linear"
    for word in ("Needs", "Run", "Override"):
        assert f"\n# {word} " in recipe.text


@pytest.mark.parametrize("name", SHIPPED)
def test_a_filled_recipe_differs_in_the_filled_lines_only(name):
    before = SHIPPED[name].read_text(encoding="utf-8")
    text = fill_recipe(name, dataset="me/my-data", project="Llama-mine", settings={"lr": "7e-4", "scheduler": "linear"})
    config = yaml.safe_load(text)
    assert config["data"]["path"] == "me/my-data"
    assert config["project_name"] == "Llama-mine"
    assert config["params"]["lr"] == 7e-4
    changed = [(a, b) for a, b in zip(before.splitlines(), text.splitlines(), strict=True) if a != b]
    assert len(changed) == 4
    assert [a.partition("#")[2] for a, _ in changed] == [b.partition("#")[2] for _, b in changed]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_user_fills_in_the_whole_section(name):
    """AutoTrain wants all three keys of `hub`, also where the shipped recipe has no such section."""
    text = fill_recipe(name, dataset="me/my-data", user="me")
    assert set(yaml.safe_load(text)["hub"]) == {"username", "token", "push_to_hub"}
    assert yaml.safe_load(text)["hub"]["username"] == "me"


def test_numbers_are_numbers_where_yaml_reads_a_text(tmp_path):
    path = tmp_path / "r.yml"
    path.write_text("params:\n  lr: 5e-3\n  epochs: '4'\n")
    recipe = load_recipe(path)
    assert recipe.config["params"]["lr"] == "5e-3"
    assert recipe.params.lr == 0.005
    assert recipe.params.epochs == 4
    assert recipe.params.batch_size == 2  # AutoTrain's default


def test_values_are_taken_as_pydantic_takes_them():
    lr, peft, epochs = KEYS["params", "lr"], KEYS["params", "peft"], KEYS["params", "epochs"]
    assert [lr.coerce(value) for value in ("5e-3", ".1", "1.", 1)] == [0.005, 0.1, 1.0, 1.0]
    assert [peft.coerce(value) for value in (True, "true", "False", 1)] == [True, True, False, True]
    assert [epochs.coerce(value) for value in ("4", 4.0, "4.0")] == [4, 4, 4]
    for field, value in ((lr, True), (lr, None), (lr, 10**400), (epochs, "1e400"), (peft, "x"), (epochs, 0.5)):
        assert field.misfit(value) == "of the wrong type"


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "No recipe at"), ("a: [1", "is not YAML at line"), ("- a\n", "holds a list"), ("", "holds nothing")],
)
def test_what_is_no_recipe_is_told_in_a_sentence(tmp_path, content, found):
    path = tmp_path / "r.yml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=found) as caught:
        load_recipe(path)
    assert caught.value.hint


def test_binary_is_no_recipe(tmp_path):
    (tmp_path / "r.yml").write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(InputError, match="not UTF-8"):
        load_recipe(tmp_path / "r.yml")


@pytest.mark.parametrize("key", ["base_model", "project_name", "data_path", "train_split"])
def test_a_missing_key_is_told_when_it_is_asked_for(tmp_path, key):
    (tmp_path / "r.yml").write_text("params: {}\n")
    with pytest.raises(InputError, match="is missing"):
        getattr(load_recipe(tmp_path / "r.yml"), key)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": "1"}, "No setting 'learning_rate'"),
        ({"params.lora": "1"}, "No setting 'params.lora'"),
        ({"lr": "fast"}, "does not fit"),
        ({"epochs": "0.5"}, "does not fit"),
        ({"lr": "7"}, "does not fit"),
        ({"peft": "yes please"}, "does not fit"),
        ({"quantization": "int5"}, "does not fit"),
        ({"project_name": "null"}, None),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(settings, message):
    recipe = load_recipe(SHIPPED["quickstart-tiny"])
    if message is None:  # a text may well be "null"
        assert recipe.with_settings(settings).project_name == "null"
        return
    with pytest.raises(InputError, match=message):
        recipe.with_settings(settings)


def test_no_such_shipped_recipe():
    with pytest.raises(InputError, match="No shipped recipe") as caught:
        fill_recipe("llama-9", dataset="d")
    assert "quickstart" in (caught.value.hint or "")


def test_a_missing_section_is_put_in(tmp_path):
    path = tmp_path / "r.yml"
    path.write_text("# head\nparams:   # all defaults\n\n# the end\nlog: none\n")
    changed = load_recipe(path).with_settings({"lr": 0.01, "data.path": "a b: c", "keep": "best"})
    assert changed.config["params"] == {"lr": 0.01}
    assert changed.config["data"] == {"path": "a b: c"}
    assert changed.config["amazon_titles"] == {"keep": "best"}
    for comment in ("# head", "# all defaults", "# the end"):
        assert comment in changed.text


values = st.one_of(
    st.none(), st.booleans(), st.integers(-1000, 1000), st.floats(allow_nan=False, allow_infinity=False), st.text()
)


@settings(deadline=None)
@example(
    path=("amazon_titles", "checkpoint_dir"), value="a\x85b\u2028c\u2029", name="quickstart"
)  # YAML's own line breaks
@given(path=st.sampled_from(sorted(KEYS)), value=values, name=st.sampled_from(sorted(SHIPPED)))
def test_any_value_at_any_key_is_read_back_and_nothing_else_changes(path, value, name):
    before = SHIPPED[name].read_text(encoding="utf-8")
    after = source.replace(before, path, value)
    expected, found = yaml.safe_load(before), yaml.safe_load(after)
    here = expected
    for section in path[:-1]:
        here = here.setdefault(section, {})
    here[path[-1]] = value
    assert found == expected
    comments = [line.partition(" #")[2] for line in before.splitlines() if " #" in line]
    assert [line.partition(" #")[2] for line in after.splitlines() if " #" in line][: len(comments)] == comments or (
        isinstance(value, str) and "#" in value
    )


@settings(deadline=None)
@given(st.text())
def test_a_setting_is_found_or_refused(name):
    try:
        found = find_key(name)
    except InputError:
        return
    assert found in KEYS


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("abc:-#[]{}\"'\n \t&*!|>%@,?"), max_size=60))
def test_no_text_makes_reading_or_checking_crash(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yml"
    path.write_text(text, encoding="utf-8")
    try:
        recipe = load_recipe(path)
    except InputError:
        return
    assert recipe.problems()


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["task", "data", "params", "hub", "amazon_titles", "base_model", "backend", "project_name"]),
        st.recursive(
            values, lambda inner: st.dictionaries(st.sampled_from(sorted({k[-1] for k in KEYS})), inner), max_leaves=4
        ),
    )
)
def test_no_value_makes_checking_crash(tmp_path_factory, config):
    path = tmp_path_factory.getbasetemp() / "any.yml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    assert load_recipe(path).problems()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_what_powershell_wrote_is_read(tmp_path, encoding):
    text = resources.recipes()["quickstart"].read_text(encoding="utf-8").replace("\n", "\r\n") + "# É isto.\r\n"
    path = tmp_path / "my.yml"
    path.write_bytes((("\ufeff" if encoding == "utf-16-be" else "") + text).encode(encoding))
    recipe = load_recipe(path)
    assert recipe.text == text.replace("\r\n", "\n")
    assert recipe.with_settings({"epochs": 9}).params.epochs == 9
