"""Executes the runs of a batch until each is done or has failed, reports progress, and sums up at the end."""

import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from tqdm import tqdm

from nblib.batch.outcome import judge
from nblib.batch.places import Job, Place, read_job
from nblib.batch.plan import PlannedRun, batch_folder, refuse_conflicts
from nblib.batch.worker import Execution
from nblib.system import take_lock, write_json


class Batch:
    """Runs that are executed until each is done or has failed.

    Attributes:
        left: not yet started, in order.
        running: the job of each running run.
        done: finished, with a completely executed notebook.
        failed: the reason for each.
        stopped: whether Ctrl-C or SIGTERM ended the batch.
    """

    def __init__(self, planned: Sequence[PlannedRun], place: Place, log: IO[str], retries: int = 2) -> None:
        self.done = [run for run in planned if run.done]
        self.left = [run for run in planned if not run.done]
        self.running: dict[PlannedRun, Job] = {}
        self.failed: dict[PlannedRun, str] = {}
        self.stopped = False
        self._place, self._log, self._retries, self._tries = place, log, retries, Counter()
        self._status = tqdm(bar_format="{desc}", disable=None, file=sys.stderr)

    def execute(self) -> None:
        """Executes until nothing is left, or until Ctrl-C or SIGTERM.

        Raises:
            ValueError: a run is still executed at another place.
            ChildProcessError: what the runs share could not be prepared; no run has started.
        """
        # A flag and no exception: no moment is wrong for it, for example between the start of a job and its record.
        handlers = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._write(f"{len(self.done) + len(self.left)} runs, {len(self.done)} of them already done")
            self._find_running()
            if self.left:
                self._prepare()
            while (self.left or self.running) and not self.stopped:
                running = self._place.running(self.running.values())
                for run in [run for run, job in self.running.items() if job not in running]:
                    self._settle(run, self.running.pop(run))
                free = 0 if self.stopped else max(0, self._place.capacity - len(self.running))
                self._start(self.left[:free])
                self._show_status()
                time.sleep(self._place.every if self.running else 0)
            if self.stopped:
                self._write("stopping")
                self._write(f"stopped. {self._place.stop(self.running.values())}".strip())
        finally:
            self._status.close()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: object) -> None:
        self.stopped = True

    def _find_running(self) -> None:
        """Takes over the jobs of an earlier batch that was killed."""
        for run in self.done:
            _job_file(run).unlink(missing_ok=True)
        for run in [run for run in self.left if _job_file(run).is_file()]:
            if not (job := read_job(_job_file(run))):
                self._write(f"{_job_file(run)} names no job, so that {run.name} is started")
                continue
            if job.place != self._place.name:
                advice = f"continue with --executor {job.place}, or, if the job has ended, remove {_job_file(run)}."
                raise ValueError(f"{run.name} was submitted to {job.place} as job {job.job_id}; {advice}")
            if self._place.running([job]):
                self.left.remove(run)
                self.running[run] = job
                self._write(f"still running {run.name} (job {job.job_id} of an earlier batch)")

    def _prepare(self) -> None:
        """Prepares what the runs share by `nblib prepare`, a process whose end frees the memory of TensorFlow."""
        self._write("preparing pixels and weights")
        with TemporaryDirectory() as folder:
            files = [Path(folder, f"{number}.yaml") for number in range(len(self.left))]
            for file, run in zip(files, self.left, strict=True):
                write_json(file, run.experiment.model_dump())  # JSON is YAML
            process = subprocess.Popen([sys.executable, "-m", "nblib", "prepare", *files], start_new_session=True)
            while process.poll() is None and not self.stopped:
                time.sleep(0.1)
            if self.stopped:  # what it leaves half-made is completed or replaced the next time
                process.kill()
            if process.wait() and not self.stopped:
                raise ChildProcessError("pixels and weights could not be prepared (reason above); no run has started.")

    def _start(self, starting: Sequence[PlannedRun]) -> None:
        """Starts the first runs that are left."""
        for run in starting:
            run.log_dir.mkdir(parents=True, exist_ok=True)
            for outcome in (run.log_dir / "ended.json", run.notebook):  # of an earlier try
                outcome.unlink(missing_ok=True)
        executions = [Execution(tuple(run.command), run.run.folder, run.log_dir) for run in starting]
        jobs = self._place.start(executions, self.running.values()) if starting else []
        for run, job in zip(starting, jobs, strict=True):
            write_json(_job_file(run), asdict(job))
            self.running[run] = job
            self._tries[run] += 1
            self._write(f"started {run.name} (job {job.job_id})")
        self.left = self.left[len(starting) :]

    def _settle(self, run: PlannedRun, job: Job) -> None:
        """Moves a run whose job has ended to `done` or `failed`, or back to `left` for another try."""
        until = time.monotonic() + self._place.lag
        while not (run.done or (run.log_dir / "ended.json").exists()) and time.monotonic() < until and not self.stopped:
            time.sleep(0.5)
        _job_file(run).unlink(missing_ok=True)
        if run.done:
            self.done.append(run)
            self._write(f"done {run.name}")
            return
        outcome, cancelled = judge(run.notebook, run.log_dir), self._place.cancellation(job)
        if outcome.transient and not cancelled and self._tries[run] <= self._retries:
            self.left.insert(0, run)
            self._write(f"retrying {run.name}: {outcome.reason} (try {self._tries[run] + 1} of {self._retries + 1})")
            return
        self.failed[run] = cancelled or outcome.reason
        self._write(f"failed {run.name}: {self.failed[run].splitlines()[0]}")

    def _write(self, line: str) -> None:
        """Writes a line to stderr and, with the time, to the log."""
        tqdm.write(line, file=sys.stderr)
        print(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}", file=self._log, flush=True)

    def _show_status(self) -> None:
        """In a terminal: the last line has the counts, and the epochs of the running runs."""
        if not self._status.disable:
            epochs = ", ".join(f"{run.name} {_epochs_done(run)}/{run.experiment.epochs}" for run in self.running)
            self._status.set_description_str(f"{self.counts}; running: {epochs or 'nothing'}")

    @property
    def counts(self) -> str:
        """How many runs are done, have failed, and are left or running."""
        return f"{len(self.done)} done, {len(self.failed)} failed, {len(self.left) + len(self.running)} left"


