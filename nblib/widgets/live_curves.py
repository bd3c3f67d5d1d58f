"""The curves of a run, redrawn after each epoch: in the notebook that trains it, or in another one."""

import matplotlib.pyplot as plt
from IPython import get_ipython
from IPython.display import display

from nblib.experiments import Run
from nblib.figures import draw_training_curves


class LiveCurves:
    """Draws the curves of a run in one place of a notebook; does nothing outside of a kernel.

    `train(..., show=LiveCurves())` redraws them after each epoch, and removes them when the run is finished: the
    notebook's own figure of them follows. `watch_run(folder, show=LiveCurves().draw)` draws them in another notebook,
    where they stay. Both read what is on disk, so training goes on where the browser has gone away.
    """

    def __init__(self):
        self.place = None

    def __call__(self, run: Run) -> None:
        """Draws the run's history, or removes the curves where the run is finished."""
        if not run.finished:
            self.draw(run)
        elif self.place is not None:
            self.place.update({"text/html": ""}, raw=True)

    def draw(self, run: Run) -> None:
        """Draws the run's history."""
        if not hasattr(get_ipython(), "kernel"):
            return
        experiment = run.experiment
        figure = draw_training_curves({f"{experiment.experiment_name}, {experiment.half}": run.history})
        plt.close(figure)  # else it would be shown once more when the cell ends
        if self.place is None:
            self.place = display(figure, display_id=True)
        else:
            self.place.update(figure)
