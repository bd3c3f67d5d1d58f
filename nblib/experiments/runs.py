"""The run folder: one experiment on one validation half, what is written when, and how it is read back.

runs/<experiment_name>/<val1 or val2>/
    experiment.json       first: its parameters, the data's fingerprint, versions, machine
    vocabulary.txt        first: the concept of each sigmoid, one a line
    history.csv           after every epoch: loss, F1, learning rate, seconds
    best.weights.h5       after every epoch that is the best so far
    state.npz             after every epoch: all that is needed to go on; gone once finished
    tensorboard/          after every epoch, where the experiment says so: the history for TensorBoard
    probabilities/*.npz   at the end: image_ids and probabilities, (N, K), of val1 and val2, later of test
    scores.json           last: a run that has it is finished
    notebook.ipynb        the executed notebook, when papermill was told to leave it here

With `force` a run makes way for a new one as <val1 or val2>_archived_<date>, whole; nothing is deleted.
"""

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nblib.data import ConceptVocabulary, Dataset, Examples
from nblib.experiments.experiment import LATER_CONDITIONS, NO_CONDITIONS, Experiment
from nblib.system import remove_leftovers, replacing, take_lock, write_json

ARCHIVED = "_archived_"  # in the names of folders of runs that gave way to others

VERSIONS_OF = ("nblib", "tensorflow", "keras", "numpy", "scikit-learn", "pillow")


@dataclass(frozen=True)
class Run:
    """What a run folder holds; attributes read from disk when asked for."""

    folder: Path

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Content of experiment.json: experiment, identity, data (its name), data_fingerprint, provenance."""
        return json.loads((self.folder / "experiment.json").read_text(encoding="utf-8"))

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment as it was validated."""
        return Experiment(**self.facts["experiment"])

    @cached_property
    def vocabulary(self) -> ConceptVocabulary:
        """The concepts of its sigmoids."""
        return ConceptVocabulary(tuple((self.folder / "vocabulary.txt").read_text(encoding="utf-8").split()))

    @property
    def started(self) -> bool:
        """True once the folder says what it is a run of."""
        return (self.folder / "experiment.json").is_file()

    @property
    def finished(self) -> bool:
        """True once its scores are written."""
        return (self.folder / "scores.json").is_file()

    @property
    def running(self) -> bool:
        """True while a process of this machine trains it; False where that can't be told, as on Windows."""
        if self.finished or not self.started:
            return False
        with (self.folder / "experiment.json").open("rb") as file:
            return take_lock(file, shared=True) is False

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch: epoch (from 1), loss, f1, val_loss, val_f1, learning_rate, seconds."""
        return pd.read_csv(self.folder / "history.csv")

    @property
    def scores(self) -> dict[str, Any]:
        """Best epoch, F1 of the validation and test half, of the most frequent concepts, seconds."""
        return json.loads((self.folder / "scores.json").read_text(encoding="utf-8"))

    def require(self, dataset: Dataset) -> None:
        """Raises ValueError unless the run was trained on exactly these data."""
        if dataset.fingerprint != self.facts["data_fingerprint"]:
            raise ValueError(
                f"{self.folder} was trained on data {self.facts['data_fingerprint']}; {dataset.folder} now holds "
                f"{dataset.fingerprint}. Restore the data, or train again under another name."
            )

    def has_probabilities(self, name: str) -> bool:
        """Whether probabilities of `name` (val1, val2 or test) were predicted and kept."""
        return self._probabilities_file(name).is_file()

    def probabilities(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """image_ids, (N,), and probabilities, (N, K) float32, of val1, val2 or test.

        Raises:
            FileNotFoundError: they were never predicted.
        """
        path = self._probabilities_file(name)
        if not path.is_file():
            raise FileNotFoundError(f"no probabilities of {name} in {self.folder}: the run is not finished, or "
                                    f"nblib.training.trainer.predict_test has not been called for it.")  # fmt: skip
        with np.load(path, allow_pickle=False) as kept:
            return kept["image_ids"], kept["probabilities"]

    def write_probabilities(self, name: str, image_ids: np.ndarray, probabilities: np.ndarray) -> None:
        """Writes what `probabilities(name)` reads."""
        with replacing(self._probabilities_file(name)) as beside:
            np.savez(beside, image_ids=np.asarray(image_ids, dtype=str), probabilities=probabilities)

    def write_history(self, rows: list[dict[str, float]]) -> None:
        """Writes what `history` reads."""
        with replacing(self.folder / "history.csv") as beside:
            pd.DataFrame(rows).to_csv(beside, index=False)

    def write_scores(self, scores: dict[str, Any]) -> None:
        """Writes what `scores` reads, and so marks the run as finished."""
        write_json(self.folder / "scores.json", scores)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps the run to this process while the block lasts, cleared of what a killed one left half-written.

        The lock lies on experiment.json and goes with its process, however that ends.

        Raises:
            RuntimeError: another process has it.
        """
        with (self.folder / "experiment.json").open("r+b") as file:
            if take_lock(file) is False:  # where there are no locks, nothing keeps two processes apart
                raise RuntimeError(
                    f"{self.folder} is being trained by another process; wait for it, or look on with "
                    f"`nblib watch {self.folder}`."
                )
            remove_leftovers(self.folder)
            yield

    def _probabilities_file(self, name: str) -> Path:
        return self.folder / "probabilities" / f"{name}.npz"


