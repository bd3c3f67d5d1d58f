"""Our runs beside the paper's, in which conditions a run differs from its row of Table 3, and from one another."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from nblib.data import Dataset, read_dataset
from nblib.evaluation import compare_f1, evaluate, f1_per_image, select
from nblib.experiments import LABEL_STATISTICS, Experiment, Run, paper_experiment, read_half, table_3

# Conditions in which a run is free: the paper has no seed and both halves; `backbone` shows the small relative.
FREE_CONDITIONS = {"experiment_name", "validation_half", "seed", "small_relative"}

logger = logging.getLogger(__name__)


def against_paper(runs: list[Run]) -> pd.DataFrame:
    """Our finished runs beside the paper's, one row per run: F1 on the test half, the paper's, and what differs.

    Columns: experiment_name, validation_half, best_epoch, validation_f1, test_f1, baseline_f1 (the most frequent
    concepts), paper_f1 (None where the paper has none), data, differs_in. A run trained on all images, whose
    validation_half is "all", has none of the four measured ones. Paper: Table 3.
    """
    measured = ["best_epoch", "validation_f1", "test_f1", "baseline_f1"]
    rows = []
    for run in (run for run in runs if run.finished):
        experiment, scores = run.experiment, run.scores
        rows.append([
            experiment.experiment_name, experiment.half, *(scores.get(name) for name in measured),
            paper_f1(experiment), run.facts["data"], "; ".join(differences_from_paper(experiment)),
        ])  # fmt: skip
    columns = ["experiment_name", "validation_half", *measured, "paper_f1", "data", "differs_in"]
    return pd.DataFrame(rows, columns=columns).astype({"best_epoch": "Int64", **dict.fromkeys(measured[1:], float)})


def paper_f1(experiment: Experiment) -> float | None:
    """What Table 3 reports for this experiment on this half; None where it reports nothing."""
    if experiment.half == "all" or experiment.imported:
        return None
    reported = pd.to_numeric(table_3()[f"test_f1_{experiment.half}"], errors="coerce")  # one says "crash"
    return reported.dropna().get(experiment.base_name)


def differences_from_paper(experiment: Experiment) -> list[str]:
    """In what the experiment's conditions differ from its row of Table 3, as short phrases; [] if in nothing.

    All conditions are compared; where the paper is silent, with our reading of it (`Experiment`). Of `epochs`, the
    maximum, only one below the row's best epoch differs. Data are not compared: their fingerprint identifies them.
    """
    if experiment.imported:
        return [f"imported {experiment.imported}, not trained here"]
    if experiment.base_name not in table_3().index:
        return ["not in Table 3"]
    ours, theirs = experiment.conditions(), paper_experiment(experiment.base_name).conditions()
    if ours["sigmoids"] == LABEL_STATISTICS["unique concepts"]:
        ours["sigmoids"] = None  # one per concept, as many as the paper has
    uncompared = {*FREE_CONDITIONS, "epochs"}
    if None in (ours["lr_reduction_factor"], theirs["lr_reduction_factor"]):
        uncompared |= {"lr_reduction_patience", "lr_reduction_monitor"}
    compared = [name for name in ours if name not in uncompared]
    differing = [f"{name} {ours[name]}, not {theirs[name]}" for name in compared if ours[name] != theirs[name]]
    if experiment.split:
        differing.append(f"split {experiment.split}, not the paper's halves")
    if (best := paper_best_epoch(experiment)) > experiment.epochs:
        differing.append(f"epochs {experiment.epochs}, below the paper's best epoch {best}")
    return differing


def paper_best_epoch(experiment: Experiment) -> int:
    """The best epoch of the experiment's row of Table 3 on this half; where it is not legible, on the other half."""
    row = table_3().loc[experiment.base_name]
    epochs = [row[f"best_epoch_{half}"] for half in (experiment.validation_half, experiment.test_half)]
    return next(int(epoch) for epoch in epochs if pd.notna(epoch))


def compare_runs(runs: Iterable[Run]) -> pd.DataFrame:
    """F1 of finished runs on their test halves at threshold 0.5, and the gain over the first run on the same images.

    With 95 % intervals over images, paired: if that of a gain contains 0, the difference is not significant. They
    say how much depends on the images, not on the seed. Runs whose data are gone or have changed are left out, runs
    trained on all images, and, with a warning, those whose probabilities are damaged.

    Returns:
        One row per run: test_half, experiment_name, f1, low, high, gain, gain_low, gain_high.
    """
    columns = ["test_half", "experiment_name", "f1", "low", "high", "gain", "gain_low", "gain_high"]
    tables = [pd.DataFrame(columns=columns)]
    for (half, *_), f1_of in _f1_by_images(runs).items():
        tables.append(compare_f1(f1_of).rename_axis("experiment_name").reset_index().assign(test_half=half))
    return pd.concat(tables[1:] or tables, ignore_index=True)[columns]


def f1_on_test_split(runs: Iterable[Run]) -> dict[Path, float]:
    """Folder of a run -> its F1 on the test split at threshold 0.5, where the split is labelled and was predicted.

    Images without a true concept are left out; true concepts that the run does not know are misses. Runs whose data
    or probabilities are gone, damaged or have changed are left out.
    """
    scores = {}
    for run, dataset in with_data(run for run in runs if run.has_probabilities("test")):
        try:
            predicted = dataset.test_concepts and run.has_predicted_test(dataset)
            image_ids, probabilities = run.probabilities("test") if predicted else ((), None)
        except (OSError, ValueError):
            continue
        truth = {
            image_id: dataset.test_concepts[image_id] for image_id in image_ids if image_id in dataset.test_concepts
        }
        if any(truth.values()):
            selected = dict(zip(image_ids, run.vocabulary.decode(select(probabilities)), strict=True))
            scores[run.folder], _ = evaluate(truth, {image_id: selected[image_id] for image_id in truth})
    return scores


def f1_on_test_half(runs: Iterable[Run]) -> Iterator[tuple[Run, Dataset, pd.Series]]:
    """The finished runs, their data, and F1 by image_id of their test halves at threshold 0.5.

    Left out are runs whose data are gone or have changed, and, with a warning, those with damaged probabilities.
    """
    for run, dataset in with_data(run for run in runs if run.experiment.half != "all"):
        try:
            half = read_half(run, dataset, run.experiment.test_half)
        except (OSError, ValueError) as damage:
            logger.warning("A run is not compared: %s", damage)
            continue
        yield run, dataset, pd.Series(f1_per_image(half.labels, select(half.probabilities)), half.image_ids)


def _f1_by_images(runs: Iterable[Run]) -> dict[tuple, dict[str, np.ndarray]]:
    """F1 per image by run, for each test half of each data set."""
    together = defaultdict(dict)
    for run, dataset, f1 in f1_on_test_half(runs):
        experiment = run.experiment
        drawn = experiment.limit_images and (experiment.limit_images, experiment.seed)
        images = (experiment.test_half, dataset.fingerprint, drawn)
        together[images][experiment.experiment_name] = f1.to_numpy()
    return together


def with_data(runs: Iterable[Run]) -> Iterator[tuple[Run, Dataset]]:
    """The finished runs and their data, each read once; runs whose data are gone or have changed are left out."""

    @cache
    def read(folder: Path, **files: Path | None) -> Dataset | None:
        try:
            return read_dataset(folder, **files)
        except (OSError, ValueError):
            return None

    for run in (run for run in runs if run.finished):
        dataset = run.experiment.read_data(read)
        if dataset and dataset.fingerprint == run.facts["data_fingerprint"]:
            yield run, dataset
