"""Runs -> rows of the leaderboard: F1, learning curve, the paper's F1, and what differs from the paper."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from nblib.experiments import Run, best_epoch, time_left
from nblib.reports.boundary import Damage, attempt, readable
from nblib.reports.seeds import collapse_runs, same_but_seed
from nblib.reports.tables import differences_from_paper, f1_on_test_split, paper_f1

MEASURES = {"epoch": "epoch", "val_loss": "loss", "val_f1": "f1"}  # column of a history -> name in the comparison


@dataclass
class Row:
    """One run, or one experiment that failed before there was a run. Unknown is None; F1 is that of the test half."""

    name: str
    half: str
    status: str
    page: str | None = None
    error: str | None = None
    note: str = ""
    best_epoch: int | None = None
    epochs: int | None = None
    f1: float | None = None
    interval: tuple[float, float] | None = None
    baseline: float | None = None
    test_split_f1: float | None = None
    paper: float | None = None
    seconds: float | None = None
    data: str = ""
    differences: list[str] = field(default_factory=list)
    conditions: dict[str, Any] = field(default_factory=dict)
    history: dict[str, list[float]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name and half in one."""
        return f"{self.name}, {self.half}"


def leaderboard(pages: list[Any]) -> list[Row]:
    """The rows of pages (`nblib.reports.pages.Page`), the best F1 first, then those without one, by status.

    An experiment that failed before there was a run is left out once it has one.
    """
    finished = [page for page in pages if page.run and page.row.status == "finished"]
    on_test_split = f1_on_test_split(page.run for page in finished)
    for page in finished:
        page.row.test_split_f1 = on_test_split.get(page.run.folder)
    trained = {page.row.label for page in pages if page.run}
    rows = [page.row for page in pages if page.row and (page.run or page.row.label not in trained)]
    return sorted(rows, key=lambda row: (row.f1 is None, -(row.f1 or 0), row.status, row.label))


def collapsed_rows(pages: list[Any]) -> list[dict[str, Any]]:
    """The rows of `nblib.reports.seeds.collapse_runs`, the best F1 first.

    None where no experiment has several seeds: then they say nothing new, and it takes time to read all probabilities.
    """
    runs = [page.run for page in pages if page.run and page.row.status == "finished"]
    if all(len({run.experiment.seed for run in same}) == 1 for same in same_but_seed(runs)):
        return []
    table = collapse_runs(runs).sort_values("f1", ascending=False, kind="stable")
    return table.astype(object).where(table.notna(), None).to_dict("records")


def varying_conditions(rows: list[Row]) -> list[str]:
    """The parameters that are not the same in all rows, in their own order."""
    readable = pd.DataFrame([row.conditions for row in rows if row.conditions])
    readable = readable.drop(columns="experiment_name", errors="ignore")
    return [name for name in readable if readable[name].astype(str).nunique() > 1]


def read_row(run: Run) -> Row:
    """The run's row; if its files can't be read, a row that says so: one damaged run must not hide the others."""
    row = attempt(lambda: _row_of(run))
    if isinstance(row, Damage):
        return Row(readable(run.folder.parent.name), readable(run.folder.name), "damaged", error=row.reason)
    return row


def _row_of(run: Run) -> Row:
    experiment = run.experiment
    history = run.history if (run.folder / "history.csv").is_file() else pd.DataFrame()
    scores = run.scores if run.finished else {}
    row = Row(
        experiment.experiment_name, experiment.half,
        "finished" if run.finished else "running" if run.running else "unfinished",
        paper=paper_f1(experiment), data=run.facts["data"], differences=differences_from_paper(experiment),
        conditions={"data": run.facts["data"], **experiment.conditions()},
        f1=scores.get("test_f1"), baseline=scores.get("baseline_f1"), interval=scores.get("test_f1_interval"),
    )  # fmt: skip
    if len(history):
        row.epochs, row.seconds = len(history), float(history["seconds"].sum())
    if "val_f1" in history:
        row.history = {name: history[column].round(5).tolist() for column, name in MEASURES.items()}
        row.best_epoch = best_epoch(history)
    if experiment.train_on == "all":
        row.note = "trained on all images, so that none is left for an F1"
    if experiment.imported:
        row.note = "probabilities imported, not trained here"
    if not run.finished:
        row.note = f"epoch {len(history)} of {experiment.epochs}"
        row.note += f", {time_left(history, experiment.epochs)}" if row.status == "running" else ""
    return row
