"""Finished runs beside each other: how sure to be that one is better than another."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
import pandas as pd

from nblib.dataset import Dataset, read_dataset
from nblib.deciding import read_half
from nblib.intervals import compare_f1
from nblib.metrics import f1_by_image
from nblib.runs import Run
from nblib.selection import select


def compare_runs(runs: Iterable[Run]) -> pd.DataFrame:
    """F1 of finished runs on their test halves at threshold 0.5, and the gain over the first run on the same images.

    With 95 % intervals over images, paired: where that of a gain holds 0, the two runs are not told apart. They say how
    much hangs on the images, not on the seed. Runs whose data are gone, or others now, are left out.

    Returns:
        One row a run: test_half, experiment_name, f1, low, high, gain, gain_low, gain_high.
    """
    columns = ["test_half", "experiment_name", "f1", "low", "high", "gain", "gain_low", "gain_high"]
    tables = [pd.DataFrame(columns=columns)]
    for (half, *_), f1_of in _f1_by_images(runs).items():
        tables.append(compare_f1(f1_of).rename_axis("experiment_name").reset_index().assign(test_half=half))
    return pd.concat(tables[1:] or tables, ignore_index=True)[columns]


def _f1_by_images(runs: Iterable[Run]) -> dict[tuple, dict[str, np.ndarray]]:
    """F1 of each image by run, for each test half of each data set."""
    together = defaultdict(dict)
    for run, dataset in _with_data(runs):
        experiment = run.experiment
        half = read_half(run, dataset, experiment.test_half)
        drawn = experiment.limit_images and (experiment.limit_images, experiment.seed)
        images = (experiment.test_half, dataset.fingerprint, drawn)
        together[images][experiment.experiment_name] = f1_by_image(half.labels, select(half.probabilities))
    return together


def _with_data(runs: Iterable[Run]) -> Iterator[tuple[Run, Dataset]]:
    read = cache(lambda folder, quarantine: read_dataset(folder, quarantine=quarantine))
    for run in runs:
        if run.finished and run.experiment.data_folder.is_dir():
            dataset = read(run.experiment.data_folder, run.experiment.quarantine_file)
            if dataset.fingerprint == run.facts["data_fingerprint"]:
                yield run, dataset
