"""`merge_adapter`: an adapter and its base become one model, for programs that take no adapters."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from amazon_titles.adapter_files import for_every_transformers
from amazon_titles.cards import licence_of
from amazon_titles.errors import InputError, TrainingError
from amazon_titles.hub.contents import LEGAL_FILES
from amazon_titles.io import FolderKind, may_be_hub_id, read_object, require_replaceable, staged, to_json
from amazon_titles.model.finding import BASE_OPTION, ModelFiles, find_model
from amazon_titles.model.generation import Generation
from amazon_titles.model.loading import both_spellings, file_of, load_local, quiet
from amazon_titles.model.plainly import ask_plainly
from amazon_titles.progress import bar, say
from amazon_titles.training import find_autotrain
from amazon_titles.training.adapter import TOKENIZER_FILES

_PAPERS = ("run.json", "recipe.yml")  # what of an adapter folder says where the merged model comes from
_REPORT = "merge.json"  # says what was merged, and marks a merged model
_MERGED = FolderKind(
    command="merge",
    doing="merging",
    files=re.compile(
        r"model(?:-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json|(?:generation_)?config\.json"
        rf"|{LEGAL_FILES.pattern}|{'|'.join(map(re.escape, (*TOKENIZER_FILES, *_PAPERS, _REPORT)))}"
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
        elsewhere: The other environment whose answers were compared, "transformers 4.48.0"; "" where there is none.
    """

    folder: str
    base: str
    dtype: str
    bytes: int
    questions: int
    same: int
    elsewhere: str

    def to_json(self) -> str:
        """The report as one JSON value."""
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"

    def to_text(self) -> str:
        """The report for people."""
        also = f", also in {self.elsewhere}" if self.elsewhere else ""
        told = f"{self.same} of {self.questions} answers the same{also}"
        return f"{self.folder}  {self.dtype}, {self.bytes} bytes, {told}\n"


def merge_adapter(
    adapter: str | Path, out: str | Path, *, base: str | None = None, dtype: str | None = None
) -> MergeReport:
    """Adds an adapter's weights to its base's and writes the sum as a model of its own, on the CPU.

    The folder appears when everything in it is there and has answered like the adapter: it is loaded anew and asked
    before it takes its name, here and, where both environments of a checkout are installed, in the other one, too. It
    loads in transformers 4.48 and later: the tokenizer's files are copied, and the config is the base's own with the
    rope settings in both spellings, as many tokens as the adapter brought, and a head of its own if one was trained.

    Args:
        adapter: Folder or Hub id.
        out: The folder to make; an earlier merge there is replaced.
        base: Folder or Hub id of the base; by default the one that the adapter names.
        dtype: `float32`, `bfloat16` or `float16`. By default the base's, to which the sum is rounded once.

    Raises:
        InputError: It is no LoRA adapter, its base is not there or quantised, or `out` holds something else.
        TrainingError: Merged in float32, it answers otherwise than the adapter.
        MissingExtraError: torch, transformers or peft is not installed.
        AmazonTitlesError: The Hub does not give the adapter or its base; the message says which, and why.
    """
    target = Path(out)
    require_replaceable(target, _MERGED)
    files = find_model(adapter, base=base)
    if (kind := files.adapter.get("peft_type")) != "LORA":
        found = f" but {kind}." if kind else ": it has no adapter_config.json."
        said = f"{adapter} is no LoRA adapter{found}"
        raise InputError(said, hint="Name a folder that `amazon-titles train` wrote, or an adapter's USER/NAME.")
    if "quantization_config" in read_object(files.base / "config.json"):
        said = f"The base {files.base_name!r} is quantised, and its weights are too coarse to merge into."
        raise InputError(said, hint=f"Take the same model unquantised: {BASE_OPTION}")
    local = load_local(adapter, base=base, device="cpu", dtype=dtype or "auto")
    # Those of the adapter's own evaluation, where it has one.
    told = file_of(adapter, "eval/after.json")
    examples = read_object(told).get("examples", [])[:_QUESTIONS] if told else []
    questions = [example["question"] for example in examples] or ['What is "The Prophet"?']
    asked = [[{"role": "user", "content": text}] for text in questions]
    with quiet(), staged(target, _MERGED) as new, bar("merging"):
        wanted = local.generate_full(asked, max_new_tokens=_ANSWER)
        network, _ = local.parts()
        ends = network.generation_config.eos_token_id
        merged: Any = network.merge_and_unload(safe_merge=True)
        kind = _write(merged, files, new)
        del local, network, merged  # one model in memory, not two
        local = load_local(new, device="cpu", dtype="auto")
        answers, prompts = local.generate_full(asked, max_new_tokens=_ANSWER), map(local.template.prompt, asked)
        del local
        same, elsewhere = _judge([one.text for one in answers], wanted, kind, ""), ""
        if python := _other_python():
            limits = {"max_new_tokens": _ANSWER, "eos_token_id": ends}
            try:
                version, there = ask_plainly(python, new, list(prompts), dtype=kind, **limits)
                elsewhere = f"transformers {version}"
            except TrainingError as error:  # an architecture that is too new for it, or it is broken
                say(f"{error.message} Its answers were compared here alone.")
            else:
                _judge(there, answers, kind, f" in {elsewhere}")
        size = sum(path.stat().st_size for path in new.glob("*.safetensors"))
        # The path of a folder here is nobody else's business.
        known = files.base_name if may_be_hub_id(files.base_name) else files.base.name
        report = MergeReport(target.name, known, kind, size, len(questions), same, elsewhere)
        (new / _REPORT).write_text(report.to_json(), encoding="utf-8")
    return replace(report, folder=str(target))


