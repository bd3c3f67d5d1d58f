"""Finished runs as members of an ensemble: each in the fold whose images it has not seen, and for the test images."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from nblib.data import Dataset, Examples
from nblib.ensembles.ensembles import EVALUATED_ON, TEST, TUNED_ON, Member, Members, pool
from nblib.experiments import Run, find_runs

OTHER_HALF = {"val1": "val2", "val2": "val1"}


def finished_runs(folder: str | Path, dataset: Dataset) -> list[Run]:
    """The finished runs below `folder` that were trained on all of these data."""
    runs = [run for run in find_runs(folder) if run.finished and run.experiment.limit_images is None]
    return [run for run in runs if run.facts["data_fingerprint"] == dataset.fingerprint]


def add_runs(members: Members, runs: Iterable[Run]) -> Members:
    """The members and finished runs, each in the fold that tunes on its validation half and evaluates on the other.

    Runs whose halves are no fold's join none. A run trained on all images has seen every fold. Where its experiment has
    runs on the halves, it joins them for the test images only: the mean of both, with the rule that is tuned for them.

    Raises:
        FileNotFoundError: test was never predicted.
        ValueError: a run did not predict all of the test images.
    """
    added, runs = {fold: dict(of_fold) for fold, of_fold in members.items()}, list(runs)
    for run in [run for run in runs if run.experiment.half != "all"]:
        for of_fold in added.values():
            if of_fold and (member := run_as_member(run, next(iter(of_fold.values())))):
                of_fold[run.experiment.experiment_name] = member
    for run in [run for run in runs if run.experiment.half == "all"]:
        name = run.experiment.experiment_name
        for of_fold in added.values():
            if name in of_fold and TEST in of_fold[name]:
                seen = _predicted(run, "test", of_fold[name][TEST])
                of_fold[name] = {**of_fold[name], TEST: pool({"half": of_fold[name][TEST], "all": seen})}
    return added


def run_as_member(run: Run, parts: Member) -> Member | None:
    """The parts of another member with the run's probabilities; None if the run was not tuned and tested on these.

    A concept without a sigmoid has probability 0. Raises as `add_runs`.
    """
    names = {TUNED_ON: run.experiment.half, EVALUATED_ON: OTHER_HALF[run.experiment.half], TEST: "test"}
    halves = (TUNED_ON, EVALUATED_ON)
    if any(set(run.probabilities(names[part])[0]) != set(parts[part].image_ids) for part in halves):
        return None
    return {part: _predicted(run, names[part], examples) for part, examples in parts.items()}


def _predicted(run: Run, name: str, examples: Examples) -> Examples:
    """The examples with the run's probabilities of val1, val2 or test."""
    image_ids, probabilities = run.probabilities(name)
    rows = pd.Index(image_ids).get_indexer(examples.image_ids)
    if (rows < 0).any():
        raise ValueError(f"{run.folder} did not predict {(rows < 0).sum():,} images of {name}: other data?")
    predicted = run.vocabulary.convert(probabilities[rows], examples.vocabulary)
    return replace(examples, features=None, probabilities=predicted)
