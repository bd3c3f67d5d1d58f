"""Runs that differ in nothing but seed and half, collapsed into a row: mean F1, standard deviation, 95 % interval."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nblib.data import Dataset, find_groups, join_groups
from nblib.evaluation import compare_seeds
from nblib.experiments import Run
from nblib.reports.tables import f1_on_test_half, paper_f1

COLUMNS = ["experiment_name", "test_halves", "seeds", "runs", "f1", "sd", "low", "high", "gain", "gain_low",
           "gain_high", "groups", "paper_f1", "data"]  # fmt: skip


class Scored(NamedTuple):
    """F1 of one run by image_id of its test half, and its data."""

    dataset: Dataset
    f1: pd.Series


def collapse_runs(runs: Iterable[Run]) -> pd.DataFrame:
    """Finished runs of one experiment with all their seeds and both halves as one row, in the order of `runs`.

    F1 at threshold 0.5 is the mean over the images of the test halves that all seeds have, and over seeds. Its interval
    counts both: images (or groups of them, where the data folder names groups) and seeds. With one seed it says nothing
    of seeds. A gain is over the first row of the same images, paired by image.

    Returns:
        Columns experiment_name (without `_seed_...`), test_halves, seeds, runs (numbers), f1, sd (of F1 between
        seeds), low, high, gain, gain_low, gain_high, groups (file that names them), paper_f1 (mean of its halves) and
        data. Where images can't be compared, because their data are gone or each seed has drawn others, f1 and sd are
        from the runs' scores, and there is no interval.
    """
    runs = [run for run in runs if run.finished and run.experiment.half != "all"]
    scored = {run.folder: Scored(dataset, f1) for run, dataset, f1 in f1_on_test_half(runs)}
    rows, on_images = [], defaultdict(dict)
    for same in same_but_seed(runs):
        by_seed = _by_seed(same)
        first = scored.get(same[0].folder)
        per_seed = [_joined(pair.values(), scored) for pair in by_seed.values()]
        ids = None if per_seed[0] is None else tuple(per_seed[0].index)
        if ids and all(f1 is not None and tuple(f1.index) == ids for f1 in per_seed):
            on_images[first.dataset.fingerprint, ids][len(rows)] = (first.dataset, per_seed)
        rows.append(_row(same, by_seed))
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"groups": object, **dict.fromkeys(COLUMNS[4:11], float)})
    for (_, ids), comparable in on_images.items():
        _enter_intervals(table, ids, comparable)
    return table


def same_but_seed(runs: Iterable[Run]) -> list[list[Run]]:
    """The runs, those of one folder together that differ in nothing but seed, half, and the seed in their names."""
    together = defaultdict(list)
    for run in runs:
        conditions = run.experiment.conditions() | {"experiment_name": run.experiment.base_name}
        for free in ("seed", "validation_half"):
            del conditions[free]
        facts = [str(run.folder.parent.parent), run.facts["data_fingerprint"], conditions]
        together[json.dumps(facts, sort_keys=True)].append(run)
    return list(together.values())


def _by_seed(runs: list[Run]) -> dict[int, dict[str, Run]]:
    """Seed -> test half -> run, with the halves that all seeds have; all halves where they have none in common."""
    found = defaultdict(dict)
    for run in runs:
        found[run.experiment.seed][run.experiment.test_half] = run
    common = set.intersection(*(set(pair) for pair in found.values()))
    return {seed: {h: pair[h] for h in sorted(pair) if h in common or not common} for seed, pair in found.items()}


def _joined(runs: Iterable[Run], scored: dict[Any, Scored]) -> pd.Series | None:
    """F1 by image of the runs of one seed, in the order of image_ids; None where one of them can't be scored."""
    parts = [scored.get(run.folder) for run in runs]
    return None if None in parts else pd.concat([part.f1 for part in parts]).sort_index()


def _row(same: list[Run], by_seed: dict[int, dict[str, Run]]) -> dict[str, Any]:
    """The row from the runs' scores, without intervals."""
    used = [run for pair in by_seed.values() for run in pair.values()]
    f1 = [np.mean([run.scores.get("test_f1", np.nan) for run in pair.values()]) for pair in by_seed.values()]
    paper = [paper_f1(run.experiment) for run in used]
    halves = sorted({half for pair in by_seed.values() for half in pair})
    return {
        "experiment_name": same[0].experiment.base_name, "test_halves": ", ".join(halves), "seeds": len(by_seed),
        "runs": len(used), "f1": np.mean(f1), "sd": np.std(f1, ddof=1) if len(f1) > 1 else np.nan,
        "paper_f1": np.nan if None in paper else np.mean(paper), "data": same[0].facts["data"],
    }  # fmt: skip


def _enter_intervals(table: pd.DataFrame, ids: tuple[str, ...], comparable: dict[int, tuple]) -> None:
    """Enters F1, intervals and gains of the rows that were scored on these images."""
    dataset = next(iter(comparable.values()))[0]
    known = find_groups(dataset)
    groups = join_groups(ids, known) if len(known) else None
    found = compare_seeds({row: [f1.to_numpy() for f1 in seeds] for row, (_, seeds) in comparable.items()}, groups)
    names = ["f1", "sd", "low", "high", "gain", "gain_low", "gain_high"]
    table.loc[found.index, names] = found[names].to_numpy()
    table.loc[found.index, "groups"] = known.name
