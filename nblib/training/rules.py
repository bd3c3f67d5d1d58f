"""What a finished run keeps of the labels of both halves, for those who use it without its data."""

from typing import Any

import numpy as np
import pandas as pd

from nblib.data import Dataset, Examples
from nblib.evaluation import (
    RULES,
    concept_scores,
    constant_list,
    f1_by_category,
    f1_interval,
    f1_per_image,
    fit_or_read_rule,
    most_frequent_concepts,
    rule_file,
    sample_f1,
    select,
)
from nblib.experiments import Run, read_half


def score_halves(run: Run, dataset: Dataset, train_images: pd.DataFrame) -> dict[str, Any]:
    """F1 at threshold 0.5 on both halves, and F1 of the most frequent concepts of the train images on the test half.

    Concepts that the label space lacks count as misses. The test half's F1 comes with its 95 % bootstrap confidence
    interval over images, [low, high].
    """
    halves = {name: read_half(run, dataset, name) for name in ("val1", "val2")}
    f1 = {name: f1_per_image(half.labels, select(half.probabilities)) for name, half in halves.items()}
    interval, test = f1_interval(f1[run.experiment.test_half]), halves[run.experiment.test_half]
    frequent = most_frequent_concepts(Examples.of(train_images, test.vocabulary).labels)
    return {
        "validation_f1": float(np.nanmean(f1[run.experiment.validation_half])),
        "test_f1": interval.mean,
        "test_f1_interval": [interval.low, interval.high],
        "baseline_f1": sample_f1(test.labels, constant_list(test.labels.shape, frequent)),
    }


def save_rules_and_concept_scores(run: Run, dataset: Dataset) -> None:
    """Saves all decision rules, fitted on the validation half, and scores by concept and category on the test half.

    Only what is missing is fitted and saved; of a run trained on all images, which has no half, nothing.
    """
    if run.experiment.train_on == "all":
        return
    names = [name for name in RULES if name != "threshold" and not rule_file(run.folder, name).is_file()]
    if names:
        half = read_half(run, dataset, run.experiment.validation_half)
        for name in names:
            fit_or_read_rule(run.folder, name, half)
    if run.concept_scores.empty or run.category_scores.empty:
        half = read_half(run, dataset, run.experiment.test_half)
        scores = concept_scores(half.labels, half.probabilities, half.vocabulary)
        run.write_concept_scores(scores.loc[list(run.vocabulary.concepts)])
        run.write_category_scores(f1_by_category(half.categories, half.labels, select(half.probabilities)))
