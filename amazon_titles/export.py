"""`export_gguf`: an adapter with its base, or a whole model, becomes one file for llama.cpp, Ollama and LM Studio.

The package `gguf` writes it, in the way of llama.cpp's own converter (convert_hf_to_gguf.py and conversion/llama.py),
which is no package and wants a checkout.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from amazon_titles.adapter_files import CONTEXT, GGUF_ADAPTER, GGUF_TEMPLATE
from amazon_titles.errors import AmazonTitlesError, InputError, TrainingError, require
from amazon_titles.evaluation.sets import questions
from amazon_titles.io import held, local_folder, may_be_hub_id, read_object, write_whole
from amazon_titles.model.generation import Generation
from amazon_titles.model.loading import both_spellings, dataset_of, load_local
from amazon_titles.model.served import ServedModel
from amazon_titles.progress import bar
from amazon_titles.templates import ChatTemplate, Message

QUANTIZATIONS = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0")
"""The types of weights that are written, from the most exact to the smallest."""

_QUESTIONS, _ANSWER = 8, 64  # how many answers are compared, and the most tokens of each
_MADE = "# Made by amazon-titles export, by Ollama's documentation; Ollama itself was not run."
_ELSEWHERE = "llama.cpp's own converter knows more: amazon-titles merge ADAPTER --out DIR, convert_hf_to_gguf.py DIR"
# What a model's config must say, llama.cpp's names of what it says, and how text is cut into words before it becomes
# tokens: llama.cpp's name of it (src/llama-vocab.cpp), the steps as in tokenizer.json, and whether a word of the
# vocabulary is taken whole.
_FORMAT = Path(__file__).with_suffix(".json")


@dataclass(frozen=True, slots=True)
class ExportReport:
    """An exported model.

    Attributes:
        file: The GGUF file.
        quantize: The type of its weights, of `QUANTIZATIONS`.
        bytes: Its size.
        questions: Asked of the model, and of the file in llama.cpp; 0 where `xllamacpp` is not installed.
        same: How many of them got the same greedy answer.
        modelfile: Ollama's, beside it; None where it was not asked for.
    """

    file: str
    quantize: str
    bytes: int
    questions: int
    same: int
    modelfile: str | None

    def to_json(self) -> str:
        """The report as one JSON value."""
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"

    def to_text(self) -> str:
        """The report for people, with the next commands."""
        said = f"{self.same} of {self.questions} answers the same in llama.cpp"
        if not self.questions:
            said = "its answers were not checked: that takes `pip install xllamacpp` (llama.cpp) and a second export"
        name = Path(self.file).stem.lower()
        ollama = f"  ollama create {name} -f {self.modelfile}\n  ollama run {name}\n  {_MADE[2:]}\n"
        return f"{self.file}  {self.quantize}, {self.bytes} bytes, {said}\n{ollama if self.modelfile else ''}"


def export_gguf(
    model: str | Path, out: str | Path, *, quantize: str = "q8_0", base: str | None = None,
    dataset: str | Path | None = None, ollama: bool = False,
) -> ExportReport:  # fmt: skip
    """Writes a model as GGUF, an adapter merged into its base, on the CPU, with 4 bytes of memory a parameter.

    Vectors, such as the norms, stay in float32. With 4 and 5 bits the embeddings and the head get 8: every token is
    read from them. The file appears when it is whole, has been opened again and, where llama.cpp's library is installed
    (`xllamacpp`), has been asked what the model was asked.

    Args:
        model: An adapter or a whole model of the Llama architecture: folder or Hub id.
        out: The file to write, `NAME.gguf`; an earlier one there is replaced.
        quantize: Of `QUANTIZATIONS`; in q8_0 embeddings and head are float16, in those below it q8_0.
        base: Of an adapter: folder or Hub id of its base; by default the one that it names.
        dataset: The folder whose questions are asked; by default that of the model's `run.json`.
        ollama: Whether to write Ollama's `Modelfile` beside it.

    Raises:
        InputError: Its architecture, rope or tokenizer is none that is known here, or `out` is no place for the file.
        TrainingError: In llama.cpp all answers are others than the model's, or in float32 one is.
        MissingExtraError: torch, transformers, peft or gguf is not installed.
    """
    target, modelfile = Path(out), Path(out).with_name("Modelfile")
    _require_writable(target, modelfile if ollama else None, quantize)
    require("model", "gguf")
    local = load_local(model, base=base, device="cpu", dtype="float32")
    network, tokenizer = local.parts()
    about = {"general.name": target.stem, **_origin(model), **_shape(network.config)}
    about |= _words(tokenizer, local.template, network.config.vocab_size)
    asked = _conversations(model, dataset) if find_spec("xllamacpp") else []
    beside, same = target.with_name(f".{target.name}.exporting"), 0  # one name: what was killed is written over
    with held(target.resolve(), "exporting", hint="Or name another file: --out FILE.gguf"), bar("exporting"):
        try:
            wanted = local.generate_full(asked, max_new_tokens=_ANSWER)
            _write(beside, network, about, quantize)
            if asked:
                with llama_cpp(beside) as served:
                    answers = served.generate_full(asked, max_new_tokens=_ANSWER, batch_size=1)
                same = sum(_whole(one) == _whole(other) for one, other in zip(answers, wanted, strict=True))
                _judge(same, len(asked), quantize)
            if ollama:
                write_whole({modelfile: _modelfile(target.name, local.template)})
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    told = str(modelfile) if ollama else None
    return ExportReport(str(target), quantize, target.stat().st_size, len(asked), same, told)


@contextmanager
def llama_cpp(file: Path) -> Iterator[ServedModel]:
    """llama.cpp's own server in this process, on a free port of this machine, with a GGUF file loaded.

    The cache of its attention is in float32, so that what differs from transformers is what the file holds.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_gpu_layers, params.verbosity = str(file), CONTEXT, 0, 0
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(params)
    yield ServedModel(f"{server.listening_address}/v1")


