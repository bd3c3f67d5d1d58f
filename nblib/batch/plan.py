"""The runs of a batch: parameters files x a grid x validation halves, validated before any starts, longest first."""

import ast
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from nblib.batch.outcome import is_complete
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

# Multiplications in the convolutions, per pixel of an image: counted at 224 pixels, the small ones at 32.
WORK_PER_PIXEL = {
    "VGG16": 306_000, "ResNet50": 77_000, "DenseNet169": 67_000,
    "small_plain": 3_900, "small_residual": 3_500, "small_dense": 5_800,
}  # fmt: skip
WORK_OF_OTHERS = 150_000  # other backbones: their order decides only how early a batch ends


@dataclass(frozen=True)
class PlannedRun:
    """One run of a batch: its experiment, and papermill's -f and -p that give its notebook the same experiment."""

    experiment: Experiment
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """`<experiment_name>/<val1, val2 or all>`."""
        return f"{self.experiment.experiment_name}/{self.experiment.half}"

    @property
    def run(self) -> Run:
        """Its run folder."""
        return Run(self.experiment.run_folder)

    @property
    def notebook(self) -> Path:
        """The executed notebook, in the run folder."""
        return self.run.folder / "notebook.ipynb"

    @property
    def log_dir(self) -> Path:
        """The folder of log.txt, of ended.json (see `Execution`), and of job.json while the run is executed."""
        return batch_folder(self.experiment) / self.name

    @property
    def command(self) -> list[str]:
        """The papermill command, relative to the current folder."""
        notebook = project_path("notebooks") / f"{notebook_of(self.experiment)}.ipynb"
        return ["papermill", _from_here(notebook), _from_here(self.notebook), *self.arguments]

    @property
    def done(self) -> bool:
        """Whether the run is finished, and its notebook, if there is one, was executed completely."""
        return self.run.finished and (not self.notebook.exists() or is_complete(self.notebook))

    @property
    def cost(self) -> int:
        """Expected work of the training, for comparison with other runs on the same images: per image, all epochs."""
        e = self.experiment
        return WORK_PER_PIXEL.get(e.backbone, WORK_OF_OTHERS) * e.image_size**2 * e.epochs * (1 + e.flipped_copies)


def batch_folder(experiment: Experiment) -> Path:
    """`<runs>/batch`: the logs, and submitit's files."""
    return project_path(experiment.runs) / "batch"


def plan_runs(
    files: Iterable[Path],
    halves: Iterable[str] = ("val1", "val2"),
    overlays: Iterable[Path] = (),
    parameters: Mapping[str, str] | None = None,
    seeds: Iterable[int] = (),
) -> list[PlannedRun]:
    """All runs of a batch, in descending order of expected duration.

    Args:
        files: parameters files, one per experiment, or folders of them.
        halves: val1, val2, or all for training on all images.
        overlays: files that override those parameters, a later one an earlier one (papermill's -f).
        parameters: values that override all files (papermill's -p). Comma-separated values make a grid; names and
            values of the varied parameters become part of the experiment_name.
        seeds: each run once with each of them; `_seed_1` and so on become part of the experiment_name, even if it is
            only one, so that seeds can be added later. Reports show such runs as one row.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: parameters are wrong, in any of the runs, or two runs would share a folder; all errors at once.
    """
    choices = {name: text.split(",") for name, text in (parameters or {}).items()}
    if reserved := choices.keys() & {"validation_half", "train_on", "force"}:
        advice = "give the halves by --halves; to train again, choose other `runs` (force would at every start)."
        raise ValueError(f"a batch does not accept -p {' or -p '.join(sorted(reserved))}: {advice}")
    seeds = list(map(str, seeds))
    if "seed" in choices and seeds:
        raise ValueError("a batch does not accept --seeds and -p seed together; leave one of them out.")
    choices |= {"seed": seeds} if seeds else {}
    planned, wrong = [], defaultdict(dict)
    overlays, varied = list(overlays), [name for name in choices if len(choices[name]) > 1 or choices[name] is seeds]
    for file, values, half in product(_files(files), product(*choices.values()), halves):
        try:
            planned.append(_planned([file, *overlays], dict(zip(choices, values, strict=True)), half, varied))
        except ValueError as error:
            wrong[str(error)][str(file)] = True
    if wrong:
        raise ValueError("\n".join(f"{error} ({', '.join(files)})" for error, files in wrong.items()))
    _refuse_shared_folders(planned)
    return sorted(planned, key=lambda each: -each.cost)


