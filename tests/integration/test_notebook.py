"""The notebook, executed from a clean kernel with the real base; what it would do with trn.json, command by command.

With fewer products than it is kept with, so that the training takes seconds and not minutes.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import tokenize
from pathlib import Path
from types import SimpleNamespace

import pytest

from amazon_titles import training
from amazon_titles.cli import cli
from amazon_titles.errors import InputError
from amazon_titles.training import Base
from tests.autotrain_env import require_other_python

pytestmark = pytest.mark.integration
nbformat = pytest.importorskip("nbformat", reason="nbclient is in the extra `dev`")
ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = nbformat.read(ROOT / "notebooks" / "amazon_titles.ipynb", as_version=4)
CODE = [cell.source for cell in NOTEBOOK.cells if cell.cell_type == "code"]
FEWER = {"LEARNT": 2, "OTHERS": 2, "GENERAL": 2, "QUESTIONS": 1, "EPOCHS": 1, "FILM": False}
"""What the settings say for the test: the film has tests of its own."""


def with_settings(source, **settings):
    """A cell, with other settings."""
    for name, value in settings.items():
        source, found = re.subn(rf"(?m)^{name} = .*", f"{name} = {value!r}", source)
        assert found == 1, name
    return source


def in_a_kernel(notebook, folder):
    """Executes a notebook in a process of its own that has seen nothing of this one."""
    from nbclient import NotebookClient

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("OMP_NUM_THREADS", "1")  # threads that wait for each other take minutes of a busy machine
        NotebookClient(
            notebook, timeout=900, startup_timeout=300, iopub_timeout=120, kernel_name="python3",
            resources={"metadata": {"path": folder}},
        ).execute()  # fmt: skip
    return notebook


@pytest.fixture(scope="module")
def executed(tmp_path_factory, real_base):
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.reads(nbformat.writes(NOTEBOOK), as_version=4)
    settings = next(cell for cell in notebook.cells if cell.source.startswith("DATA = "))
    settings.source = with_settings(settings.source, **FEWER)
    asked = "import urllib.request\nprint(urllib.request.urlopen(address).status)\npage.terminate()\nprint(page.wait())"
    address = 'address = next(line.strip() for line in said if line.startswith("http"))\n'
    notebook.cells[-1].source = "said = []\n" + notebook.cells[-1].source.replace(
        "for line in page.stdout:\n", "for line in page.stdout:\n    said.append(line)\n"
    )
    notebook.cells.append(nbformat.v4.new_code_cell(address + asked))
    in_a_kernel(notebook, folder)
    return notebook, next((folder / "work").iterdir())


def said(notebook, part):
    """What the first cell whose source holds `part` printed."""
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code" and part in cell.source)
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def test_it_runs_to_its_end_on_the_sample(executed):
    notebook, work = executed
    assert (work / "adapter" / "adapter_model.safetensors").is_file()
    assert "made-up products" in said(notebook, "write_sample")
    assert "Base: HuggingFaceTB/SmolLM2-135M-Instruct" in said(notebook, "find_base(name)")
    assert "final loss" in said(notebook, '"train", "recipe.yml"')
    assert "| seen |" in said(notebook, '"compare"')
    answers = said(notebook, '"ask"').split("$ amazon-titles ask ")[1:]
    assert len(answers) == 3
    assert "amostra inventada" in answers[0], "the first question is in Portuguese"
    assert "[MADEUP" in answers[1]
    assert "Sources: none" in answers[2]
    assert "Nothing was published" in said(notebook, '"push-dataset"')


def test_its_progress_shows_as_lines(executed):
    notebook, _ = executed
    told = said(notebook, '"train", "recipe.yml"')
    assert re.search(r"(?m)^  training: 0 of \d+ steps …$", told)
    printed = nbformat.writes(notebook)
    assert "\\u001b" not in printed, "no bar is drawn"
    assert "\\r" not in printed


def test_it_ends_with_the_hand_in_and_the_page(executed):
    notebook, work = executed
    assert (work / "handin" / "fine-tuning.md").is_file()
    assert "--member " in said(notebook, '"handin"'), "what is missing is told, and stops nothing"
    page = said(notebook, '"demo"')
    assert "http://127.0.0.1:" in page
    assert "gradio.live" not in page
    assert said(notebook, "page.wait()").split()[0] == "200"


MAKES = {
    "download": "catalogue/LF-Amazon-1.3M.raw.zip", "build": "dataset/report.json", "recipe": "recipe.yml",
    "train": "adapter/run.json", "compare": "adapter/eval/comparison.md",
}  # fmt: skip


class Recorder:
    """Stands in for the notebook's `run`: holds each command to the library's options, and makes what it would."""

    def __init__(self):
        self.commands, self.dies_at = [], None

    def __call__(self, *command, stop=True):
        words = [str(word) for word in command]
        if words[:2] == [sys.executable, "-c"]:  # run here, with what the test has put in the library's place
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sys, "argv", words[2:])
                exec(words[2], {})
            return 0
        if words[1:3] != ["-m", "amazon_titles"]:
            self.commands.append(words)
            if "venv" in words:
                Path(words[-1]).mkdir()
            return 0
        name, *arguments = words[3:]
        with cli.commands[name].make_context(name, list(arguments)) as context:
            self.commands.append([name, *arguments])
            if name == self.dies_at:
                raise KeyboardInterrupt
            made = context.params.get("out") if name == "evaluate" else MAKES.get(name)
        if made:
            Path(made).parent.mkdir(parents=True, exist_ok=True)
            Path(made).touch()
            Path(made).with_suffix(".jsonl").write_text('{"set": "seen", "question": "What is \\"The Prophet\\"?"}\n')
        return 0

    def names(self):
        """The commands of this library, since this was asked last."""
        names, self.commands = [command[0] for command in self.commands if command[0] in cli.commands], []
        return names


@pytest.fixture
def dry(tmp_path, monkeypatch):
    """Runs the cells up to the page, with trn.json, a GPU and an account, and with every command recorded."""
    import huggingface_hub

    recorder = Recorder()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_environment")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    info = SimpleNamespace(sha="0f3a")
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda _self, _repo: info)

    def cells(**settings):
        names = {"START": tmp_path}
        for number, source in enumerate(CODE[:-1]):
            exec(with_settings(source, **settings) if number == 1 else source, names)
            names["run"] = recorder

    return SimpleNamespace(cells=cells, recorder=recorder)


META, FREE = "meta-llama/Llama-3.2-1B-Instruct", "HuggingFaceTB/SmolLM2-1.7B-Instruct"


@pytest.fixture
def gated(monkeypatch):
    """Meta has not let this account in; the list of what was asked for."""
    asked = []

    def find(name):
        asked.append(name)
        if name == META:
            raise InputError(f"The model {META} is gated, and this account has no access.", hint="Accept …")
        return Base(name, Path(name), f"{name}, commit 0f3a", "chatml", publishable=True)

    monkeypatch.setattr(training, "find_base", find)
    return asked


EVERYTHING = [
    "download", "build", "evaluate", "recipe", "check", "train", "evaluate", "compare", "ask", "ask", "ask",
    "push-dataset", "push-adapter", "video", "handin",
]  # fmt: skip


def test_with_trn_json_it_reaches_its_end_while_metas_access_is_pending(dry, gated, capsys):
    dry.cells(DATA="trn.json", HUB_USER="ana")
    build = next(command for command in dry.recorder.commands if command[0] == "build")
    assert build[build.index("--base") + 1] == FREE
    assert build[build.index("--render") + 1] == "chatml"
    recipe = next(command for command in dry.recorder.commands if command[0] == "recipe")
    assert {f"base_model={FREE}", "data.train_split=text-chatml:train"} < set(recipe)
    push = next(command for command in dry.recorder.commands if command[0] == "push-adapter")
    assert push[push.index("--dataset") + 1] == "ana/amazon-titles@0f3a"
    assert dry.recorder.names() == EVERYTHING
    printed = capsys.readouterr().out
    assert "is gated" in printed
    assert f"Base: {FREE}" in printed


def test_all_cells_again_after_a_cut_redo_nothing_that_is_done(dry, gated):
    dry.recorder.dies_at = "train"
    with pytest.raises(KeyboardInterrupt):
        dry.cells(DATA="trn.json")
    assert dry.recorder.names()[-1] == "train"
    gated.clear()
    dry.recorder.dies_at = None
    dry.cells(DATA="trn.json")
    assert gated == [FREE], "the base of the first session is taken, whatever Meta says now"
    train = next(command for command in dry.recorder.commands if command[0] == "train")
    assert "--resume" in train
    assert dry.recorder.names()[:5] == ["download", "check", "train", "evaluate", "compare"]
    dry.cells(DATA="trn.json")
    assert {"build", "train", "evaluate", "recipe"}.isdisjoint(dry.recorder.names())


def test_autotrain_gets_an_environment_of_its_own(dry, gated):
    dry.cells(DATA="trn.json", ENGINE="autotrain")
    uv = [command for command in dry.recorder.commands if command[1:3] == ["-m", "uv"]]
    assert "3.12" in uv[0]
    assert "autotrain-advanced==0.8.36" in uv[2]
    assert "autotrain-advanced==0.8.36" in (ROOT / "Makefile").read_text(encoding="utf-8")
    train = next(command for command in dry.recorder.commands if command[0] == "train")
    assert {"--engine", "autotrain"} < set(train)
    tried = [command for command in dry.recorder.commands if command[1] == "-c"]
    assert [Path(command[0]).parts[-3:] for command in tried] == [(".venv-autotrain", "bin", "python")]
    assert "--resume" not in train, "AutoTrain keeps no checkpoints"


def test_autotrains_environment_is_tried(tmp_path, capfd):
    """The cell's own trial, in the environment that is here."""
    there = require_other_python().parent.parent
    place = tmp_path / ".venv-autotrain"
    place.mkdir()
    for path in there.iterdir():
        (place / path.name).symlink_to(path)
    (place / "complete").touch()
    names = {"START": tmp_path}
    exec(CODE[0], names)
    names["ENGINE"] = "autotrain"
    exec(next(source for source in CODE if source.startswith('if ENGINE == "autotrain"')), names)
    assert re.search(r"AutoTrain 0\.8\.36 torch \S+ (cpu|cuda:0) 8\.0", capfd.readouterr().out)


