"""How far the concepts that a run finds can be trusted, from the run folder alone."""

import numpy as np
import pandas as pd

from nblib.evaluation import read_saved_rule
from nblib.experiments import Run
from nblib.prediction.predictor import Predictions

SCORED = ["true", "precision", "recall", "f1"]


def trust_table(run: Run, predictions: Predictions) -> pd.DataFrame:
    """What is known of each concept that was selected for at least one image, the most often selected first.

    Returns:
        Indexed by concept: name; selected (images here); probability, their mean, and calibrated, the same after the
        calibration that was fitted on the validation half; train, in how many images of train the concept is; true,
        in how many of the test half, and its precision, recall and f1 there. What the run does not know is missing.
    """
    selected = predictions.selected.toarray() > 0
    found = np.flatnonzero(selected.any(axis=0))
    concepts = pd.Index([predictions.vocabulary.concepts[k] for k in found], name="concept", dtype=object)
    counts, calibration = selected[:, found].sum(axis=0), saved_calibration(run)
    means = {"probability": predictions.probabilities[:, found]}
    if calibration is not None:
        means["calibrated"] = calibration.apply(means["probability"])
    means = {name: np.where(selected[:, found], values, 0).sum(axis=0) / counts for name, values in means.items()}
    names = [predictions.names.get(concept, "") for concept in concepts]
    table = pd.DataFrame({"name": names, "selected": counts, **means}, index=concepts)
    table["train"] = run.concepts["images"].reindex(concepts)
    table = table.join(run.concept_scores.reindex(index=concepts, columns=SCORED))
    return table.sort_values("selected", ascending=False, kind="stable")


def saved_calibration(run: Run):
    """The run's calibration, one of `nblib.evaluation.CALIBRATIONS`, fitted on its validation half; None if none is."""
    try:
        return read_saved_rule(run.folder, "expected_f1", len(run.vocabulary)).calibration
    except FileNotFoundError:
        return None
