"""How far a batch is: a line a change, in a terminal below them one that says what is running."""

import sys
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import IO

from tqdm import tqdm

from nblib.batch.plan import PlannedRun


class Progress:
    """Tells on stderr and in a log; a context, since the line in a terminal ends with it."""

    def __init__(self, log: IO[str]) -> None:
        self._log = log
        self._line = tqdm(bar_format="{desc}", disable=None, file=sys.stderr)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self._line.close()

    def tell(self, sentence: str) -> None:
        """Says that something has changed."""
        tqdm.write(sentence, file=sys.stderr)
        print(f"{datetime.now():%Y-%m-%d %H:%M:%S} {sentence}", file=self._log, flush=True)

    def show(
        self, done: Collection, running: Iterable[PlannedRun], failed: Collection, left: Collection[PlannedRun]
    ) -> None:
        """In a terminal: the line of counts, and of epochs of what is running."""
        if not self._line.disable:
            at_work = ", ".join(f"{run.name} {epochs_done(run)}/{run.experiment.epochs}" for run in running)
            self._line.set_description_str(
                f"{len(done)} done, {len(failed)} failed, {len(left)} left; running: {at_work or 'nothing'}"
            )


def epochs_done(run: PlannedRun) -> int:
    """Whole epochs in the run's history."""
    history = run.run.folder / "history.csv"
    return max(0, len(history.read_text(encoding="utf-8").splitlines()) - 1) if history.is_file() else 0