def _judge(answers: Sequence[str], wanted: Sequence[Generation], kind: str, where: str) -> int:
    """How many answers are as wanted.

    Raises:
        TrainingError: Not all are, and nothing was rounded.
    """
    same = sum(answer == before.text for answer, before in zip(answers, wanted, strict=True))
    other = f"{len(wanted) - same} of {len(wanted)}"
    if same < len(wanted) and kind == "float32":
        said = f"The merged model answers {other} questions differently from the adapter{where}."
        raise TrainingError(said, hint="The adapter changes layers that the base shares; use it unmerged.")
    if same < len(wanted):
        say(
            f"{other} greedy answers{where} differ from the adapter's: its weights were rounded to {kind}. "
            "--dtype float32 keeps them, in twice the space."
        )
    return same


def _other_python() -> Path | None:
    """The interpreter of the other environment, as `make` lays the two side by side; None where there is one alone."""
    try:
        python = find_autotrain()
    except InputError:
        return None
    if python == Path(sys.executable):
        python = python.parents[2] / ".venv" / "bin" / "python"
    return python if python.is_file() else None


def _write(merged: Any, files: ModelFiles, folder: Path) -> str:  # noqa: ANN401 - a model of transformers
    """Fills the merged model's folder; gives the type of its weights."""
    head, embeddings = merged.get_output_embeddings(), merged.get_input_embeddings()
    # A head that was trained is no more the embeddings, and would be lost where the config says that it is.
    tied = merged.config.tie_word_embeddings = head.weight.data_ptr() == embeddings.weight.data_ptr()
    merged.save_pretrained(folder, safe_serialization=True)
    kind = str(merged.dtype).removeprefix("torch.")
    config = read_object(files.base / "config.json") | {"torch_dtype": kind, "dtype": kind}
    config |= {"vocab_size": merged.config.vocab_size, "tie_word_embeddings": tied}
    (folder / "config.json").write_text(to_json(both_spellings(config)), encoding="utf-8")
    # The adapter's own notice comes last.
    legal = [path for at in (files.base, files.folder) for path in at.iterdir() if LEGAL_FILES.fullmatch(path.name)]
    words = [files.tokenizer / name for name in TOKENIZER_FILES]
    for path in (files.base / "generation_config.json", *words, *(files.folder / name for name in _PAPERS), *legal):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    told = read_object(folder / "tokenizer_config.json")
    if (alike := for_every_transformers(told)) != told:
        (folder / "tokenizer_config.json").write_text(to_json(alike), encoding="utf-8")
    licence = licence_of(files.base_name)
    if licence is not None and licence.notice_file and not any(folder.glob("NOTICE*")):
        (folder / "NOTICE").write_text(licence.notice_file, encoding="utf-8")
    for path in folder.glob("*.safetensors"):
        path.chmod((folder / "config.json").stat().st_mode)  # safetensors writes for its owner alone
    return kind
