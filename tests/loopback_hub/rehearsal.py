"""`python -m tests.loopback_hub.rehearsal`: how a publish looks, without an account.

Takes what `amazon-titles quickstart` made, publishes it to a Hub on this machine, trains from the Hub's ids with plain
`autotrain --config`, loads everything back by its id in both environments, asks a question, and shows what stood on
the Hub in the end.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from amazon_titles.hub.push import megabytes
from amazon_titles.progress import say, step
from amazon_titles.recipes import load_recipe
from tests.autotrain_env import ROOT, other_python
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.clients import TOKEN, environment

BASE, DATASET, ADAPTER, PLAIN = "ana/base-llama", "ana/titles", "ana/Llama-titles", "ana/Llama-plain-autotrain"
STEPS = 7

# Runs in both environments: the dataset by `datasets`, the adapter by peft, nothing of this library.
LOAD_BACK = """
import sys, warnings; warnings.filterwarnings("ignore")
import datasets, huggingface_hub, peft, torch, transformers
transformers.logging.set_verbosity_error(); datasets.disable_progress_bars()
dataset, *adapters = sys.argv[1:]
rows = datasets.load_dataset(dataset, split="train")
catalog = datasets.load_dataset(dataset, "catalog", split="train", streaming=True)
title = next(iter(catalog))["title"]
print(f"  huggingface_hub {huggingface_hub.__version__}, datasets {datasets.__version__}, "
      f"transformers {transformers.__version__}, peft {peft.__version__}")