def test_it_stops_with_a_sentence_where_the_repositorys_address_is_not_set(tmp_path):
    from nbclient.exceptions import CellExecutionError

    missing = "import importlib.util\nimportlib.util.find_spec = lambda name: None\n"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(missing + CODE[0])])
    with pytest.raises(CellExecutionError):
        in_a_kernel(notebook, tmp_path)
    (output,) = (output for output in notebook.cells[0].outputs if output.output_type == "error")
    assert len(output.traceback) == 1, "a sentence, and no traceback"
    assert 'REPOSITORY above, such as "ana/amazon-titles"' in output.traceback[0]


def test_trn_json_without_a_gpu_stops_with_a_sentence(dry, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(Exception, match="choose Runtime → Change runtime type → T4 GPU"):
        dry.cells(DATA="trn.json")


def test_a_failed_command_stops_it(tmp_path, monkeypatch, capsys):
    names = {"START": tmp_path}
    exec(CODE[0], names)
    with pytest.raises(names["Stop"], match="the command above failed"):
        names["amazon_titles"]("compare", "nowhere.json", "nowhere.json")
    assert "nowhere.json" in capsys.readouterr().out
    names["amazon_titles"]("compare", "nowhere.json", "nowhere.json", stop=False)
    assert "nowhere.json" in capsys.readouterr().out


def test_the_address_stands_in_one_constant_and_the_badges_are_made_of_it():
    names = {"START": Path()}
    exec(CODE[0], names)
    link = f"https://colab.research.google.com/github/{names['REPOSITORY']}/blob/main/notebooks/amazon_titles.ipynb"
    assert f"({link})" in NOTEBOOK.cells[0].source
    for readme in ("README.md", "README.pt-BR.md"):
        assert f"({link})" in (ROOT / readme).read_text(encoding="utf-8"), readme


def test_it_is_a_notebook_and_keeps_no_error_and_no_path():
    nbformat.validate(NOTEBOOK)
    for cell in NOTEBOOK.cells:
        if cell.cell_type == "code":
            assert all(output.output_type == "stream" for output in cell.outputs), "no error among them"
    printed = nbformat.writes(NOTEBOOK)
    assert not re.search(r"/(root|home|tmp|Users)/|pypi\.", printed)
    assert "hf_" not in printed.replace("hf_hub", "")


def test_its_code_is_python_without_magics():
    for source in CODE:
        assert list(tokenize.generate_tokens(io.StringIO(source).readline))
        compile(source, "cell", "exec")
