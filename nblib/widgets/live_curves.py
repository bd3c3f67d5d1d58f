"""The curves of a run while it is trained: in its own notebook, in another one, in a terminal."""

import time
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython import get_ipython
from IPython.display import display

from nblib.experiment import project_path
from nblib.figures import draw_training_curves
from nblib.runs import Run, epoch_line, print_epochs, time_left


class LiveCurves:
    """Draws the curves of a run, each time in place of the last ones; nothing outside of a kernel.

    As `show` of `nblib.training.train` it draws after each epoch what is on disk. The curves go when the run is
    finished: the notebook's own figure of them follows, and an executed notebook has them once, so that nothing need
    find out who looks on. Where nobody does any more, training goes on; `watch_run` draws from the same files.
    """

    def __init__(self):
        self.place = None

    def __call__(self, run: Run) -> None:
        """Draws the run's history, or takes the curves away where the run is finished."""
        if run.finished:
            self.clear()
        else:
            self.draw(run)

    def draw(self, run: Run) -> None:
        """Draws the run's history."""
        if not hasattr(get_ipython(), "kernel"):
            return
        experiment = run.experiment
        figure = draw_training_curves({f"{experiment.experiment_name}, {experiment.validation_half}": run.history})
        plt.close(figure)  # else it would be shown once more when the cell ends
        if self.place is None:
            self.place = display(figure, display_id=True)
        else:
            self.place.update(figure)

    def clear(self) -> None:
        """Takes the curves away."""
        if self.place is not None:
            self.place.update({"text/html": ""}, raw=True)


def watch_run(folder: str | Path, every: float = 1) -> Run:
    """The run in `folder`, once it is finished or the watching is interrupted; shown until then, epoch by epoch.

    For another notebook or a terminal than the one that trains: it reads what is on disk and changes nothing.

    Args:
        folder: the run folder; a relative one starts at the project's top folder.
        every: seconds between looks.

    Raises:
        FileNotFoundError: no run was begun there.
    """
    run, curves, shown = Run(project_path(folder)), LiveCurves(), 0
    if not run.begun:
        raise FileNotFoundError(f"no run was begun in {run.folder}; expected <runs>/<experiment_name>/<val1 or val2>.")
    try:
        while True:
            finished = run.finished  # asked first: what is written meanwhile is seen at the next look
            shown = _show_new_epochs(run, curves, shown)
            if finished:
                return run
            time.sleep(every)
    except KeyboardInterrupt:
        print(f"No longer watching {run.folder}, which goes on if it is being trained.")
        return run


def _show_new_epochs(run: Run, curves: LiveCurves, shown: int) -> int:
    """Prints and draws the epochs after the first `shown`, and how long it may take; gives how many there are now."""
    history = run.history if (run.folder / "history.csv").is_file() else pd.DataFrame()
    if len(history) > shown:
        epochs = run.experiment.epochs
        print_epochs(history.iloc[shown:-1], epochs)
        last = epoch_line(history.iloc[-1].to_dict() | {"epoch": len(history)}, epochs)
        print(last + ("" if run.finished else f"   {time_left(history, epochs)}"), flush=True)
        curves.draw(run)
    return len(history)
