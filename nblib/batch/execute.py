"""Executes the runs of a batch at a place until each is done or has failed; says how far it is, and how it ended."""

import json
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from nblib.batch.outcome import judge
from nblib.batch.places import Job, Place
from nblib.batch.plan import PlannedRun, batch_folder, refuse_conflicts
from nblib.batch.progress import Progress
from nblib.batch.worker import Execution
from nblib.experiments import Experiment
from nblib.system import take_lock, write_json


class Batch:
    """Runs that are executed at a place until each is done or has failed.

    Attributes:
        left: not yet begun, in order.
        running: who works on each.
        done: their scores are written and their notebooks whole.
        failed: the reason of each.
        stopped: whether it was told to stop before its end.
    """

    def __init__(self, planned: Sequence[PlannedRun], place: Place, retries: int = 2) -> None:
        self.done = [run for run in planned if run.done]
        self.left = [run for run in planned if not run.done]
        self.running: dict[PlannedRun, Job] = {}
        self.failed: dict[PlannedRun, str] = {}
        self.stopped = False
        self._place, self._retries, self._tries = place, retries, Counter()

    def work(self, progress: Progress) -> None:
        """Executes until nothing is left or it is told to stop: by Ctrl-C, or by SIGTERM.

        Raises:
            FileNotFoundError, ValueError: what the runs need is missing or wrong; then none of them starts.
        """
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self._find_again(progress)
            if self.left:
                progress.tell("making what the runs share: pixels and weights")
                prepare([run.experiment for run in self.left])
            while self.left or self.running:
                self._collect(progress)
                self._start(progress)
                progress.show(self.done, self.running, self.failed, self.left)
                time.sleep(self._place.every if self.running else 0)
        except KeyboardInterrupt:
            self.stopped = True
            progress.tell("stopping")
            progress.tell(f"stopped. {self._place.stop(list(self.running.values()))}".strip())
        finally:
            signal.signal(signal.SIGTERM, before)

    def _find_again(self, progress: Progress) -> None:
        """Takes up the runs that an earlier batch, now dead, left at work."""
        for run in self.done:
            (run.books / "job.json").unlink(missing_ok=True)
        for run in list(self.left):
            job = _job_of(run)
            if job and job.place != self._place.name:
                raise ValueError(
                    f"{run.name} was last given to {job.place}, as job {job.job_id}; go on with --executor "
                    f"{job.place}, or make sure that job is gone and remove {run.books / 'job.json'}."
                )
            if job and self._place.at_work([job]):
                self.left.remove(run)
                self.running[run] = job
                progress.tell(f"still at work, from before: {run.name} (job {job.job_id})")

    def _start(self, progress: Progress) -> None:
        jobs = list(self.running.values())
        starting = self.left[: max(0, self._place.room(jobs))]
        if not starting:
            return
        for run in starting:
            _forget(run)
        for run, job in zip(starting, self._place.start([_execution(run) for run in starting], jobs), strict=True):
            write_json(run.books / "job.json", job.to_dict())
            self.running[run] = job
            self._tries[run] += 1
            progress.tell(f"started {run.name} (job {job.job_id})")
        self.left = self.left[len(starting) :]

    def _collect(self, progress: Progress) -> None:
        at_work = self._place.at_work(list(self.running.values()))
        for run, job in list(self.running.items()):
            if job not in at_work:
                del self.running[run]
                (run.books / "job.json").unlink(missing_ok=True)
                self._settle(run, job, progress)

    def _settle(self, run: PlannedRun, job: Job, progress: Progress) -> None:
        """Says what came of a run nobody works on any more, and puts it where it belongs."""
        until = time.monotonic() + self._place.lag
        while not (run.done or (run.books / "ended.json").exists()) and time.monotonic() < until:
            time.sleep(1)
        if run.done:
            self.done.append(run)
            progress.tell(f"done {run.name}")
            return
        outcome = judge(run.notebook, run.books)
        reason = self._place.why_gone(job) or outcome.reason
        if outcome.kind == "passing" and reason == outcome.reason and self._tries[run] <= self._retries:
            self.left.insert(0, run)
            progress.tell(f"again {run.name}: {reason} (try {self._tries[run] + 1} of {self._retries + 1})")
            return
        self.failed[run] = reason
        progress.tell(f"failed {run.name}: {reason.splitlines()[0]}")


def run_batch(planned: Sequence[PlannedRun], place: Place, retries: int = 2) -> Batch:
    """The batch, executed: each run done or failed, or the batch stopped.

    Args:
        planned: at least one run, all with the same `runs` folder.
        place: where.
        retries: how often a run is tried again whose process was killed or whose kernel did not start.

    Raises:
        FileNotFoundError, ValueError: what the runs need is missing or wrong, or a run folder holds another run;
            nothing was started.
        BlockingIOError: another batch is at work in this `runs` folder.
    """
    refuse_conflicts(planned)
    folder = batch_folder(planned[0].experiment)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "batch.log").open("a", encoding="utf-8") as log:
        if take_lock(log) is False:
            raise BlockingIOError(f"another batch is at work in {folder.parent}; wait for it, or choose other `runs`.")
        batch = Batch(planned, place, retries)
        with Progress(log) as progress:
            progress.tell(f"{len(planned)} runs, {len(batch.done)} of them done before")
            batch.work(progress)
    return batch


def summary(batch: Batch, command: Sequence[str]) -> str:
    """What came of a batch: counts, failing cells with where to look, and how to go on."""
    told = [f"{len(batch.done)} done, {len(batch.failed)} failed, {len(batch.left) + len(batch.running)} left"]
    for run, reason in batch.failed.items():
        told += [f"\n{run.name} failed in {reason}", f"    notebook {run.notebook}", f"    log {run.books / 'log.txt'}"]
    if batch.stopped or batch.failed:
        told.append(f"\nThe same command goes on with what is missing:\n    {shlex.join(command)}")
    return "\n".join(told)


def prepare(experiments: Iterable[Experiment]) -> None:
    """Makes what runs share, once, before they start: `nblib prepare` in a process of its own, which takes TensorFlow away.

    Raises:
        ChildProcessError: it could not be made; the process has said why.
    """
    with TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.json" for number, _ in enumerate(experiments)]
        for file, experiment in zip(files, experiments, strict=True):
            write_json(file, experiment.model_dump())
        if subprocess.run([sys.executable, "-m", "nblib", "prepare", *files], check=False).returncode:
            raise ChildProcessError(
                "pixels and weights could not be prepared, for the reason above; no run has started."
            )


def _execution(run: PlannedRun) -> Execution:
    return Execution(tuple(run.command), Path.cwd(), run.run.folder, run.books)


def _job_of(run: PlannedRun) -> Job | None:
    """Who was last at work on the run, as far as is known."""
    book = run.books / "job.json"
    return Job(**json.loads(book.read_text(encoding="utf-8"))) if book.is_file() else None


def _forget(run: PlannedRun) -> None:
    """Removes what an earlier attempt left of its outcome; its log is kept."""
    run.books.mkdir(parents=True, exist_ok=True)
    (run.books / "ended.json").unlink(missing_ok=True)
    run.notebook.unlink(missing_ok=True)
