"""The curves of a run while it is trained: in its own notebook, in another one, in a terminal."""

import matplotlib.pyplot as plt
from IPython import get_ipython
from IPython.display import display

from nblib.experiments import Run
from nblib.figures import draw_training_curves


class LiveCurves:
    """Draws the curves of a run, each time in place of the last ones; nothing outside of a kernel.

    As `show` of `nblib.training.trainer.train` it draws after each epoch what is on disk. The curves go when the run is
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