def _whole(answer: Generation) -> str:
    """What was said without half a character at its end, which llama.cpp leaves out."""
    return answer.text.rstrip("\ufffd").strip()


def _judge(same: int, asked: int, quantize: str) -> None:
    """Rounded weights may change an answer; where float32 changes one, or 8 bits and more change all, it is wrong."""
    if same < asked if quantize == "f32" else same == 0 and asked > 1 and quantize in QUANTIZATIONS[:4]:
        said = f"In llama.cpp, the file answers {asked - same} of {asked} questions differently from the model."
        raise TrainingError(said, hint=f"Nothing was written. {_ELSEWHERE}")


def _require_writable(target: Path, modelfile: Path | None, quantize: str) -> None:
    if quantize not in QUANTIZATIONS:
        hint = f"Choose of: {', '.join(QUANTIZATIONS)}."
        if re.fullmatch(r"(?i)i?q\d_\w+", quantize):
            hint = f"llama.cpp makes it of --quantize f16: llama-quantize FILE.gguf SMALL.gguf {quantize.upper()}"
        raise InputError(f"{quantize!r} is not a supported type.", hint=hint)
    if target.suffix != ".gguf" or target.is_dir():
        raise InputError(f"{target} is not the name of a GGUF file.", hint="Name one: --out FILE.gguf")
    if modelfile and modelfile.exists() and not modelfile.read_text("utf-8", "replace").startswith(_MADE):
        said = f"{modelfile} was not made by `amazon-titles export`, and would be replaced."
        raise InputError(said, hint="Choose another folder: --out DIR/FILE.gguf")


def _origin(model: str | Path) -> dict[str, str]:
    """Which adapter of which base is in the file; a base's folder here is nobody else's business."""
    folder = local_folder(model, allow_patterns=["adapter_*"])
    base = str(read_object(folder / "adapter_config.json").get("base_model_name_or_path") or "")
    about = {"general.base_model.0.repo_url": f"https://huggingface.co/{base}"} if may_be_hub_id(base) else {}
    weights = folder / "adapter_model.safetensors"
    return about | ({GGUF_ADAPTER: hashlib.sha256(weights.read_bytes()).hexdigest()} if weights.is_file() else {})


