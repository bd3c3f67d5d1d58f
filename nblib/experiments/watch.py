"""A run followed from outside: its epochs are printed as they come, with the time left."""

import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from nblib.experiments.parameters import project_path
from nblib.experiments.runs import Run

SILENCE = 600  # seconds, besides three epochs, without a sign of life from another machine


def watch_run(
    folder: str | Path, every: float = 1, show: Callable[[Run], None] | None = None, wait: bool = False
) -> Run:
    """The run in `folder`, once it is finished or the user interrupts; until then every new epoch is printed.

    For a notebook or a terminal other than the one that trains: it reads what is on disk and changes nothing.

    Args:
        folder: the run folder; a relative one starts at the project's top folder.
        every: seconds between two reads.
        show: called with the run after new epochs, for example `nblib.widgets.LiveCurves().draw`.
        wait: waits where no process trains the run.

    Raises:
        FileNotFoundError: no run was started there.
        ProcessLookupError: no process trains the run, and it is not to wait for one.
        ValueError: a file of the run is damaged.
    """
    run, shown = Run(project_path(folder)), 0
    if not run.started:
        expected = "<runs>/<experiment_name>/<val1, val2 or all>"
        raise FileNotFoundError(f"no run has started in {run.folder}; expected {expected}.")
    try:
        while True:
            finished = run.finished  # asked first, so that epochs written meanwhile are still shown
            shown = _show_new_epochs(run, shown, show)
            if finished:
                return run
            if not wait and (reason := _why_nothing_comes(run)):
                raise ProcessLookupError(reason)
            time.sleep(every)
    except KeyboardInterrupt:
        print(f"No longer watching {run.folder}; a training that is running continues.")
        return run


def _show_new_epochs(run: Run, shown: int, show: Callable[[Run], None] | None) -> int:
    """How many epochs there are now; those after the first `shown` are printed and shown, with the time left."""
    history = run.history if (run.folder / "history.csv").is_file() else pd.DataFrame()
    if len(history) > shown:
        epochs = run.experiment.epochs
        print_epochs(history[shown:], epochs, "" if run.finished else f"   {time_left(history, epochs)}")
        if show:
            show(run)
    return len(history)


def _why_nothing_comes(run: Run) -> str | None:
    """Why no epoch is to be expected, and how to go on; None while a process trains the run, or may do so elsewhere.

    Elsewhere is where this machine does not see the locks: there, what is written shows that a training is alive.
    """
    running = run.running
    if running or run.finished:  # in this order: a training that ends writes its scores, then releases its lock
        return None
    seconds = run.history["seconds"].tolist() if (run.folder / "history.csv").is_file() else []
    what = f"no process trains {run.folder}"
    if running is None:
        silent = time.time() - run.folder.stat().st_mtime  # it changes with each file that gets its name
        if silent < SILENCE + 3 * max(seconds, default=0):
            return None
        what = f"{run.host} had {run.folder} and has written nothing for {duration(silent)}"
    return (
        f"{what}; {len(seconds)} of at most {run.experiment.epochs} epochs are done. To go on, repeat the command that "
        f"trains it, or execute its notebook again; to wait until then, watch it with --wait (in Python wait=True)."
    )


def print_epochs(history: pd.DataFrame, epochs: int, note: str = "") -> None:
    """Prints one line per epoch of a history, the lines that training prints, and a note appended to the last line."""
    if lines := [epoch_line(row, epochs) for row in history.to_dict("records")]:
        print("\n".join(lines) + note, flush=True)


def epoch_line(row: dict[str, float], epochs: int) -> str:
    """One epoch as one line of text."""
    measured = [f"{name} {row[name]:.4f}" for name in ("loss", "f1", "val_loss", "val_f1") if name in row]
    start, rate = f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}", f"rate {row['learning_rate']:.1e}"
    return "   ".join([start, *measured, rate, f"{row['seconds']:.1f} s"])


def time_left(history: pd.DataFrame, epochs: int) -> str:
    """How long the remaining epochs take at the median of those done, at most: early stopping may come first."""
    if history.empty:
        return "no epoch done yet"
    seconds = max(epochs - len(history), 0) * float(history["seconds"].median())
    return f"at most {duration(seconds)} left"


def duration(seconds: float) -> str:
    """Seconds as text: 42 s, 4 min 5 s, 3 h 20 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
