"""`merge_adapter`: an adapter and its base become one model, for programs that take no adapters."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from amazon_titles.cards import licence_of
from amazon_titles.errors import InputError, TrainingError
from amazon_titles.hub.contents import LEGAL_FILES
from amazon_titles.io import FolderKind, local_folder, may_be_hub_id, read_object, require_replaceable, staged, to_json
from amazon_titles.model.generation import Generation
from amazon_titles.model.loading import quiet, require_model, template_of
from amazon_titles.model.local import LocalModel
from amazon_titles.progress import bar, say
from amazon_titles.training.adapter import TOKENIZER_FILES

# The tokenizer, and what else of an adapter folder says where the merged model comes from.
_COPIED = (*TOKENIZER_FILES, "run.json", "recipe.yml")
_REPORT = "merge.json"  # says what was merged, and marks a merged model
_MERGED = FolderKind(
    command="merge",
    doing="merging",
    files=re.compile(
        r"model(?:-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json|(?:generation_)?config\.json"
        rf"|{LEGAL_FILES.pattern}|{'|'.join(map(re.escape, (*_COPIED, _REPORT)))}"
    ),
    marks=(_REPORT,),
    hint="Choose another folder: --out DIR",
)
_QUESTIONS, _ANSWER = 3, 48  # how many answers are compared, and the most tokens of each


@dataclass(frozen=True, slots=True)
class MergeReport:
    """A merged model.

    Attributes:
        folder: Where it stands.
        base: The base: its Hub id, or its folder's name.
        dtype: The type of its weights.
        bytes: The size of its weights.
        questions: Asked of the adapter before, and of the merged folder as it was written.
        same: How many of them got the same greedy answer.
    """

    folder: str
    base: str
    dtype: str
    bytes: int
    questions: int
    same: int

    def to_json(self) -> str:
        """The report as one JSON value."""
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"

    def to_text(self) -> str:
        """The report for people."""
        return f"{self.folder}  {self.dtype}, {self.bytes} bytes, {self.same} of {self.questions} answers the same\n"


def merge_adapter(adapter: str | Path, out: str | Path, *, dtype: str | None = None) -> MergeReport:
    """Adds an adapter's weights to its base's and writes the sum as a model of its own, on the CPU.

    The folder appears when everything in it is there and has answered like the adapter: it is loaded anew and asked
    before it takes its name. It loads in transformers 4.48 and later: the tokenizer's files are copied, and the config
    is the base's own with the rope settings in both spellings.

    Args:
        adapter: Folder or Hub id.
        out: The folder to make; an earlier merge there is replaced.
        dtype: `float32`, `bfloat16` or `float16`. By default the base's, to which the sum is rounded once.

    Raises:
        InputError: It is no LoRA adapter, its base is not there, or `out` holds something else.
        TrainingError: Merged in float32, it answers otherwise than the adapter.
        MissingExtraError: torch, transformers or peft is not installed.
    """
    target = Path(out)
    require_replaceable(target, _MERGED)
    require_model(adapter)
    folder = local_folder(adapter, ignore_patterns=["*.bin", "*.pt", "*.pth", "checkpoint-*", "runs/*"])
    config = read_object(folder / "adapter_config.json")
    if (kind := config.get("peft_type")) != "LORA":
        found = f" but {kind}." if kind else ": it has no adapter_config.json."
        said = f"{adapter} is no LoRA adapter{found}"
        raise InputError(said, hint="Name a folder that `amazon-titles train` wrote, or an adapter's USER/NAME.")
    name = str(config.get("base_model_name_or_path") or "")
    base = _base(name, config.get("revision"))
    import peft
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    # Those of the adapter's own evaluation, where it has one.
    examples = read_object(folder / "eval" / "after.json").get("examples", [])[:_QUESTIONS]
    questions = [example["question"] for example in examples] or ['What is "The Prophet"?']
    load = partial(AutoModelForCausalLM.from_pretrained, trust_remote_code=False)
    with quiet(), staged(target, _MERGED) as new, bar("merging"):
        # Spelt so that this transformers reads the rope, whichever one wrote it.
        shape = AutoConfig.for_model(**both_spellings(read_object(base / "config.json")))
        loaded = load(str(base), config=shape, torch_dtype="auto" if dtype is None else getattr(torch, dtype))
        model = peft.PeftModel.from_pretrained(loaded, str(folder), trust_remote_code=False).eval()
        wanted = _answers(model, tokenizer, questions)
        merged = model.merge_and_unload(safe_merge=True)
        kind = _write(merged, base, folder, new, name)
        del loaded, model, merged  # one model in memory, not two
        answers = _answers(load(str(new), torch_dtype="auto").eval(), tokenizer, questions)
        same = sum(answer == before for answer, before in zip(answers, wanted, strict=True))
        _judge(same, len(questions), kind)
        size = sum(path.stat().st_size for path in new.glob("*.safetensors"))
        # The path of a folder here is nobody else's business.
        known = name if may_be_hub_id(name) else base.name
        report = MergeReport(target.name, known, kind, size, len(questions), same)
        (new / _REPORT).write_text(report.to_json(), encoding="utf-8")
    return replace(report, folder=str(target))


def both_spellings(config: Mapping[str, Any]) -> dict[str, Any]:
    """A model's config that transformers 4.48 and 5 read alike.

    5 writes `rope_parameters` and `dtype`; 4.48 does not know them and silently takes a rope of theta 10000 in float32.
    4.48's are `rope_theta`, `rope_scaling` and `torch_dtype`, which 5 reads too.

    Args:
        config: `config.json`, of either.
    """
    both = dict(config)
    rope = both.get("rope_parameters")
    if isinstance(rope, dict) and "rope_theta" in rope:
        both.setdefault("rope_theta", rope["rope_theta"])
        if rope.get("rope_type", "default") != "default" and not both.get("rope_scaling"):
            both["rope_scaling"] = {key: value for key, value in rope.items() if key != "rope_theta"}
    elif "rope_theta" in both:
        scaling = both.get("rope_scaling") or {"rope_type": "default"}
        both["rope_parameters"] = {**scaling, "rope_theta": both["rope_theta"]}
    if (kind := both.get("torch_dtype") or both.get("dtype")) is not None:
        both["torch_dtype"] = both["dtype"] = kind
    return both


def _base(name: str, revision: str | None) -> Path:
    """The base's folder: its config and generation settings are copied, its weights read."""
    if not (may_be_hub_id(name) or (name and (Path(name) / "config.json").is_file())):
        said = f"The adapter's base {name!r} is not there."
        raise InputError(said, hint='Restore it, or change its path in adapter_config.json: "base_model_name_or_path"')
    legal = ["LICEN[CS]E*", "NOTICE*", "USE_POLICY*"]
    return local_folder(name, revision=revision, allow_patterns=["*.json", "*.safetensors", "*.model", *legal])