def _conversations(model: str | Path, dataset: str | Path | None) -> list[list[Message]]:
    """Questions of the dataset, which the model has learnt; one about a book where it is not on this machine."""
    texts = ['What is "The Prophet"?']
    with suppress(AmazonTitlesError) if dataset is None else nullcontext():
        texts = [row.text for row in questions(dataset or dataset_of(model) or "", ["seen"], limit=_QUESTIONS)]
    return [[{"role": "user", "content": text}] for text in texts]


def _shape(config: Any) -> dict[str, Any]:  # noqa: ANN401 - a config of transformers
    """What the header says of a Llama.

    Raises:
        InputError: It is none, or its rope is scaled in a way that is not written here.
    """
    told, format_ = both_spellings(config.to_dict()), read_object(_FORMAT)
    told |= {"rope_type": "default"} | (told.get("rope_parameters") or {})
    for key, wanted in format_["only"].items():
        if told.get(key) not in wanted:
            said = f"Only Llamas are exported: this model's {key} is {told.get(key)!r}, not {' or '.join(wanted)}."
            raise InputError(said, hint=_ELSEWHERE)
    told["rope_theta"] = float(told["rope_theta"])
    return {f"llama.{key}": told[name] for key, name in format_["llama"].items()}


def _words(tokenizer: Any, template: ChatTemplate, rows: int) -> dict[str, Any]:  # noqa: ANN401 - of transformers
    """What the header says of a byte-level BPE, for so many rows of embeddings.

    Raises:
        InputError: It cuts text in a way that is not known here, or has more tokens than the model.
    """
    told = json.loads(tokenizer.backend_tokenizer.to_str())
    cut, bpe = told["pre_tokenizer"] or {}, told["model"]
    steps = [{key: one[key] for key in one if key != "trim_offsets"} for one in cut.get("pretokenizers", [cut])]
    found = {"steps": steps, "ignore_merges": bool(bpe.get("ignore_merges"))}
    name = next((name for name, known in read_object(_FORMAT)["cuts"].items() if known == found), None)
    if name is None or told["normalizer"] or bpe["type"] != "BPE":
        kinds = ", ".join(str(step.get("type")) for step in steps)
        said = f"This tokenizer is not supported: {bpe['type']} after {kinds}."
        raise InputError(said, hint=_ELSEWHERE)
    tokens = {number: token for token, number in tokenizer.get_vocab().items()}
    if max(tokens) >= rows:
        said = f"The tokenizer has {max(tokens) + 1} tokens, and the model embeddings for {rows}."
        raise InputError(said, hint="Give the model the tokenizer that it was trained with.")
    # By gguf.TokenType: 1 is a normal token, 3 one that steers, 4 one that was added, 5 a row without a token.
    kinds_ = dict.fromkeys(tokens, 1) | {token["id"]: 3 if token["special"] else 4 for token in told["added_tokens"]}
    begin = tokenizer.bos_token_id
    words = {
        "model": "gpt2", "pre": name, "tokens": [tokens.get(row, f"[PAD{row}]") for row in range(rows)],
        "token_type": [kinds_.get(row, 5) for row in range(rows)], "bos_token_id": begin,
        "merges": [one if isinstance(one, str) else " ".join(one) for one in bpe["merges"]],
        "eos_token_id": tokenizer.convert_tokens_to_ids(template.end), "padding_token_id": tokenizer.pad_token_id,
        "add_bos_token": tokenizer("").input_ids[:1] == [begin], "add_space_prefix": False,
    }  # fmt: skip
    header = {f"tokenizer.ggml.{key}": value for key, value in words.items() if value is not None}
    return header | {"tokenizer.chat_template": template.jinja, GGUF_TEMPLATE: template.name}


