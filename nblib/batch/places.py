"""Where a batch is executed: on this machine or by Slurm, each through submitit."""

import getpass
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil
import submitit

from nblib.batch.worker import Execution, kill_tree
from nblib.system import cores, visible_gpus

ALWAYS = 10 * 365 * 24 * 60  # minutes: submitit ends what takes longer, and by itself would after two
STOPPING = 15  # seconds for a worker to end by itself


@dataclass(frozen=True)
class Job:
    """Who works on a run: a process here (its number and the time it began), or a job of Slurm; slot: see Slots."""

    place: str
    job_id: str
    slot: int = 0
    began: float = 0

    def to_dict(self) -> dict[str, Any]:
        """As plain values; Job(**these) is the same."""
        return asdict(self)


class Place(Protocol):
    """What a batch asks of the place where it is executed.

    `every`: seconds between two looks at its jobs. `lag`: until files of a job that has ended are surely seen here.
    """

    name: str
    every: float
    lag: float

    def room(self, jobs: Sequence[Job]) -> int: ...
    def start(self, executions: Sequence[Execution], jobs: Sequence[Job]) -> list[Job]: ...
    def at_work(self, jobs: Sequence[Job]) -> set[Job]: ...
    def why_gone(self, job: Job) -> str | None: ...
    def stop(self, jobs: Sequence[Job]) -> str: ...


class ThisMachine:
    """As many runs at once as there are slots; a slot is the environment its runs see: a GPU, or a share of the cores.

    submitit starts the processes; they outlive this one, so that a batch that was killed finds them again.
    """

    name, every, lag = "local", 0.5, 0

    def __init__(self, folder: Path, slots: Sequence[dict[str, str]]) -> None:
        self.slots = slots
        self._executor = submitit.LocalExecutor(folder)
        self._executor.update_parameters(timeout_min=ALWAYS)
        self._started: dict[str, submitit.Job] = {}

    def room(self, jobs: Sequence[Job]) -> int:
        """How many more runs may start beside these."""
        return len(self.slots) - len(jobs)

    def start(self, executions: Sequence[Execution], jobs: Sequence[Job]) -> list[Job]:
        """Starts them in free slots."""
        free = [number for number in range(len(self.slots)) if number not in {job.slot for job in jobs}]
        return [self._start(execution, slot) for execution, slot in zip(executions, free, strict=False)]

    def _start(self, execution: Execution, slot: int) -> Job:
        placed = Execution(**{**vars(execution), "environment": self.slots[slot]})
        with _deaf_to_ctrl_c():
            job = self._executor.submit(placed)
        self._started[job.job_id] = job
        return Job(self.name, job.job_id, slot, psutil.Process(int(job.job_id)).create_time())

    def at_work(self, jobs: Sequence[Job]) -> set[Job]:
        """Those of the jobs that are still at work."""
        for job in jobs:
            if job.job_id in self._started:
                self._started[job.job_id].done()  # takes leave of a process that has ended
        return {job for job in jobs if _process(job)}

    def why_gone(self, job: Job) -> str | None:
        """Why a job will never end its run, where someone wanted that: not on this machine."""
        return None

    def stop(self, jobs: Sequence[Job]) -> str:
        """Ends the jobs, and says so."""
        processes = [process for process in map(_process, jobs) if process]
        for process in processes:
            process.terminate()
        for process in psutil.wait_procs(processes, STOPPING)[1]:
            kill_tree(process.pid)
        return f"{len(processes)} at work were stopped, each keeps its whole epochs" if processes else ""


