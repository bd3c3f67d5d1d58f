"""Tables 3 and 4 of the paper, filled with our runs and submissions."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pandas as pd

from nblib.evaluation import CAP
from nblib.experiments import Run, table_3, table_4
from nblib.reports.submissions import score_submissions
from nblib.reports.tables import differences_from_paper, with_data

PAPER_RULE = f"threshold 0.5, at most {CAP} concepts"


def fill_table_3(runs: list[Run], submissions: pd.DataFrame) -> pd.DataFrame:
    """Table 3 filled: the paper's ten experiments, its best epochs and F1 and those of our finished runs beside them.

    One row per experiment, or several if its runs are in several folders. Columns: epoch and F1 on the test half by
    validation half, and F1 online, each of the paper and here, blank where there is none; conditions, which says
    whether ours are the paper's; and data. Ours online is the submission that was made as the paper made its own.

    Where an experiment was run with several seeds, ours are the median epoch and the mean F1 of them, `here, sd` is the
    standard deviation of F1 between seeds, and `seeds` their number; without such runs these columns are missing.

    Args:
        runs: finished ones are shown.
        submissions: as for `fill_table_4`.
    """
    online = as_in_the_paper(submissions)
    online = online[~online["nomissing"].astype(bool)].drop_duplicates("run").set_index("run")["f1"]
    filled = []
    for name, row in table_3().iterrows():
        found = defaultdict(lambda: {"val1": [], "val2": []})
        for run in (run for run in runs if run.finished and run.experiment.base_name == name):
            if run.experiment.half != "all" and not run.experiment.imported:
                found[run.folder.parent.parent][run.experiment.half].append(run)
        filled += [_filled_row(row, runs_of, online) for runs_of in found.values() or [{"val1": [], "val2": []}]]
    table = pd.DataFrame(filled).set_index("experiment_name")
    if table["seeds"].max() <= 1:
        table = table.drop(columns=[name for name in table if name.endswith(", sd") or name == "seeds"])
    epochs = [name for name in table if "epoch" in name]
    return table.astype(dict.fromkeys(epochs, "Int64"))


def fill_table_4(submissions: pd.DataFrame) -> pd.DataFrame:
    """Table 4 filled: the paper's five submissions, and those of ours that were made in the same way.

    Args:
        submissions: one row per file, from `nblib.reports.scored_submissions`.

    Returns:
        One row per submission of the paper and of ours for it: submission, experiment_name, rank, f1_paper, f1_here,
        data. `f1_here` and `data` are blank where there is none of ours.
    """
    ours = as_in_the_paper(submissions)[["experiment_name", "nomissing", "f1", "data"]]
    theirs = table_4().assign(nomissing=lambda table: table["submission"].str.endswith("nomissing"))
    same = ["experiment_name", "nomissing"]
    both = theirs.merge(ours.astype({"nomissing": bool}), "left", same, suffixes=("_paper", "_here"))
    return both[["submission", "experiment_name", "rank", "f1_paper", "f1_here", "data"]]


def scored_submissions(runs: Iterable[Run]) -> pd.DataFrame:
    """One row per submission of finished runs: folder of the run, file, how it was made, and its F1.

    `f1` is the online score where one was entered, else the score on the test split where that is labelled, else NaN.
    """
    columns = ["run", "experiment_name", "validation_half", "data", "file", "year", "rule", "nomissing", "f1"]
    runs = [run for run in runs if run.finished]
    truths = {run.folder: dataset.test_concepts for run, dataset in with_data(runs)}
    rows = []
    for run in runs:
        for row in score_submissions(run.folder, truths.get(run.folder, {})).to_dict("records"):
            threshold = f" {row['thresholds']['threshold']}" if row["rule"] == "threshold" else ""
            rule = f"{row['rule']}{threshold}, at most {row['cap']} concepts"
            f1 = row["f1"] if pd.isna(row["online_f1"]) else row["online_f1"]
            rows.append({**row, "run": str(run.folder), "data": run.facts["data"], "rule": rule, "f1": f1})
    return pd.DataFrame(rows, columns=columns)


def as_in_the_paper(submissions: pd.DataFrame) -> pd.DataFrame:
    """The submissions that were made as the paper's: from val1's run, by its rule, for 2020, "nomissing" or not.

    Paper: section 3.3, "the model trained with first configuration", and Table 4.
    """
    return submissions[(submissions[["validation_half", "rule", "year"]] == ["val1", PAPER_RULE, 2020]).all(axis=1)]


def _filled_row(row: pd.Series, runs_of: dict[str, list[Run]], online: pd.Series) -> dict[str, Any]:
    """One row of `fill_table_3`, from that of `table_3` and our runs of all seeds by validation half."""
    cells, everything = {"experiment_name": row.name}, [run for runs in runs_of.values() for run in runs]
    for half, runs in runs_of.items():
        ours = pd.DataFrame([run.scores for run in runs], columns=["best_epoch", "test_f1"]).astype(float)
        f1 = ours["test_f1"]
        cells[f"{half} epoch, paper"], cells[f"{half} epoch, here"] = row[f"best_epoch_{half}"], _median(ours)
        cells |= {f"{half} F1, paper": row[f"test_f1_{half}"], f"{half} F1, here": f1.mean(),
                  f"{half} F1, here, sd": f1.std()}  # fmt: skip
    ours_online = online.reindex([str(run.folder) for run in runs_of["val1"]]).astype(float).mean()
    cells |= {"online F1, paper": row["online_f1"], "online F1, here": ours_online, "conditions": None, "data": None}
    cells["seeds"] = len({run.experiment.seed for run in everything})
    if everything:
        differing = max(len(differences_from_paper(run.experiment)) for run in everything)
        cells["data"] = ", ".join(sorted({run.facts["data"] for run in everything}))
        cells["conditions"] = f"{differing} differ" if differing else "the paper's"
    return cells


def _median(scores: pd.DataFrame) -> int | None:
    """The median best epoch, of two the earlier one."""
    epochs = scores["best_epoch"].dropna()
    return int(epochs.quantile(interpolation="lower")) if len(epochs) else None
