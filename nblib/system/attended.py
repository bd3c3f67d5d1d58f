"""papermill that ends when the process that started it has ended: `python -m nblib.system.attended PROCESS`, then its words.

PROCESS is the starter's number, since it may have ended before this one looks. However it ended: papermill by itself
would go on for nobody. The kernel watches papermill likewise.
"""

import os
import signal
import sys
import threading
import time


def end_with(starter: int) -> None:
    """Ends this process at once when the one that started it is gone."""
    while os.getppid() == starter:
        time.sleep(0.5)
    os._exit(1)


def main() -> None:
    """papermill's command line, watched before anything of it is loaded."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # Slurm's warning before a time limit goes to all of a job
    threading.Thread(target=end_with, args=[int(sys.argv.pop(1))], daemon=True).start()
    from papermill.cli import papermill

    papermill(prog_name="papermill")


if __name__ == "__main__":
    main()