class Slurm:
    """Job arrays of Slurm, which has the queue; jobs are queued again after preemption and time limit, and go on.

    Args:
        folder: for submitit's files; the nodes must see it, as all of the project and the data.
        minutes: a job's time limit; Slurm ends a job there, and it is queued again.
        max_parallel: so many jobs of an array at once.
        partition, gpus: None leaves them to Slurm's own defaults.
    """

    name, every, lag = "slurm", 5, 20

    def __init__(self, folder: Path, minutes: int, max_parallel: int, partition: str | None, gpus: int | None) -> None:
        try:
            self._executor = submitit.SlurmExecutor(folder, max_num_timeout=1000)
        except RuntimeError:
            raise FileNotFoundError("no Slurm here: srun is not on the PATH; start on a login node.") from None
        asked = {"partition": partition, "gpus_per_node": gpus, "time": minutes, "array_parallelism": max_parallel}
        self._executor.update_parameters(
            job_name="nblib", additional_parameters={"requeue": True},
            **{name: value for name, value in asked.items() if value is not None},
        )  # fmt: skip

    def room(self, jobs: Sequence[Job]) -> int:
        """All there are: the queue is Slurm's."""
        return 10**6

    def start(self, executions: Sequence[Execution], jobs: Sequence[Job]) -> list[Job]:
        """Queues them, as one array."""
        try:
            with self._executor.batch():
                submitted = [self._executor.submit(execution) for execution in executions]
        except submitit.core.utils.FailedJobError as error:
            raise ValueError(f"Slurm does not take the jobs: {error}; see `sinfo`, and the options given.") from None
        return [Job(self.name, job.job_id) for job in submitted]

    def at_work(self, jobs: Sequence[Job]) -> set[Job]:
        """Those that Slurm has in its queue, running or not; all of them while it does not answer."""
        command = ["squeue", "--user", getpass.getuser(), "--noheader", "--array", "--format=%i"]
        try:
            told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()
        except (OSError, subprocess.SubprocessError):
            return set(jobs)
        return {job for job in jobs if job.job_id in told}

    def why_gone(self, job: Job) -> str | None:
        """That the job was cancelled, where Slurm says so: of one that had not begun it shows the rest of its array."""
        asked = subprocess.run(["scontrol", "show", "job", job.job_id], capture_output=True, text=True, check=False)
        told, task = asked.stdout, job.job_id.partition("_")[2]
        is_shown = f"ArrayTaskId={task}" in told.replace("%", " ").split()
        cancelled = "JobState=CANCELLED" in told or (told and not is_shown)
        return f"job {job.job_id} was cancelled" if cancelled else None

    def stop(self, jobs: Sequence[Job]) -> str:
        """Leaves the jobs to Slurm, and says how to stop them."""
        arrays = sorted({job.job_id.partition("_")[0] for job in jobs})
        return f"Slurm goes on with {len(jobs)}: `scancel {' '.join(arrays)}` would stop them" if jobs else ""


def slots(jobs: int | None, devices: int = 1) -> list[dict[str, str]]:
    """The environments of runs at work at once: `devices` GPUs each, or, where there is no GPU, cores in equal parts.

    None makes as many slots as the GPUs allow, or one.

    Raises:
        ValueError: more jobs than the GPUs allow, or fewer GPUs than a run shares its batches among.
    """
    gpus = visible_gpus()
    if not gpus:
        threads = str(max(1, cores() // (jobs or 1)))
        names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
        return [dict.fromkeys(names, threads)] * (jobs or 1)
    there = [",".join(gpus[first : first + devices]) for first in range(0, len(gpus) - devices + 1, devices)]
    if (jobs or 1) > len(there):
        raise ValueError(f"{jobs or 1} jobs of {devices} GPU each do not fit on {len(gpus)}: lower --jobs or devices.")
    return [{"CUDA_VISIBLE_DEVICES": names} for names in there[:jobs]]


def _process(job: Job) -> psutil.Process | None:
    """The job's process, if it is there; another one that got its number later is not it."""
    try:
        process = psutil.Process(int(job.job_id))
        same = abs(process.create_time() - job.began) < 2 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """What is started meanwhile does not hear Ctrl-C: the batch alone does, and stops the others in order."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