def refuse_conflicts(planned: Iterable[PlannedRun]) -> None:
    """Checks that no run folder holds a run with other parameters or data.

    Raises:
        ValueError: some do (all are named), or the data are not fit for training.
        FileNotFoundError: the data are missing.
    """
    read = cache(read_dataset)
    experiments = [each.experiment for each in planned]
    conflicts = [conflicting_run(experiment, experiment.read_data(read).fingerprint) for experiment in experiments]
    if any(conflicts):
        raise ValueError("\n".join(filter(None, conflicts)))


def _planned(files: list[Path], point: dict[str, str], half: str, varied: list[str]) -> PlannedRun:
    """The run at one point of the grid, whose parameters `point` has as they are written on the command line."""
    given = {name: value for path in files for name, value in read_parameters(path).items()}
    given |= {name: _value(text) for name, text in point.items()} | _part(half)
    if given.get("force"):
        raise ValueError("a batch does not accept force: it would train finished runs whenever it is started again.")
    experiment, texts = _experiment(given), dict(point)
    if varied:
        name = "_".join([experiment.experiment_name, *(_short(each, point[each]) for each in varied)])
        experiment, texts["experiment_name"] = _experiment({**given, "experiment_name": name}), name
    arguments = [word for path in files for word in ("-f", str(path))]
    arguments += [word for name, text in (texts | _part(half)).items() for word in ("-p", name, text)]
    return PlannedRun(experiment, tuple(arguments))


def _part(half: str) -> dict[str, str]:
    """The parameter that chooses val1, val2 or all."""
    return {"train_on": half} if half == "all" else {"validation_half": half}


def _experiment(given: dict[str, Any]) -> Experiment:
    """The experiment of the notebook that trains it, with the given parameters in place of the notebook's own."""
    return Experiment(**{**_defaults(notebook_of(Experiment(**given))), **given})


@cache
def _defaults(notebook: str) -> dict[str, Any]:
    """The parameters that a notebook sets itself."""
    path = project_path("notebooks") / f"{notebook}.ipynb"
    if not path.is_file():
        raise FileNotFoundError(f"no notebook {path}; start the batch in the folder that holds notebooks/.")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]  # nbformat takes 2 s to import
    tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", ())]
    return notebook_parameters(["".join(cell["source"]) for cell in tagged])


def _short(name: str, text: str) -> str:
    """A parameter and its value as part of a name: learning_rate_3e-05."""
    value = _value(text)
    return re.sub(r"[^\w.-]+", "-", f"{name}_{value:g}" if type(value) is float else f"{name}_{value}")


def _value(text: str) -> Any:
    """The value of a text on the command line, as papermill's -p reads it."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if value is None or type(value) in (bool, int, float) else text


def _files(named: Iterable[Path]) -> Iterator[Path]:
    for path in named:
        found = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        if not found:
            raise FileNotFoundError(f"no .yaml in {path}; name parameters files, or a folder such as params/table3.")
        yield from found


def _refuse_shared_folders(planned: list[PlannedRun]) -> None:
    folders = Counter(str(each.run.folder) for each in planned)
    if shared := [folder for folder, count in folders.items() if count > 1]:
        raise ValueError(f"several runs would share a folder: {', '.join(shared)}; give each its experiment_name.")
    if len({each.experiment.runs for each in planned}) > 1:
        raise ValueError("all runs of a batch need the same `runs` folder: set it for all, as in -p runs my_runs.")


def _from_here(path: Path) -> str:
    """The path for papermill, relative to the current folder if it is below; papermill formats {names} in paths."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path).replace("{", "{{").replace("}", "}}")
