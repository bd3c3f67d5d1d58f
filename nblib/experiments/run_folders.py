"""Run folders: opened for an experiment, found, compared, and how they were made."""

import logging
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nblib.data import ConceptVocabulary, Dataset
from nblib.experiments.experiment import Experiment
from nblib.experiments.run_files import concept_table
from nblib.experiments.runs import Run
from nblib.system import replacing, write_json

ARCHIVED = "_archived_"  # in the names of the folders of archived runs
VERSIONS_OF = ("nblib", "tensorflow", "keras", "numpy", "scikit-learn", "pillow")

logger = logging.getLogger(__name__)


def open_run(experiment: Experiment, dataset: Dataset, vocabulary: ConceptVocabulary) -> Run:
    """The run of this experiment on these data: a new folder, or the one that was started or finished before.

    With `force` a finished run, or one with other parameters or data, is archived first; a started one is resumed.

    Raises:
        ValueError: the folder holds a damaged run, or one with other parameters or data; two runs never mix.
        RuntimeError: the run to be archived is being trained by another process.
    """
    run = Run(experiment.run_folder)
    if run.started:
        other = conflicting_run(experiment, dataset.fingerprint) or _other_label_space(run, vocabulary)
        if other and not experiment.force:
            raise ValueError(other)
        if not other and not (experiment.force and run.finished):
            return run
        with run.exclusive():
            run.folder.rename(run.folder.with_name(f"{run.folder.name}{ARCHIVED}{datetime.now():%Y-%m-%d_%H%M%S}"))
        run = Run(experiment.run_folder)  # the old one has cached its `facts`
    with replacing(run.folder / "vocabulary.txt") as beside:
        beside.write_text("\n".join(vocabulary.concepts) + "\n", encoding="utf-8")
    with replacing(run.folder / "concepts.csv") as beside:
        concept_table(dataset, vocabulary).to_csv(beside)
    facts = {
        "experiment": experiment.model_dump(),
        "identity": experiment.identity(dataset.fingerprint),
        "data": dataset.title,
        "data_fingerprint": dataset.fingerprint,
        "split_fingerprint": dataset.split_fingerprint,
        "images": {split: len(dataset.split(split)) for split in ("train", "val", "test")},
        "provenance": provenance(),
    }
    write_json(run.folder / "experiment.json", facts)
    return run


def conflicting_run(experiment: Experiment, data_fingerprint: str) -> str | None:
    """Why the experiment can't be run in its folder, which holds another run or a damaged one; None if it can."""
    run = Run(experiment.run_folder)
    try:
        return _difference(run, experiment, data_fingerprint) if run.started else None
    except ValueError as damage:
        return str(damage)


def _difference(run: Run, experiment: Experiment, data_fingerprint: str) -> str | None:
    """Why the experiment on these data is not the run in its folder; None if it is."""
    if run.facts["identity"] == experiment.identity(data_fingerprint):
        return None
    there, here = run.experiment.conditions(), experiment.conditions()
    differing = [
        f"{name} {there.get(name)!r} there, {here[name]!r} here" for name in here if there.get(name) != here[name]
    ]
    if run.facts["data_fingerprint"] != data_fingerprint:
        splits = f", split {run.experiment.split} there, {experiment.split} here"
        differs = run.experiment.split != experiment.split
        differing.append(
            f"data {run.facts['data_fingerprint']} there, {data_fingerprint} here{splits if differs else ''}"
        )
    return (
        f"{run.folder} holds another run: {'; '.join(differing) or 'it is of another version of nblib'}. "
        f"Give this one another experiment_name or runs folder, or archive that one with force=True."
    )


def _other_label_space(run: Run, vocabulary: ConceptVocabulary) -> str | None:
    """Why a run can't be continued: a file that its label space was chosen with has changed since; None if it can."""
    try:
        if run.vocabulary == vocabulary:
            return None
    except (FileNotFoundError, ValueError) as damage:
        return str(damage)
    return (
        f"{run.folder} has {len(run.vocabulary):,} concepts, and not the {len(vocabulary):,} that are chosen now: "
        f"restore the file of concepts or MRSTY.RRF, or give this run another experiment_name."
    )


def find_runs(folder: str | Path, damaged: bool = False) -> list[Run]:
    """All runs below `folder`, finished or not, by name of experiment and half; archived runs are left out.

    So are those with a damaged file (`Run.damage`), each with a warning, unless `damaged` asks for them too.
    """
    folders = [path.parent for path in sorted(Path(folder).rglob("experiment.json"))]
    runs = [Run(folder) for folder in folders if ARCHIVED not in folder.name]
    damages = {} if damaged else {run: run.damage for run in runs}
    for sentence in filter(None, damages.values()):
        logger.warning("A run is left out: %s", sentence)
    return [run for run in runs if not damages.get(run)]


def other_code(run: Run) -> str | None:
    """A warning if the run was made with another version or commit of nblib than the present one; None if not."""
    made, now = run.facts["provenance"], {"nblib": version("nblib"), "commit": _commit()}
    then, present = (f"{facts.get('nblib')} (commit {facts.get('commit') or 'unknown'})" for facts in (made, now))
    if then == present:
        return None
    return f"{run.folder} was made with nblib {then}, this is {present}; force=True trains it again."


def open_finished(folder: str | Path) -> Run:
    """The finished run in `folder`.

    Raises:
        FileNotFoundError: there is no run, or it is not finished; the message names the finished ones nearby.
    """
    folder = Path(folder)
    if Run(folder).finished:
        return Run(folder)
    nearby = ", ".join(str(run.folder) for run in find_runs(folder.parent.parent) if run.finished)
    raise FileNotFoundError(f"no finished run in {folder}; finished are: {nearby or 'none, train one first'}.")


def comparable_runs(runs: list[Run], run: Run, varying: Iterable[str]) -> list[Run]:
    """The finished runs on the same data that differ from `run` in nothing but their name and what is `varying`."""

    def fixed(other: Run) -> dict[str, Any]:
        conditions = {**other.experiment.conditions(), "data_fingerprint": other.facts["data_fingerprint"]}
        return {name: value for name, value in conditions.items() if name not in {"experiment_name", *varying}}

    return [other for other in runs if other.finished and fixed(other) == fixed(run)]


def provenance() -> dict[str, Any]:
    """When, where and with what a run is made: versions, commit, machine."""
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