print(f"  {dataset}: {len(rows)} rows")
for name in adapters:
    model = peft.AutoPeftModelForCausalLM.from_pretrained(name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(name)
    chat = tokenizer.apply_chat_template([{"role": "user", "content": f'What is "{title}"?'}], tokenize=False,
                                         add_generation_prompt=True)
    ids = tokenizer(chat, return_tensors="pt", add_special_tokens=False)
    out = model.generate(input_ids=ids.input_ids, attention_mask=ids.attention_mask, max_new_tokens=24, do_sample=False)
    print(f"  {name}: {tokenizer.decode(out[0, ids.input_ids.shape[1]:], skip_special_tokens=True)!r}")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quickstart", type=Path, default=Path("quickstart"), help="what the quickstart made")
    options = parser.parse_args()
    story, old = options.quickstart.resolve(), other_python()
    if not (story / "adapter" / "adapter_config.json").is_file():
        sys.exit(f"{options.quickstart} holds no quickstart. Run: make quickstart")
    if old is None:
        sys.exit("The AutoTrain environment is not built. Run: make .venv-autotrain/.installed")
    with LoopbackHub() as hub, tempfile.TemporaryDirectory(prefix="rehearsal-") as scratch:
        hub.state.add_account("ana", TOKEN)
        rehearse(hub, story, Path(scratch), old)


def rehearse(hub: LoopbackHub, story: Path, home: Path, old: Path) -> None:
    """Every step, on this Hub."""
    here = Path(sys.executable)
    say(f"A Hub on this machine: {hub.endpoint}, account ana. Nothing leaves the machine.\n")
    with step(1, STEPS, f"Put the base there as {BASE}, as a real base stands on the real Hub"):
        config = json.loads((story / "adapter" / "adapter_config.json").read_text(encoding="utf-8"))
        base = Path(config["base_model_name_or_path"])
        if not base.is_dir():
            sys.exit(f"The base of this quickstart is {base}, on the real Hub: there is nothing to rehearse with.")
        hub.put("model", BASE, {path.name: path.read_bytes() for path in base.iterdir() if path.is_file()})
    with step(2, STEPS, "Publish the dataset"):
        titles(here, hub, home, "push-dataset", str(story / "dataset"), DATASET, "--tag", "v1")
        say("  and the same command again:")
        again = titles(here, hub, home, "push-dataset", str(story / "dataset"), DATASET, "--tag", "v1", show=False)
        say(f"  {again.strip().splitlines()[-1]}")
    with step(3, STEPS, "Publish the adapter: base and dataset, local until now, are named by their ids"):
        named = ("--base", BASE, "--dataset", f"{DATASET}@v1")
        titles(here, hub, home, "push-adapter", str(story / "adapter"), ADAPTER, *named)
    with step(4, STEPS, "Train from the Hub's ids with plain autotrain --config, which pushes by itself"):
        project = PLAIN.partition("/")[2]
        settings = {
            "base_model": BASE, "data.path": DATASET, "project_name": project, "params.epochs": 1,
            "hub.push_to_hub": True, "hub.username": "ana",
        }  # fmt: skip
        say(f"  recipe.yml: the quickstart's, with {', '.join(f'{key}={value}' for key, value in settings.items())}")
        recipe = load_recipe(story / "recipe.yml").with_settings(settings).text
        (home / "recipe.yml").write_text(recipe)
        autotrain(old, hub, home)
    with step(5, STEPS, "Finish what AutoTrain pushed: card, template, recipe, no pickle"):
        titles(here, hub, home, "push-adapter", PLAIN, PLAIN, "--dataset", f"{DATASET}@v1")
    with step(6, STEPS, "Load everything back by its id, in both environments, and ask"):
        for name, python in (("today", here), ("autotrain", old)):
            # a cache of its own: datasets 3.2 fails on what a newer one left in a shared cache
            code = [str(python), "-c", LOAD_BACK, DATASET, ADAPTER, PLAIN]
            process(code, environment(hub, home, HF_HOME=str(home / name)), home)
        # its run.json names the dataset and its revision, so that nothing else need be said
        question = f'What is "{first_title(story / "dataset")}"?'
        titles(here, hub, home, "ask", question, "--model", ADAPTER, "--closed-book")
    with step(7, STEPS, "What stood on the Hub"):
        show_hub(hub)


def titles(python: Path, hub: LoopbackHub, home: Path, *arguments: str, show: bool = True) -> str:
    """Runs a command of this library as a user does."""
    if show:
        say(f"  $ amazon-titles {shlex.join(arguments)}")
    return process([str(python), "-m", "amazon_titles", *arguments], environment(hub, home), home, show=show)


def autotrain(python: Path, hub: LoopbackHub, home: Path) -> None:
    """Plain AutoTrain. It exits 0 when it failed, so what stands on the Hub afterwards is what counts."""
    variables = environment(hub, home, PATH=f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}")
    variables |= {"HF_HOME": str(home / "autotrain"), "OMP_NUM_THREADS": "2"}
    variables.pop("PYTHONPATH")  # at a checkout's root the recipes' folder would stand for AutoTrain's package
    say("  $ autotrain --config recipe.yml")
    said = process(
        [str(python), "-m", "autotrain.cli.autotrain", "--config", "recipe.yml"], variables, home, show=False
    )
    if "adapter_model.safetensors" not in hub.repo(PLAIN).files():
        sys.exit(f"AutoTrain pushed no adapter:\n{said[-2000:]}")


def process(command: list[str], variables: Mapping[str, str], home: Path, *, show: bool = True) -> str:
    """Runs a command; a failure ends the rehearsal with what it said."""
    done = subprocess.run(command, env=variables, cwd=home, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])} failed:\n{done.stdout}\n{done.stderr}")
    if show:
        sys.stdout.write(done.stdout)
        sys.stdout.flush()
    return done.stdout


def first_title(dataset: Path) -> str:
    """A title of the catalogue."""
    import pyarrow.parquet as pq

    return str(pq.read_table(dataset / "catalog", columns=["title"])["title"][0].as_py())


def show_hub(hub: LoopbackHub) -> None:
    """Every repository: its files and sizes, its commits, its tags."""
    for (kind, repo_id), repo in sorted(hub.state.repos.items()):
        commit = repo.resolve("main")
        tags = ", ".join(f"{name} = {oid[:12]}" for name, oid in repo.tags.items()) or "none"
        who = "private" if repo.private else "public"
        sys.stdout.write(f"  {kind} {repo_id} ({who}), {len(repo.commits)} commits, tags: {tags}\n")
        for path, entry in sorted(commit.files.items()):
            sys.stdout.write(f"    {path:<48}{megabytes(entry.size):>14}{'  LFS' if entry.sha256 else ''}\n")
    sys.stdout.write(json.dumps({"requests": len(hub.log)}) + "\n")


if __name__ == "__main__":
    assert (ROOT / "tests").is_dir()
    main()
