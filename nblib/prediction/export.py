"""A run as a folder that works without nblib: the model, its concepts with thresholds, their calibration, a script."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from nblib.evaluation import read_saved_rule
from nblib.experiments import Run, open_finished
from nblib.prediction import standalone
from nblib.prediction.card import model_card, write_card
from nblib.prediction.trust import saved_calibration
from nblib.system import replacing
from nblib.training import export_model


def export_run(run_folder: str | Path, to: str | Path, form: str = "onnx", rule: str = "threshold") -> float:
    """Writes model, concepts.csv, calibration.csv (if the run has one), predict.py and README.md into the folder `to`.

    Needs the run folder alone. What else is in `to` stays, and so does a README.md that is not a card of nblib.

    Args:
        run_folder: of a finished run.
        to: a folder, which may exist.
        form: onnx, saved_model or litert.
        rule: where thresholds are from: threshold (0.5 for all), tuned_threshold or concept_thresholds.

    Returns:
        The largest difference of a probability from Keras's, as `nblib.training.export_model` measures it.

    Raises:
        FileNotFoundError: there is no finished run, or it has no such rule.
        ValueError: as `export_model`, or the rule is not a threshold.
    """
    run, to = open_finished(run_folder), Path(to)
    concepts = concept_thresholds(run, rule)
    difference = export_model(run, to, form)
    write_card(to / "README.md", model_card(run_folder))
    with replacing(to / "concepts.csv") as beside:
        concepts.to_csv(beside)
    with replacing(to / "predict.py") as beside:
        shutil.copyfile(standalone.__file__, beside)
    (to / "calibration.csv").unlink(missing_ok=True)
    if (steps := _calibration(run)) is not None:
        with replacing(to / "calibration.csv") as beside:
            steps.to_csv(beside, index=False)
    return difference


def concept_thresholds(run: Run, rule: str) -> pd.DataFrame:
    """Name, images of train and threshold of each concept, in the order of the model's outputs.

    Raises: as `export_run`.
    """
    concepts = list(run.vocabulary.concepts)
    threshold = 0.5
    if rule != "threshold":
        threshold = getattr(read_saved_rule(run.folder, rule, len(concepts)), "threshold", None)
        if threshold is None:
            raise ValueError(f"an exported model selects by thresholds, which the rule {rule!r} has not: choose "
                             f"threshold, tuned_threshold or concept_thresholds.")  # fmt: skip
    table = run.concepts.reindex(concepts).rename_axis("concept")
    return table.assign(images=table["images"].astype("Int64"), threshold=threshold)


def _calibration(run: Run) -> pd.DataFrame | None:
    """Log odds of probabilities and the calibrated probabilities between which others are interpolated."""
    if (calibration := saved_calibration(run)) is None:
        return None
    return pd.DataFrame(np.stack([calibration.steps, calibration.values], 1), columns=["log_odds", "calibrated"])
