"""What an export says of a Llama and its tokenizer, what it refuses, and what Ollama is told."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest

from amazon_titles.errors import InputError
from amazon_titles.export import QUANTIZATIONS, _modelfile, _require_writable, _shape, _words, export_gguf
from amazon_titles.templates import TEMPLATES, get_template

tokenizers = pytest.importorskip("tokenizers")

LLAMA = {
    "model_type": "llama", "hidden_act": "silu", "rope_theta": 500000, "vocab_size": 300, "hidden_size": 48,
    "max_position_embeddings": 2048, "num_hidden_layers": 2, "intermediate_size": 128, "num_attention_heads": 3,
    "num_key_value_heads": 1, "head_dim": 16, "rms_norm_eps": 1e-5,
}  # fmt: skip


def config(**changed):
    return SimpleNamespace(to_dict=lambda: LLAMA | changed)


def tokenizer(*steps, ignore_merges=False, normalizer=None):
    """A tokenizer as transformers has it, of three tokens and a special one that follow each other with a gap."""
    vocabulary = {"<|begin_of_text|>": 0, "<|eot_id|>": 1, "a": 2, "b": 3, "ab": 5}
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, [("a", "b")], ignore_merges=ignore_merges))
    backend.add_special_tokens(list(vocabulary)[:2])
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(list(steps))
    backend.normalizer = normalizer

    class Tokenizer:
        backend_tokenizer, bos_token_id, pad_token_id = backend, 0, None
        get_vocab = staticmethod(backend.get_vocab)
        convert_tokens_to_ids = staticmethod(backend.token_to_id)

        def __call__(self, text):
            return SimpleNamespace(input_ids=[0, *backend.encode(text).ids])

    return Tokenizer()


BYTES = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
DIGITS = tokenizers.pre_tokenizers.Digits(individual_digits=True)
LLAMA3 = [
    tokenizers.pre_tokenizers.Split(
        tokenizers.Regex(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
            r"|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
        "isolated",
    ),
    tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
]


def test_the_header_of_a_llama():
    shape = _shape(config())
    assert shape["llama.attention.head_count_kv"] == 1
    assert shape["llama.rope.dimension_count"] == shape["llama.attention.key_length"] == 16
    assert isinstance(shape["llama.rope.freq_base"], float)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model_type": "mistral"}, "model_type is 'mistral', not llama"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "rope_type is 'yarn', not default or llama3"),
    ],
)
def test_another_architecture_is_refused_by_name(changed, said):
    with pytest.raises(InputError, match=said) as refused:
        _shape(config(**changed))
    assert "convert_hf_to_gguf.py" in refused.value.hint


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (tokenizer(DIGITS, BYTES), "smollm"),
        (tokenizer(*LLAMA3, ignore_merges=True), "llama-bpe"),
        (tokenizer(BYTES), "gpt-2"),
    ],
)
def test_a_known_way_of_cutting_text_gets_its_name(made, name):
    words = _words(made, get_template("llama3"), rows=8)
    assert words["tokenizer.ggml.pre"] == name
    assert words["tokenizer.ggml.tokens"][:4] == ["<|begin_of_text|>", "<|eot_id|>", "a", "b"]
    assert words["tokenizer.ggml.tokens"][4:] == ["[PAD4]", "ab", "[PAD6]", "[PAD7]"]
    assert words["tokenizer.ggml.token_type"] == [3, 3, 1, 1, 5, 1, 5, 5]
    assert words["tokenizer.ggml.merges"] == ["a b"]
    assert words["tokenizer.ggml.eos_token_id"] == 1
    assert words["tokenizer.ggml.add_bos_token"] is True
    assert "tokenizer.ggml.padding_token_id" not in words
    assert words["tokenizer.chat_template"] == get_template("llama3").jinja


@pytest.mark.parametrize(
    "made",
    [
        tokenizer(*LLAMA3),  # llama.cpp takes a whole word first wherever text is cut so
        tokenizer(DIGITS, BYTES, ignore_merges=True),
        tokenizer(tokenizers.pre_tokenizers.Metaspace()),
        tokenizer(DIGITS, BYTES, normalizer=tokenizers.normalizers.NFC()),
    ],
)
def test_an_unknown_one_is_refused(made):
    with pytest.raises(InputError, match="tokenizer is not supported: BPE after"):
        _words(made, get_template("llama3"), rows=8)


def test_more_tokens_than_embeddings_are_refused():
    with pytest.raises(InputError, match="has 6 tokens, and the model embeddings for 5"):
        _words(tokenizer(DIGITS, BYTES), get_template("llama3"), rows=5)


@pytest.mark.parametrize(
    ("quantize", "hint"),
    [("q4_k_m", "llama-quantize FILE.gguf SMALL.gguf Q4_K_M"), ("IQ3_XS", "IQ3_XS"), ("int4", "Choose of: f32, ")],
)
def test_a_type_that_is_not_written_here_names_the_next_command(tmp_path, quantize, hint):
    with pytest.raises(InputError, match="is not a supported type") as refused:
        export_gguf("adapter", tmp_path / "a.gguf", quantize=quantize)
    assert hint in refused.value.hint


def test_nothing_of_others_is_replaced(tmp_path):
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text("FROM llama3.2\nSYSTEM by hand\n")
    with pytest.raises(InputError, match="was not made by"):
        export_gguf("adapter", tmp_path / "a.gguf", ollama=True)
    with pytest.raises(InputError, match="not the name of a GGUF file"):
        export_gguf("adapter", tmp_path)
    assert modelfile.read_text() == "FROM llama3.2\nSYSTEM by hand\n"
    modelfile.write_text(_modelfile("a.gguf", get_template("llama3")))
    for quantize in QUANTIZATIONS:
        _require_writable(tmp_path / "a.gguf", modelfile, quantize)


def go(template: str, messages: list[dict[str, str]]) -> str:
    """What Go makes of the little of its language that is used: a range over messages, and two of their fields."""
    begin, body, rest = re.fullmatch(r"(.*?)\{\{- range \.Messages \}\}(.*)\{\{ end \}\}(.*)", template, re.S).groups()
    turns = [body.replace("{{ .Role }}", one["role"]).replace("{{ .Content }}", one["content"]) for one in messages]
    return begin + "".join(turns) + rest


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda template: template.name)
def test_ollama_is_told_the_same_prompt_and_the_end_of_a_turn(template):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": 'What is "Oak Desk Lamp"?'}]
    modelfile = _modelfile("titles.gguf", template)
    told = re.search(r'TEMPLATE """(.*?)"""', modelfile, re.S).group(1)
    assert go(told, messages) == template.prompt(messages)
    assert f'PARAMETER stop "{template.end}"\n' in modelfile
    assert "\nFROM ./titles.gguf\n" in modelfile
    assert "Ollama itself was not run" in modelfile


def test_templates_need_no_filter_that_a_program_may_lack():
    for template in TEMPLATES.values():
        assert set(re.findall(r"\| (\w+)", template.jinja)) == {"trim", "join"}
        json.dumps(template.jinja)