def _answers(model: Any, tokenizer: Any, questions: Sequence[str]) -> list[Generation]:  # noqa: ANN401
    """The greedy answers of a model."""
    asked = LocalModel(model, tokenizer, name="the model", template=template_of(tokenizer, "the adapter"))
    return asked.generate_full([[{"role": "user", "content": text}] for text in questions], max_new_tokens=_ANSWER)


def _judge(same: int, questions: int, kind: str) -> None:
    if same < questions and kind == "float32":
        said = f"The merged model answers {questions - same} of {questions} questions differently from the adapter."
        raise TrainingError(said, hint="The adapter changes layers that the base shares; use it unmerged.")
    if same < questions:
        say(
            f"{questions - same} of {questions} greedy answers differ from the adapter's: its weights were rounded to "
            f"{kind}. --dtype float32 keeps them, in twice the space."
        )


def _write(merged: Any, base: Path, adapter: Path, folder: Path, name: str) -> str:  # noqa: ANN401 - a model of transformers
    """Fills the merged model's folder; gives the type of its weights."""
    merged.save_pretrained(folder, safe_serialization=True)
    kind = str(merged.dtype).removeprefix("torch.")
    config = read_object(base / "config.json")
    config |= {"vocab_size": merged.config.vocab_size, "torch_dtype": kind, "dtype": kind}
    config.pop("quantization_config", None)
    (folder / "config.json").write_text(to_json(both_spellings(config)), encoding="utf-8")
    # The adapter's own notice comes last.
    legal = [path for source in (base, adapter) for path in source.iterdir() if LEGAL_FILES.fullmatch(path.name)]
    for path in (base / "generation_config.json", *(adapter / name for name in _COPIED), *legal):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    if (licence := licence_of(name)) is not None and licence.notice_file and not any(folder.glob("NOTICE*")):
        (folder / "NOTICE").write_text(licence.notice_file, encoding="utf-8")
    for path in folder.glob("*.safetensors"):
        path.chmod((folder / "config.json").stat().st_mode)  # safetensors writes for its owner alone
    return kind
