"""The command line `nblib batch`."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Argument, Exit, Option, echo
from typer.core import TyperCommand

HALVES = ("val1", "val2")
WORDS = (*HALVES, "all")


class PapermillStyle(TyperCommand):
    """Accepts `-p NAME VALUE`, as papermill does, and `--halves val1 val2`, `--seeds 1 2`; typer has one value each."""

    def parse_args(self, context: Any, words: list[str]) -> list[str]:
        """Passes `-p NAME=VALUE`, `--halves val1 --halves val2` and `--seeds 1 --seeds 2` on to typer."""
        passed, rest = [], list(words)
        while rest:
            word = rest.pop(0)
            if word in ("-p", "--parameter") and len(rest) > 1:
                passed += [word, f"{rest.pop(0)}={rest.pop(0)}"]
            elif passed[-2:-1] == ["--halves"] and word in WORDS:
                passed += ["--halves", word]
            elif passed[-2:-1] == ["--seeds"] and word.isdecimal():
                passed += ["--seeds", word]
            else:
                passed.append(word)
        return super().parse_args(context, passed)


def batch(
    experiments: Annotated[list[Path], Argument(help="Parameters files, or folders of them.", show_default=False)],
    halves: Annotated[list[str], Option(help="Validation halves: val1, val2; all: train on all images.")] = HALVES,
    seeds: Annotated[list[int], Option(
        help="Run each experiment with each of these seeds; reports show them as one row.", show_default=False)] = (),
    overlays: Annotated[list[Path], Option(
        "--overlay", "-f", help="A parameters file that overrides those of all runs.", show_default=False)] = (),
    parameters: Annotated[list[str], Option(
        "--parameter", "-p", metavar="NAME VALUE", show_default=False,
        help="A parameter of all runs; comma-separated values make a grid.")] = (),
    executor: Annotated[Literal["local", "slurm"], Option(help="This machine, or a Slurm cluster.")] = "local",
    jobs: Annotated[int | None, Option(
        help="local: parallel runs; by default one per GPU, or 1.", min=1, show_default=False)] = None,
    partition: Annotated[str | None, Option(help="slurm: partition.", show_default=False)] = None,
    gpus: Annotated[int | None, Option(help="slurm: GPUs per run.", min=0, show_default=False)] = None,
    time: Annotated[int | None, Option(
        help="slurm: time limit in minutes; then the run is requeued.", min=1, show_default="1440")] = None,
    max_parallel: Annotated[int | None, Option(help="slurm: parallel runs.", min=1, show_default="256")] = None,
    retries: Annotated[int, Option(help="How often to retry a run after a kill or a failed kernel start.", min=0)] = 2,
    dry_run: Annotated[bool, Option("--dry-run", help="Print the papermill command of each run.")] = False,
) -> None:  # fmt: skip
    """Run many experiments; run it again to continue with the missing ones. Exit 1 if any failed.

    Example: `nblib batch params/table3 --halves val1 val2 -f params/sample.yaml -p learning_rate 1.0e-3,3.0e-3`
    """
    from nblib.batch.execute import run_batch, summary
    from nblib.batch.places import Slurm, ThisMachine, slots
    from nblib.batch.plan import batch_folder, plan_runs, refuse_conflicts

    grid = dict(text.partition("=")[::2] for text in parameters)
    planned = plan_runs(experiments, dict.fromkeys(halves), overlays, grid, dict.fromkeys(seeds))
    if dry_run:
        refuse_conflicts(planned)
        echo("\n".join(shlex.join(run.command) for run in planned))
        return
    devices = max(run.experiment.devices for run in planned)
    if executor == "slurm":
        _refuse(executor, {"--jobs": jobs})
        gpus = devices if gpus is None and devices > 1 else gpus
        folder = batch_folder(planned[0].experiment) / "submitit"
        place = Slurm(folder, time or 1440, max_parallel or 256, partition, gpus)
    else:
        _refuse(executor, {"--partition": partition, "--gpus": gpus, "--time": time, "--max-parallel": max_parallel})
        place = ThisMachine(slots(jobs, devices))
    ended = run_batch(planned, place, retries)
    echo(summary(ended, ["nblib", *sys.argv[1:]]))
    if ended.stopped or ended.failed:
        raise Exit(130 if ended.stopped else 1)


def _refuse(executor: str, options: dict[str, Any]) -> None:
    if others := [name for name, value in options.items() if value is not None]:
        raise ValueError(f"{' and '.join(others)} can't be used with --executor {executor}: see `nblib batch --help`.")
