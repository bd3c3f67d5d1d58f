"""Our runs beside the paper's: Table 3 filled, and in which conditions a run differs from its row."""

import pandas as pd

from nblib.experiment import Experiment
from nblib.paper import table_3
from nblib.runs import Run

# Conditions that Table 3 gives row by row, and those that section 4 gives for all rows.
PAPER_CONDITIONS = (
    "backbone", "image_size", "flipped_copies", "fc_layers", "fc_units", "dropout", "batch_size", "loss",
    "lr_reduction_factor", "lr_reduction_patience", "lr_reduction_monitor",
)  # fmt: skip
UNIFORM_CONDITIONS = {
    "weights": "imagenet", "pooling": "flatten", "learning_rate": 1e-5, "schedule_decay": 0.9, "limit_images": None,
    "trainable_from": None,
}  # fmt: skip


def against_paper(runs: list[Run]) -> pd.DataFrame:
    """Our finished runs beside the paper's, one row a run: F1 on the test half, the paper's, and what differs.

    Columns: experiment_name, validation_half, best_epoch, validation_f1, test_f1, baseline_f1 (the most frequent
    concepts), paper_f1 (None where the paper has none), data, differs_in. Paper: Table 3.
    """
    columns = [
        "experiment_name", "validation_half", "best_epoch", "validation_f1", "test_f1", "baseline_f1", "paper_f1",
        "data", "differs_in",
    ]  # fmt: skip
    rows = []
    for run in runs:
        if run.finished:
            experiment, scores = run.experiment, run.scores
            measured = [scores[name] for name in columns[2:6]]
            told = [paper_f1(experiment), run.facts["data"], "; ".join(differences_from_paper(experiment))]
            rows.append([experiment.experiment_name, experiment.validation_half, *measured, *told])
    return pd.DataFrame(rows, columns=columns)


def fill_table_3(runs: list[Run]) -> pd.DataFrame:
    """Table 3 filled: the paper's ten experiments with its F1 on both test halves and ours, blank where there is none.

    One row an experiment, or several if the runs are on several data sets. Columns: paper_val1, paper_val2, here_val1,
    here_val2 (test-half F1 by validation half, as the table has it), data, and conditions, which says whether ours are
    the paper's. Paper: Table 3.
    """
    ours = against_paper(runs)
    halves = ours.pivot_table("test_f1", ["experiment_name", "data"], "validation_half", observed=True)
    halves = halves.reindex(columns=["val1", "val2"]).add_prefix("here_")
    differing = ours[ours["differs_in"] != ""].drop_duplicates(["experiment_name", "data"])
    differing = differing.set_index(["experiment_name", "data"])["differs_in"].str.count(";") + 1
    told = differing.map("differ in {} from the paper's".format).reindex(halves.index).fillna("the paper's")
    filled = halves.assign(conditions=told).reset_index("data")
    reported = table_3()[["test_f1_val1", "test_f1_val2"]].set_axis(["paper_val1", "paper_val2"], axis=1)
    return reported.join(filled.rename_axis(reported.index.name))


def paper_f1(experiment: Experiment) -> float | None:
    """What Table 3 reports for this experiment on this half; None where it reports nothing."""
    reported = table_3()[f"test_f1_{experiment.validation_half}"].get(experiment.experiment_name)
    return None if reported is None or pd.isna(reported) else float(reported)


def differences_from_paper(experiment: Experiment) -> list[str]:
    """In what the experiment's conditions differ from its row of Table 3, as short phrases; [] if in nothing.

    Data and label space are not compared: they are told by the data's fingerprint and the vocabulary.
    """
    rows = table_3()
    if experiment.experiment_name not in rows.index:
        return ["not in Table 3"]
    row = rows.loc[experiment.experiment_name]
    differing = []
    for name in PAPER_CONDITIONS:
        theirs, ours = row[name], getattr(experiment, name)
        theirs = None if pd.isna(theirs) else theirs
        if name.startswith("lr_reduction_") and experiment.lr_reduction_factor is None:
            ours = None
        if theirs != ours:
            differing.append(f"{name} {ours}, not {theirs}")
    for name, theirs in UNIFORM_CONDITIONS.items():
        ours = getattr(experiment, name)
        if ours != theirs:
            differing.append(f"{name} {ours}, not {theirs}")
    return differing
