"""A bar for work that takes long: in terminals, and in notebooks while it lasts; none in logs and stored notebooks."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm


class ProgressBar(tqdm):
    """tqdm's bar, drawn into the notebook where a Jupyter kernel shows it, and taken away when the work is done.

    tqdm's own bar for notebooks stays in a notebook that is stored, and the reports would have it.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._in_notebook = hasattr(_ipython(), "kernel")
        self._place = None
        super().__init__(*args, disable=False if self._in_notebook else None, gui=self._in_notebook, **options)
        if self._in_notebook:
            self.refresh()

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Draws the bar as it stands."""
        if not self._in_notebook:
            super().display(msg, pos)
        elif self._place is None:
            self._place = _show({"text/plain": str(self)})
        else:
            self._place.update({"text/plain": str(self)}, raw=True)

    def close(self) -> None:
        """Ends the bar, as leaving its context or exhausting its iterable does."""
        super().close()
        if self._place is not None:
            self._place.update({"text/html": ""}, raw=True)
            self._place = None


def _ipython() -> Any:
    """The shell of IPython where Python runs in one, and None otherwise: IPython is not imported for that."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def _show(data: dict[str, str]) -> Any:
    from IPython.display import display

    return display(data, raw=True, display_id=True)


@contextmanager
def stderr_silenced() -> Iterator[None]:
    """Nothing is written to stderr in the block: TensorFlow's libraries log there while they load, at any log level."""
    stderr, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nothing)
