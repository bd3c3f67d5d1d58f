"""Runs -> rows of the leaderboard: what each reached, how it learned, what the paper has, what differs."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from nblib.experiments import ARCHIVED, NO_CONDITIONS, Run, best_epoch, duration, time_left
from nblib.reports.tables import differences_from_paper, paper_f1

CURVE = (120, 32)  # width and height of the small curves
COLUMNS = {"epoch": "epoch", "val_loss": "loss", "val_f1": "f1"}  # of a history -> of the comparison


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
    paper: float | None = None
    seconds: float | None = None
    data: str = ""
    differences: list[str] = field(default_factory=list)
    conditions: dict[str, Any] = field(default_factory=dict)
    history: dict[str, list[float]] = field(default_factory=dict)
    readable: bool = True

    @property
    def label(self) -> str:
        """Name and half in one."""
        return f"{self.name}, {self.half}"

    @property
    def difference(self) -> float | None:
        """F1 here less the paper's."""
        return None if self.f1 is None or self.paper is None else self.f1 - self.paper

    @property
    def time(self) -> str:
        """The seconds of all epochs, as people say them."""
        return "" if self.seconds is None else duration(self.seconds)

    @property
    def curve(self) -> str:
        """F1 of the validation half over the epochs as points of an SVG line of the size CURVE; "" without epochs."""
        f1, (width, height) = self.history.get("f1", []), CURVE
        top, step = max([*f1, 1e-9]), (width - 4) / max(len(f1) - 1, 1)
        return " ".join(
            f"{2 + step * n:.1f},{height - 3 - (height - 6) * value / top:.1f}" for n, value in enumerate(f1)
        )

    @property
    def curve_told(self) -> str:
        """The curve in words, for those who do not see it."""
        f1 = self.history.get("f1", [])
        return f"F1 of the validation half over {len(f1)} epochs, from {f1[0]:.3f} to {f1[-1]:.3f}" if f1 else ""


def leaderboard(rows: Iterable[Row]) -> list[Row]:
    """The rows, the best F1 first, then those without: failed, running, unfinished."""
    return sorted(rows, key=lambda row: (row.f1 is None, -(row.f1 or 0), row.status, row.label))


def with_page(row: Row | None, page: Any) -> Row | None:
    """The row with what its page (`nblib.reports.pages.Page`) tells: its file, and how the notebook ended.

    A notebook may fail after its run is finished, and says so on its page. An experiment that failed before there was
    a run gets a row of its own; None for a notebook that trains none, or was put aside.
    """
    if row is None:
        begun = page.experiment and page.status != "finished" and ARCHIVED not in page.folder
        return Row(*page.experiment, page.status, page.file, page.error) if begun else None
    status = page.status if row.status == "unfinished" and page.status == "failed" else row.status
    return replace(row, page=page.file, status=status, error=row.error or page.error)


def varying_conditions(rows: list[Row]) -> list[str]:
    """The parameters that are not the same in all rows, in their own order."""
    names = {name: None for row in rows for name in row.conditions}
    return [name for name in names if len({str(row.conditions.get(name)) for row in rows if row.conditions}) > 1]


def read_row(run: Run) -> Row:
    """The run's row; one that says so where its files can't be read, since one damaged run must not hide the others."""
    try:
        return _row_of(run)
    except (OSError, ValueError, KeyError, TypeError) as error:
        told = f"{run.folder} can't be read: {error}"[:500]
        return Row(run.folder.parent.name, run.folder.name, "failed", error=told, readable=False)


def _row_of(run: Run) -> Row:
    experiment = run.experiment
    history = run.history if (run.folder / "history.csv").is_file() else pd.DataFrame()
    scores = run.scores if run.finished else {}
    row = Row(
        experiment.experiment_name, experiment.validation_half,
        "finished" if run.finished else "running" if run.running else "unfinished",
        paper=paper_f1(experiment), data=run.facts["data"], differences=differences_from_paper(experiment),
        conditions={"data": run.facts["data"], **experiment.model_dump(exclude={*NO_CONDITIONS, "experiment_name"})},
        f1=scores.get("test_f1"), baseline=scores.get("baseline_f1"), interval=scores.get("test_f1_interval"),
    )  # fmt: skip
    if len(history):
        row.history = {name: history[column].round(5).tolist() for column, name in COLUMNS.items()}
        row.best_epoch, row.epochs = best_epoch(history["val_f1"]), len(history)
        row.seconds = float(history["seconds"].sum())
    if not run.finished:
        row.note = f"epoch {len(history)} of {experiment.epochs}"
        row.note += f", {time_left(history, experiment.epochs)}" if row.status == "running" else ""
    return row