def run_batch(planned: Sequence[PlannedRun], place: Place, retries: int = 2) -> Batch:
    """The executed batch: each run is done or has failed, or the batch was stopped.

    Args:
        planned: at least one run, all with the same `runs` folder.
        place: where they are executed.
        retries: further tries for a run whose process was killed or whose kernel did not start.

    Raises:
        FileNotFoundError, ValueError, ChildProcessError: what the runs need is missing or wrong, or a run folder holds
            another run; nothing was started.
        BlockingIOError: another batch is running in this `runs` folder.
    """
    refuse_conflicts(planned)
    folder = batch_folder(planned[0].experiment)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "batch.log").open("a", encoding="utf-8") as log:
        if take_lock(log) is False:
            raise BlockingIOError(f"another batch is running in {folder.parent}; wait for it, or choose other `runs`.")
        batch = Batch(planned, place, log, retries)
        batch.execute()
    return batch


def summary(batch: Batch, command: Sequence[str]) -> str:
    """The result of a batch: counts, the failing cells with their notebooks and logs, and how to continue."""
    lines = [batch.counts]
    for run, reason in batch.failed.items():
        lines.append(f"\n{run.name} failed in {reason}\n    notebook {run.notebook}\n    log {run.log_dir / 'log.txt'}")
    if batch.stopped or batch.failed:
        lines.append(f"\nTo continue with what is missing, give the same command again:\n    {shlex.join(command)}")
    return "\n".join(lines)


def _job_file(run: PlannedRun) -> Path:
    """Holds the job that executes the run; absent when none does."""
    return run.log_dir / "job.json"


def _epochs_done(run: PlannedRun) -> int:
    """Completed epochs in the run's history."""
    history = run.run.folder / "history.csv"
    return max(0, history.read_bytes().count(b"\n") - 1) if history.is_file() else 0
