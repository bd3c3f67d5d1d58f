"""What a batch will run: files of parameters x a grid x halves, validated before anything starts, longest first."""

import ast
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import nbformat

from nblib.batch.outcome import is_whole
from nblib.data import read_dataset
from nblib.experiments import (
    Experiment,
    Run,
    conflicting_run,
    notebook_of,
    notebook_parameters,
    project_path,
    read_parameters,
)

# Multiplications of the convolutions for an image, by its pixels: counted at 224 pixels, the small ones at 32.
WORK_A_PIXEL = {
    "VGG16": 306_000, "ResNet50": 77_000, "DenseNet169": 67_000,
    "small_plain": 3_900, "small_residual": 3_500, "small_dense": 5_800,
}  # fmt: skip


@dataclass(frozen=True)
class PlannedRun:
    """One run of a batch: its experiment, and the -f and -p with which papermill makes that of its notebook."""

    experiment: Experiment
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """`<experiment_name>/<validation_half>`."""
        return f"{self.experiment.experiment_name}/{self.experiment.validation_half}"

    @property
    def run(self) -> Run:
        """Its run folder."""
        return Run(self.experiment.run_folder)

    @property
    def notebook(self) -> Path:
        """The executed notebook, in the run folder."""
        return self.run.folder / "notebook.ipynb"

    @property
    def books(self) -> Path:
        """The folder in which the batch keeps this run's log and who works on it."""
        return batch_folder(self.experiment) / self.name

    @property
    def command(self) -> list[str]:
        """The papermill command, from the current folder."""
        notebook = project_path("notebooks") / f"{notebook_of(self.experiment)}.ipynb"
        return ["papermill", _from_here(notebook), _from_here(self.notebook), *self.arguments]

    @property
    def done(self) -> bool:
        """Whether the run is finished, and its notebook, where there is one, was executed to its end."""
        return self.run.finished and (not self.notebook.exists() or is_whole(self.notebook))

    @property
    def cost(self) -> int:
        """What training is expected to cost beside other runs on the same images: work of one image in all epochs."""
        e = self.experiment
        return WORK_A_PIXEL[e.backbone] * e.image_size**2 * e.epochs * (2 if e.flipped_copies else 1)


def batch_folder(experiment: Experiment) -> Path:
    """`<runs>/batch`: logs, and what submitit leaves."""
    return project_path(experiment.runs) / "batch"


def plan_runs(
    files: Iterable[Path],
    halves: Iterable[str] = ("val1", "val2"),
    overlays: Iterable[Path] = (),
    parameters: Mapping[str, str] | None = None,
) -> list[PlannedRun]:
    """All runs of a batch, those first that are expected to take longest.

    Args:
        files: files of parameters, one an experiment, or folders of them.
        halves: val1, val2 or both.
        overlays: files whose parameters take precedence, the later ones over the earlier (papermill's -f).
        parameters: what takes precedence over all files (papermill's -p). Values parted by commas make a grid; each of
            its points has the names and values of the varied parameters in its experiment_name.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: parameters of any run are wrong, or two runs would share a folder; all of it is told.
    """
    choices = {name: text.split(",") for name, text in (parameters or {}).items()}
    if reserved := choices.keys() & {"validation_half", "force"}:
        raise ValueError(
            f"a batch does not take {' and '.join(sorted(reserved))} by -p: halves are named by --halves, and force "
            f"would train finished runs each time the batch is started again; choose another `runs` folder."
        )
    planned, wrong = [], defaultdict(dict)
    overlays, varied = list(overlays), [name for name in choices if len(choices[name]) > 1]
    for file, values, half in product(_files(files), product(*choices.values()), halves):
        try:
            planned.append(_planned(file, overlays, dict(zip(choices, values, strict=True)), half, varied))
        except ValueError as error:
            wrong[str(error)][str(file)] = True
    if wrong:
        raise ValueError("\n".join(f"{error} ({', '.join(files)})" for error, files in wrong.items()))
    _refuse_shared_folders(planned)
    return sorted(planned, key=lambda each: -each.cost)


def refuse_conflicts(planned: Iterable[PlannedRun]) -> None:
    """Raises ValueError where a run's folder holds a run with other parameters or data; all of them are told.

    Raises also what `read_dataset` does, where the data are missing or not fit for training.
    """
    fingerprint = cache(lambda data, quarantine: read_dataset(data, quarantine=quarantine).fingerprint)
    experiments = [each.experiment for each in planned]
    told = (conflicting_run(e, fingerprint(e.data_folder, e.quarantine_file)) for e in experiments)
    if conflicts := [sentence for sentence in told if sentence]:
        raise ValueError("\n".join(conflicts))


def _planned(file: Path, overlays: list[Path], point: dict[str, str], half: str, varied: list[str]) -> PlannedRun:
    said = read_parameters(file)
    for overlay in overlays:
        said |= read_parameters(overlay)
    said |= {name: _value(text) for name, text in point.items()} | {"validation_half": half}
    if said.get("force"):
        raise ValueError("a batch does not take force: it would train finished runs each time it is started again.")
    texts = dict(point)
    if varied:
        plain = Experiment(**{**_defaults(notebook_of(Experiment(**said))), **said}).experiment_name
        said["experiment_name"] = texts["experiment_name"] = "_".join([plain, *(_short(n, point[n]) for n in varied)])
    experiment = Experiment(**{**_defaults(notebook_of(Experiment(**said))), **said})
    texts["validation_half"] = half
    arguments = [word for path in (file, *overlays) for word in ("-f", str(path))]
    arguments += [word for name, text in texts.items() for word in ("-p", name, text)]
    return PlannedRun(experiment, tuple(arguments))


def _short(name: str, text: str) -> str:
    """A parameter and its value as part of a name: learning_rate_3e-05."""
    value = _value(text)
    return re.sub(r"[^\w.-]+", "-", f"{name}_{value:g}" if type(value) is float else f"{name}_{value}")


def _value(text: str) -> Any:
    """The value of a word on the command line, as papermill's -p takes it."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if value is None or type(value) in (bool, int, float) else text


@cache
def _defaults(notebook: str) -> dict[str, Any]:
    """The parameters that a notebook sets itself."""
    path = project_path("notebooks") / f"{notebook}.ipynb"
    if not path.is_file():
        raise FileNotFoundError(f"no notebook {path}; start the batch in the folder that holds notebooks/.")
    cells = nbformat.read(path, as_version=4).cells
    return notebook_parameters([cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])])


def _files(named: Iterable[Path]) -> Iterator[Path]:
    for path in named:
        found = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        if not found:
            raise FileNotFoundError(f"no .yaml in {path}; name files of parameters, or a folder such as params/table3.")
        yield from found


def _refuse_shared_folders(planned: list[PlannedRun]) -> None:
    several = [str(folder) for folder, count in Counter(each.run.folder for each in planned).items() if count > 1]
    if several:
        raise ValueError(f"several runs would share a folder: {', '.join(several)}; give each its experiment_name.")
    if len({each.experiment.runs for each in planned}) > 1:
        raise ValueError("the runs of a batch lie in one folder: set `runs` for all of them, as in -p runs my_runs.")


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return os.fspath(path.relative_to(here) if path.is_relative_to(here) else path)
