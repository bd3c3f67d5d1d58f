"""Runs -> rows of the leaderboard: what each reached, how it learned, what the paper has, what differs."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from nblib.experiment import NO_CONDITIONS
from nblib.runs import ASIDE, Run, best_epoch, differences_from_paper, duration, paper_f1, time_left

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
    validation_f1: float | None = None
    f1: float | None = None
    interval: tuple[float, float] | None = None
    baseline: float | None = None
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
        return " ".join(f"{2 + step * n:.1f},{height - 3 - (height - 6) * value / top:.1f}" for n, value in enumerate(f1))

    @property
    def curve_told(self) -> str:
        """The curve in words, for those who do not see it."""
        f1 = self.history.get("f1", [])
        return f"F1 of the validation half over {len(f1)} epochs, from {f1[0]:.3f} to {f1[-1]:.3f}" if f1 else ""


def leaderboard(pages_and_runs: Iterable[tuple[Any, Run | None]]) -> list[Row]:
    """One row a run, the best F1 first, then those without: running, failed, unfinished.

    An experiment that failed before there was a run has a row as well.

    Args:
        pages_and_runs: pages (`nblib.reports.pages.Page`) with their run, None where they have none.
    """
    pairs = list(pages_and_runs)
    rows = [_row_of(page, run) for page, run in pairs if run]
    there = {(row.name, row.half) for row in rows}
    for page, run in pairs:
        begun = page.experiment and page.status != "finished" and ASIDE not in page.folder
        if not run and begun and tuple(page.experiment) not in there:
            rows.append(Row(*page.experiment, page.status, page.file, page.error))
    return sorted(rows, key=lambda row: (row.f1 is None, -(row.f1 or 0), row.status, row.label))


def varying_conditions(rows: list[Row]) -> list[str]:
    """The parameters that are not the same in all rows, in their own order."""
    names = {name: None for row in rows for name in row.conditions}
    return [name for name in names if len({str(row.conditions.get(name)) for row in rows if row.conditions}) > 1]


def trouble_with(run: Run) -> str | None:
    """Why the run's files can't be read; None where they can. One damaged run must not hide the others."""
    try:
        _row_of(None, run)
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{run.folder} can't be read: {error}"[:500]


def _row_of(page: Any, run: Run) -> Row:
    if page and (trouble := trouble_with(run)):
        return Row(run.folder.parent.name, run.folder.name, "failed", page.file, trouble)
    experiment = run.experiment
    history = run.history if (run.folder / "history.csv").is_file() else pd.DataFrame()
    scores = run.scores if run.finished else {}
    row = Row(
        experiment.experiment_name, experiment.validation_half, _status(page, run), page and page.file, page and page.error,
        paper=paper_f1(experiment), data=run.facts["data"], differences=differences_from_paper(experiment),
        conditions={"data": run.facts["data"], **experiment.model_dump(exclude={*NO_CONDITIONS, "experiment_name"})},
        f1=scores.get("test_f1"), baseline=scores.get("baseline_f1"), interval=scores.get("test_f1_interval"),
    )  # fmt: skip
    if len(history):
        row.history = {name: history[column].round(5).tolist() for column, name in COLUMNS.items()}
        row.best_epoch, row.epochs = best_epoch(history["val_f1"]), len(history)
        row.validation_f1, row.seconds = float(history["val_f1"].max()), float(history["seconds"].sum())
    if not run.finished:
        row.note = f"epoch {len(history)} of {experiment.epochs}"
        row.note += f", {time_left(history, experiment.epochs)}" if row.status == "running" else ""
    return row


def _status(page: Any, run: Run) -> str:
    """How the run stands; a notebook may fail after its run is finished, and says so on its page."""
    told = page.status if page and page.status in ("running", "failed") else "unfinished"
    return "finished" if run.finished else told