def read_half(run: Run, dataset: Dataset, name: str) -> Examples:
    """The images of val1 or val2 with their labels and what a finished run predicted for them.

    Raises:
        ValueError: the run was trained on other data.
        FileNotFoundError: nothing was predicted for them.
    """
    run.require(dataset)
    image_ids, probabilities = run.probabilities(name)
    images = dataset.images.set_index("image_id", drop=False).loc[image_ids].reset_index(drop=True)
    return replace(Examples.of(images, run.vocabulary), probabilities=probabilities)


def best_epoch(validation_f1: Iterable[float]) -> int:
    """The epoch, from 1, with the best F1 on the validation half: the first of equals, the last while it is 0."""
    f1 = list(validation_f1)
    return len(f1) if max(f1) == 0 else f1.index(max(f1)) + 1


def open_run(experiment: Experiment, dataset: Dataset, vocabulary: ConceptVocabulary) -> Run:
    """The run of this experiment on this data: a new folder, or the one that was begun or finished before.

    With `force` a run that is finished, or another one, is put aside first; one that was only begun goes on, so that a
    killed command can be given again as it is.

    Raises:
        ValueError: the folder holds a run with other parameters or other data; two runs never mix.
        RuntimeError: the run to be put aside is being trained by another process.
    """
    run = Run(experiment.run_folder)
    if run.started:
        other = conflicting_run(experiment, dataset.fingerprint)
        if other and not experiment.force:
            raise ValueError(other)
        if not other and not (experiment.force and run.finished):
            return run
        archive_run(run)
        run = Run(experiment.run_folder)  # `facts` of the old one are still in its memory
    with replacing(run.folder / "vocabulary.txt") as beside:
        beside.write_text("\n".join(vocabulary.concepts) + "\n", encoding="utf-8")
    facts = {
        "experiment": experiment.model_dump(),
        "identity": experiment.identity(dataset.fingerprint),
        "data": dataset.title,
        "data_fingerprint": dataset.fingerprint,
        "provenance": provenance(),
    }
    write_json(run.folder / "experiment.json", facts)
    return run


def conflicting_run(experiment: Experiment, data_fingerprint: str) -> str | None:
    """A sentence where the experiment's folder holds a run with other parameters or data; None where it does not."""
    run = Run(experiment.run_folder)
    if not run.started or run.facts["identity"] == experiment.identity(data_fingerprint):
        return None
    return (
        f"{run.folder} holds another run: {_difference(run, experiment, data_fingerprint)}. "
        f"Give this one another experiment_name or runs folder, or put that one aside with force=True."
    )


def archive_run(run: Run) -> Path:
    """Renames the run's folder, all that is in it included, to one with the present date, and gives that.

    Raises:
        RuntimeError: another process is training the run.
    """
    now = datetime.now().strftime("%Y-%m-%d_%H%M%S")
    aside = run.folder.with_name(f"{run.folder.name}{ARCHIVED}{now}")
    with run.lock():
        return run.folder.rename(aside)


def find_runs(folder: str | Path) -> list[Run]:
    """All runs below `folder`, finished or not, by name of experiment and half; not those that were put aside."""
    folders = [path.parent for path in sorted(Path(folder).rglob("experiment.json"))]
    return [Run(folder) for folder in folders if ARCHIVED not in folder.name]


def other_code(run: Run) -> str | None:
    """A sentence where the run was made with another version or commit of nblib than the present; None where not."""
    made, now = run.facts["provenance"], {"nblib": version("nblib"), "commit": _commit()}
    if all(made.get(name) == now[name] for name in now):
        return None
    told = [f"{facts.get('nblib')} (commit {facts.get('commit') or 'unknown'})" for facts in (made, now)]
    return f"{run.folder} was made with nblib {told[0]}, this is {told[1]}; force=True trains it anew."


def open_finished(folder: str | Path) -> Run:
    """The finished run in `folder`.

    Raises:
        FileNotFoundError: there is no run, or it is not finished; the finished ones nearby are named.
    """
    folder = Path(folder)
    if Run(folder).finished:
        return Run(folder)
    nearby = [str(run.folder) for run in find_runs(folder.parent.parent) if run.finished]
    raise FileNotFoundError(
        f"no finished run in {folder}; finished are: {', '.join(nearby) or 'none, train one first'}."
    )


def comparable_runs(runs: list[Run], run: Run, varying: Iterable[str]) -> list[Run]:
    """The finished runs on the same data whose conditions equal those of `run` but for name and what is `varying`."""

    def fixed(other: Run) -> dict[str, Any]:
        conditions = {**other.experiment.conditions(), "data_fingerprint": other.facts["data_fingerprint"]}
        return {name: value for name, value in conditions.items() if name not in {"experiment_name", *varying}}

    return [other for other in runs if other.finished and fixed(other) == fixed(run)]


def provenance() -> dict[str, Any]:
    """Where and with what a run is made: versions, commit, machine, start."""
    return {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "python": platform.python_version(),
        **{name: version(name) for name in VERSIONS_OF},
        "commit": _commit(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _difference(run: Run, experiment: Experiment, data_fingerprint: str) -> str:
    there, here = run.experiment.conditions(), experiment.conditions()
    differing = [f"{name} {there[name]!r} there, {here[name]!r} here" for name in here if there[name] != here[name]]
    if there.keys() != {*run.facts["experiment"], *LATER_CONDITIONS} - set(NO_CONDITIONS):
        differing.append("parameters of another version of nblib there")
    if run.facts["data_fingerprint"] != data_fingerprint:
        differing.append(f"data {run.facts['data_fingerprint']} there, {data_fingerprint} here")
    return "; ".join(differing)
