"""What a job is given: this library, the recipe and a short script in a folder, an image and a command.

The folder becomes a private dataset repository, and the job mounts it at the commit that was made for it. The library
is in there as it is, as in a Space, and Python finds it beside the script: to make a wheel of it would take a checkout
and a build tool. The token is in none of these: it reaches the job as a secret, HF_TOKEN, which the Hub's clients read
by themselves.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from amazon_titles import resources
from amazon_titles.cards.rendering import environment
from amazon_titles.recipes import Recipe

MOUNT = "/amazon-titles"
"""Where the job finds the folder."""

# What AutoTrain's own Spaces run in (autotrain/backends/spaces.py), under Python 3.10 in a conda environment that a
# shell of the image would have entered: the image's Dockerfile makes it at /app/env. A digest is not known here, so
# AutoTrain itself is pinned, by the extra.
_AUTOTRAIN_IMAGE = "huggingface/autotrain-advanced:latest"
# Debian with gcc, which triton wants, and Python 3.11, on which the tests run; torch's wheels bring CUDA along.
_UV_IMAGE = "ghcr.io/astral-sh/uv:python3.11-bookworm"
TRL_PINS = (
    "torch==2.13.0", "transformers==5.23.0", "datasets==5.2.0", "peft==0.21.2", "trl==1.16.0", "accelerate==1.15.0",
    "huggingface_hub>=2.4,<3",
)  # fmt: skip
"""Of the job of the trl engine: what `constraints.txt` pins, on which this library is tested."""
_BITSANDBYTES = "bitsandbytes==0.50.2"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job before it has a machine.

    Attributes:
        files: Name → content of what is mounted at `MOUNT`.
        image: Docker image.
        command: What runs in it.
        left_out: What lies beside the library and is not sent → why.
    """

    files: dict[str, bytes]
    image: str
    command: tuple[str, ...]
    left_out: Mapping[str, str]


def make_job_spec(recipe: Recipe, repo_id: str, *, engine: str, card_language: str = "en") -> JobSpec:
    """Gathers what a job needs.

    Args:
        recipe: As the job is to run it: base and data by their Hub ids.
        repo_id: The model repository that the adapter goes to.
        engine: `autotrain` or `trl`.
        card_language: Of the model card.

    Raises:
        InputError: The library runs without having been installed, so that nobody knows what it depends on; or nothing
            says which files belong to it.
    """
    needs: list[str] = []
    if engine == "trl":
        quantizer = [_BITSANDBYTES] if recipe.params.quantization is not None else []
        needs = [*resources.requirements("train"), *TRL_PINS, *quantizer]
        image, command = _UV_IMAGE, ("uv", "run", f"{MOUNT}/job.py")
    else:
        install = shlex.join(["python", "-m", "pip", "install", "--no-cache-dir", *resources.requirements("autotrain")])
        line = f'export PATH="/app/env/bin:$PATH"; {install} && exec python {MOUNT}/job.py'
        image, command = _AUTOTRAIN_IMAGE, ("bash", "-c", line)
    # The script trains and publishes; `uv run` makes the environment that its head asks for, as PEP 723 has it.
    options, templates = ["--engine", engine, "--card-language", card_language], environment()
    script = templates.get_template("job.py.jinja").render(
        needs=needs, options=options, folder=recipe.project_name, repo_id=repo_id, json=json.dumps
    )
    card = templates.get_template("job_card.md.jinja").render()
    library = resources.library_files()
    files = {place: path.read_bytes() for place, path in library.files.items()}
    texts = {"recipe.yml": recipe.text, "README.md": card, "job.py": script}
    return JobSpec(files | {name: text.encode() for name, text in texts.items()}, image, command, library.left_out)
