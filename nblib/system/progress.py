"""A progress bar for terminals and, while the work lasts, for notebooks; none in logs and stored notebooks."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm


class ProgressBar(tqdm):
    """tqdm's bar; in a Jupyter kernel it is a cell output that is removed when the work is done.

    tqdm's own bar for notebooks remains in the stored notebook, and would appear in the reports.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        in_notebook = hasattr(shell, "kernel")
        self._output = None
        super().__init__(*args, disable=False if in_notebook else None, gui=in_notebook, **options)
        if in_notebook:
            from IPython.display import display

            self._output = display({"text/plain": str(self)}, raw=True, display_id=True)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Draws the bar in its present state."""
        if self._output is None:
            super().display(msg, pos)
        else:
            self._output.update({"text/plain": str(self)}, raw=True)

    def close(self) -> None:
        """Ends the bar, as leaving its context or exhausting its iterable does."""
        super().close()
        if self._output is not None:
            self._output.update({"text/html": ""}, raw=True)
            self._output = None


@contextmanager
def stderr_silenced() -> Iterator[None]:
    """Discards what is written to stderr in the block: TensorFlow's libraries log there while loading, at any level."""
    stderr = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 2)
            yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
