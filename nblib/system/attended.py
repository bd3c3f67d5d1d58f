"""papermill that ends with the process that started it: `python -m nblib.system.attended PID`, then its arguments.

PID is that of the starter, which may end before this process first looks. Papermill by itself would run on as an
orphan; the kernel watches papermill in the same way.
"""

import os
import signal
import sys
import threading
import time


def end_with(starter: int) -> None:
    """Ends this process within a second after the one that started it."""
    while os.getppid() == starter:
        time.sleep(0.5)
    os._exit(1)


def main() -> None:
    """papermill's command line; the watch begins before any of it is loaded."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # Slurm's warning before a time limit goes to all processes of a job
    threading.Thread(target=end_with, args=[int(sys.argv.pop(1))], daemon=True).start()
    sys.modules["rfc3987_syntax"] = None  # jsonschema would load it for 2 s, for a format that no notebook has
    from papermill.cli import papermill

    papermill(prog_name="papermill")


if __name__ == "__main__":
    main()
