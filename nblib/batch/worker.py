"""What a worker does in its own process: papermill on one notebook, watched, with a log."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

import psutil
from submitit.core.utils import DelayedSubmission

from nblib.experiments import Run
from nblib.system import write_json

LOGGED = ("--log-output", "--no-progress-bar")  # what papermill is told beside the command
PATIENCE = 600  # seconds for another process to let go of the run


@dataclass(frozen=True)
class Execution:
    """papermill executing one notebook; submitit calls it on this machine or in a job of Slurm.

    Attributes:
        command: the papermill command.
        folder: where it is given.
        run_folder: of the run that the notebook trains.
        books: gets log.txt, and ended.json once papermill has ended by itself.
        environment: set for papermill beside what is there.
    """

    command: tuple[str, ...]
    folder: Path
    run_folder: Path
    books: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self) -> None:
        """Executes to the end. If told to stop, or if the one who started it is gone, all that belongs to it ends."""
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        self.run_folder.mkdir(parents=True, exist_ok=True)
        with (self.books / "log.txt").open("a", encoding="utf-8") as log:
            print(f"\n== {datetime.now():%Y-%m-%d %H:%M:%S} {socket.gethostname()}", file=log)
            print(shlex.join(self.command), file=log, flush=True)
            wait_until_free(Run(self.run_folder))
            code = self._watched(log)
        write_json(self.books / "ended.json", {"code": code})

    def checkpoint(self) -> DelayedSubmission:
        """The same once more, when Slurm takes the machine away: the run goes on after its last whole epoch."""
        return DelayedSubmission(self)

    def _watched(self, log: IO) -> int:
        """papermill's exit code."""
        starter = int(os.environ.get("SUBMITIT_LOCAL_JOB_ID", os.getppid()))  # it may be gone already
        papermill = subprocess.Popen(
            [sys.executable, "-m", "nblib.system.attended", str(os.getpid()), *self.command[1:], *LOGGED],
            cwd=self.folder, env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            while papermill.poll() is None:
                time.sleep(0.2)
                if os.getppid() != starter:
                    sys.exit("the process that started this one is gone")
        finally:
            kill_tree(papermill.pid)
            papermill.wait()
        return papermill.returncode


def wait_until_free(run: Run, patience: float = PATIENCE) -> None:
    """Waits while another process, of a batch that was killed for example, has the run; not for ever."""
    until = time.monotonic() + patience
    while run.started and time.monotonic() < until:
        try:
            with run.lock():
                return
        except RuntimeError:
            time.sleep(0.5)


def kill_tree(process_id: int) -> None:
    """Kills a process, if it is there, with all that it has started."""
    try:
        process = psutil.Process(process_id)
        for each in [*process.children(recursive=True), process]:
            each.kill()
    except psutil.NoSuchProcess:
        pass