def _tensors(network: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - a Llama of transformers; arrays of numpy
    """Its weights by llama.cpp's names, in float32: a tied head left out, q and k as llama.cpp turns them."""
    import gguf
    import torch

    config, state = network.config, network.state_dict()
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    if torch.equal(state["lm_head.weight"], state["model.embed_tokens.weight"]):
        del state["lm_head.weight"]
    for name, weight in state.items():
        values, part = weight.float().numpy(), name.split(".")[-2]
        if part in heads:  # transformers turns the first half with the second, llama.cpp neighbours
            values = values.reshape(heads[part], 2, -1, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
        yield names.get_name(name, try_suffixes=(".weight", ".bias")), values
    rope = both_spellings(config.to_dict()).get("rope_parameters") or {}
    if rope.get("rope_type") == "llama3":
        yield "rope_freqs.weight", torch.tensor(list(_rope_factors(rope, config.head_dim))).numpy()


def _rope_factors(rope: Mapping[str, Any], size: int) -> Iterator[float]:
    """What divides each frequency of Llama 3's scaled rope: conversion/llama.py, generate_extra_tensors."""
    low, high, context = rope["low_freq_factor"], rope["high_freq_factor"], rope["original_max_position_embeddings"]
    for pair in range(0, size, 2):
        wavelength = 2 * math.pi * rope["rope_theta"] ** (pair / size)
        smooth = min(1.0, max(0.0, (context / wavelength - low) / (high - low)))
        yield 1 / ((1 - smooth) / rope["factor"] + smooth)


def _write(path: Path, network: Any, about: Mapping[str, Any], quantize: str) -> None:  # noqa: ANN401 - of transformers
    """Writes header and weights, one weight in memory at a time, and opens the file again."""
    import gguf

    if hasattr(network, "merge_and_unload"):
        network = network.merge_and_unload(safe_merge=True)
    types = {bool: "BOOL", int: "UINT32", float: "FLOAT32", str: "STRING", list: "ARRAY"}
    writer = gguf.GGUFWriter(path, "llama", use_temp_file=True)  # which holds what is waiting for the header
    for key, value in about.items():
        writer.add_key_value(key, value, gguf.GGUFValueType[types[type(value)]])
    writer.add_file_type(gguf.LlamaFileType["ALL_F32" if quantize == "f32" else f"MOSTLY_{quantize.upper()}"])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_size_label(gguf.size_label(network.num_parameters(), 0, 0, 0))
    for name, values in _tensors(network):
        kind = _kind(name, values.shape, quantize)
        writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)
    count = len(writer.tensors[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    if len(gguf.GGUFReader(path).tensors) != count:
        raise AmazonTitlesError(f"{path} is incomplete.", hint="Is the disk full? Export again.")


def _kind(name: str, shape: Sequence[int], quantize: str) -> Any:  # noqa: ANN401 - a type of gguf
    """The type of a weight: a vector is float32, what cannot be cut into blocks float16."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    if len(shape) == 1:
        return GGMLQuantizationType.F32
    if name in ("token_embd.weight", "output.weight") and quantize in QUANTIZATIONS[3:]:
        # Finer, since it weighs every word: of 48 answers in q8_0, 43 were the adapter's, and 46 with float16 here.
        quantize = "f16" if quantize == "q8_0" else "q8_0"
    kind = GGMLQuantizationType[quantize.upper()]
    return kind if shape[-1] % GGML_QUANT_SIZES[kind][0] == 0 else GGMLQuantizationType.F16


def _modelfile(name: str, template: ChatTemplate) -> str:
    """Ollama's Modelfile, by its docs/modelfile.mdx."""
    settings = {"stop": f'"{template.end}"', "temperature": 0, "num_ctx": CONTEXT}
    lines = [_MADE, f"FROM ./{name}", f'TEMPLATE """{template.ollama}"""']
    return "\n".join([*lines, *(f"PARAMETER {key} {value}" for key, value in settings.items()), ""])
