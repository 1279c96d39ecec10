"""Runs in AutoTrain's environment: what AutoTrain itself says of recipes, and a few steps of each.

Usage: python recipes_autotrain.py JOBS.json OUT.json

JOBS: `{"parse": {name: recipe file}, "run": {name: recipe file}, "base": folder}`.
"""

import json
import sys
from pathlib import Path

STEPS = 2


def known():
    """The tables of AutoTrain that ours are copies of."""
    from autotrain.backends.base import AVAILABLE_HARDWARE
    from autotrain.trainers.clm.params import LLMTrainingParams
    from transformers.trainer_utils import SchedulerType
    from transformers.training_args import OptimizerNames

    fields = LLMTrainingParams.model_fields
    return {
        "defaults": {name: field.default for name, field in fields.items()},
        "optional": sorted(name for name, field in fields.items() if "Optional" in str(field.annotation)),
        "spaces": sorted(name for name in AVAILABLE_HARDWARE if name.startswith("spaces-")),
        "schedulers": [member.value for member in SchedulerType],
        "optimizers": [member.value for member in OptimizerNames],
    }


def parse(path):
    """The recipe through AutoTrain's parser: its parameters, and what it warns of."""
    import loguru
    from autotrain.parser import AutoTrainConfigParser
    from autotrain.project import AutoTrainProject
    from autotrain.trainers.clm.params import LLMTrainingParams

    lines = []
    sink = loguru.logger.add(lines.append, level="WARNING", format="{message}")
    from autotrain import logger

    if logger is not loguru.logger:
        logger.add(lines.append, level="WARNING", format="{message}")
    parser = AutoTrainConfigParser(path)
    params = LLMTrainingParams(**parser.parsed_config)
    AutoTrainProject(params=params, backend=parser.backend)
    loguru.logger.remove(sink)
    return {"params": params.model_dump(), "unused": [line for line in map(str, lines) if "not used" in line]}


def started(path, gpus):
    """How AutoTrain would start a recipe's training on so many GPUs."""
    from autotrain.commands import get_accelerate_command
    from autotrain.parser import AutoTrainConfigParser
    from autotrain.trainers.clm.params import LLMTrainingParams

    params = LLMTrainingParams(**AutoTrainConfigParser(path).parsed_config)
    return get_accelerate_command(gpus, params.gradient_accumulation, params.distributed_backend)


def run(path):
    """A few steps of AutoTrain's own SFT: the files that it leaves, or what it failed of."""
    from autotrain.parser import AutoTrainConfigParser
    from autotrain.trainers.clm import train_clm_sft, utils
    from autotrain.trainers.clm.params import LLMTrainingParams
    from transformers import TrainerCallback

    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            control.should_training_stop = state.global_step >= STEPS

    callbacks = utils.get_callbacks
    utils.get_callbacks = lambda config: [*callbacks(config), Stop()]
    try:
        params = LLMTrainingParams(**AutoTrainConfigParser(path).parsed_config)
        train_clm_sft.train(params)
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}
    finally:
        utils.get_callbacks = callbacks
    folder = Path(params.project_name)
    if not (folder / "adapter_config.json").exists():
        return {"files": sorted(path.name for path in folder.iterdir())}
    adapter = json.loads((folder / "adapter_config.json").read_text())
    return {"files": sorted(path.name for path in folder.iterdir()), "adapter": adapter}


def main():
    from tokens_autotrain import make_model

    jobs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for base in jobs["bases"]:
        make_model(Path(base))
    answer = {
        "known": known(),
        "parsed": {name: parse(path) for name, path in jobs["parse"].items()},
        "started": {name: started(path, 4) for name, path in jobs["start"].items()},
        "run": {name: run(path) for name, path in jobs["run"].items()},
    }
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
