"""The process that executes one run of a batch: papermill on one notebook, with a log."""

import os
import pickle
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil
from submitit.helpers import DelayedSubmission

from nblib.system import write_json

LOGGED = ("--log-output", "--no-progress-bar")  # papermill's options, in addition to those of the command


@dataclass(frozen=True)
class Execution:
    """papermill executing one notebook; called in a process of its own on this machine, or in a job of Slurm.

    Attributes:
        command: the papermill command, relative to the current folder.
        run_folder: the folder of the run that the notebook trains.
        log_dir: gets log.txt, and ended.json when papermill has ended by itself.
    """

    command: tuple[str, ...]
    run_folder: Path
    log_dir: Path

    def __call__(self) -> None:
        """Executes the notebook; SIGTERM ends papermill and all that it has started."""
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        self.run_folder.mkdir(parents=True, exist_ok=True)
        with (self.log_dir / "log.txt").open("a", encoding="utf-8") as log:
            print(f"\n== {datetime.now():%Y-%m-%d %H:%M:%S} {socket.gethostname()}", file=log)
            print(shlex.join(self.command), file=log, flush=True)
            wait_until_free(self.run_folder)
            papermill = subprocess.Popen(
                [sys.executable, "-m", "nblib.system.attended", str(os.getpid()), *self.command[1:], *LOGGED],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            papermill.wait()
        finally:
            if papermill.poll() is None:
                kill_tree(papermill.pid)
        write_json(self.log_dir / "ended.json", {"code": papermill.returncode})

    def checkpoint(self) -> DelayedSubmission:
        """The same execution again, when Slurm takes the machine away: the run resumes after its last whole epoch."""
        return DelayedSubmission(self)


def wait_until_free(run_folder: Path, patience: float = 600) -> None:
    """Waits at most `patience` seconds while another process trains the run, for example one of a killed batch."""
    if not (run_folder / "experiment.json").exists():
        return
    from nblib.experiments import Run  # pandas would take 100 MB of every worker

    until = time.monotonic() + patience
    while Run(run_folder).running and time.monotonic() < until:
        time.sleep(0.5)


def kill_tree(process_id: int) -> None:
    """Kills a process, if it exists, with all that it has started."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(process_id)
        for each in [*process.children(recursive=True), process]:
            each.kill()


if __name__ == "__main__":
    pickle.load(sys.stdin.buffer)()
