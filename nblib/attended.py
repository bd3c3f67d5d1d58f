"""papermill that ends when the process that started it has ended: `python -m nblib.attended`, then papermill's words.

However that process ended: papermill by itself would go on for nobody. The kernel watches papermill likewise.
"""

import os
import signal
import threading
import time

from papermill.cli import papermill


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # Slurm's warning before a time limit goes to all of a job
    threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    papermill(prog_name="papermill")
