"""Rendered text as the trl engine takes it: AutoTrain's own ids, and the loss on every assistant's turn and no more."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow.dataset import dataset

from amazon_titles import resources, tiny_llama
from amazon_titles.errors import InputError
from amazon_titles.recipes import load_recipe
from amazon_titles.recipes.corpus import open_split
from amazon_titles.templates import TEMPLATES, get_template
from amazon_titles.training import rows

pytest.importorskip("tokenizers")

LLAMA3 = get_template("llama3")
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=30)
TURNS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    from tokenizers import Tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    tiny_llama.write_tokenizer(folder, ["An iron kettle of 2.5 litres.", "assistant user system"], vocab_size=400)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def messages(turns):
    said = [{"role": "system", "content": "You know products."}]
    for question, answer in turns:
        said += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return said


@settings(max_examples=60, deadline=None)
@given(TURNS)
def test_the_answers_are_marked_and_nothing_else(tokenizer, turns):
    text = LLAMA3.training_text(messages(turns))
    end = tokenizer.token_to_id(LLAMA3.end)
    ids, flags = rows.tokens_of(text, tokenizer.encode(text), LLAMA3, end)
    # What AutoTrain trains on: the text with the tokenizer's own special tokens, and EOS from its packing.
    assert ids.tolist() == [*tokenizer.encode(text).ids, end]
    assert ids.tolist().count(tokenizer.token_to_id(LLAMA3.bos)) == 1
    learnt = tokenizer.decode(ids[flags].tolist(), skip_special_tokens=False)
    assert learnt == "".join(LLAMA3.escape(answer.strip()) + LLAMA3.end for _, answer in turns)


def test_what_is_not_learnt_is_what_inference_sends(tokenizer):
    said = messages([("What is it?", "A kettle.")])
    text = LLAMA3.training_text(said)
    ids, flags = rows.tokens_of(text, tokenizer.encode(text), LLAMA3, tokenizer.token_to_id(LLAMA3.end))
    assert ids[~flags].tolist() == tokenizer.encode(LLAMA3.prompt(said[:-1])).ids


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_spans_are_the_answers_with_their_ends(template):
    said = messages([("One?", "Yes."), ("Two?", "The assistant said no.")])
    text = template.training_text(said)
    assert [text[first:last] for first, last in rows.answer_spans(text, template)] == [
        f"Yes.{template.end}", "The assistant said no."
    ]  # fmt: skip


def parquet(path, texts):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": texts}), path)


def test_rows_are_written_and_read_again(tmp_path, tokenizer):
    texts = [LLAMA3.training_text(messages([("What?", answer)])) for answer in ("A kettle.", "An iron kettle " * 20)]
    parquet(tmp_path / "text-llama3" / "train-00000-of-00001.parquet", texts)
    split = open_split(str(tmp_path), "text-llama3", "train")
    written = rows.write(split, "text", tokenizer, LLAMA3, tmp_path / "train", longest=60)
    opened = rows.Rows.open(tmp_path / "train")
    end = tokenizer.token_to_id(LLAMA3.end)
    for number, text in enumerate(texts):
        ids, flags = rows.tokens_of(text, tokenizer.encode(text), LLAMA3, end)
        assert opened.row(number)[0].tolist() == ids[:60].tolist()
        assert opened.row(number)[1].tolist() == flags[:60].tolist()
    assert (opened.cut, written.cut) == (1, 1)
    assert opened.lengths.tolist() == [len(opened.row(0)[0]), 60]


def test_rows_are_counted_as_they_are_trained_on(tmp_path, tokenizer):
    texts = [LLAMA3.training_text(messages([("What?", "A kettle.")] * n)) for n in (1, 2, 3)]
    file = tmp_path / "text-llama3" / "train-0.parquet"
    parquet(file, texts)
    written = rows.write(dataset(file), "text", tokenizer, LLAMA3, tmp_path / "train", longest=999)
    recipe = load_recipe(resources.recipes()["quickstart-tiny"])
    tokens = len(written.ids)
    told = {"rows": 3, "tokens_an_epoch": tokens, "tokens": recipe.params.epochs * tokens}
    assert rows.count_tokens(recipe, str(tmp_path), tmp_path) == dict.fromkeys(told)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert rows.count_tokens(recipe, str(tmp_path), tmp_path) == told
    assert rows.count_tokens(recipe, "ana/titles", tmp_path) == dict.fromkeys(told)
    file.write_bytes(b"no Parquet")
    assert rows.count_tokens(recipe, str(tmp_path), tmp_path) == dict.fromkeys(told)


def test_a_base_of_another_family_is_refused(tmp_path, tokenizer):
    chatml = get_template("chatml")
    parquet(tmp_path / "train.parquet", [chatml.training_text(messages([("What?", "That.")]))])
    with pytest.raises(
        InputError, match=r"<\|im_end\|> at the end of a turn, which the base's tokenizer does not know"
    ):
        rows.write(dataset(tmp_path / "train.parquet"), "text", tokenizer, chatml, tmp_path / "train", longest=60)


def test_a_split_that_is_not_there_is_told(tmp_path):
    parquet(tmp_path / "text-llama3" / "train-0.parquet", [])
    with pytest.raises(InputError, match="has no split nothing in text-llama3"):
        open_split(str(tmp_path), "text-llama3", "nothing")
