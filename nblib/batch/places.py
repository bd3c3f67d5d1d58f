"""Where a batch is executed: in processes of this machine, or in jobs of Slurm, through submitit."""

import getpass
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import psutil
import submitit
from pydantic import Field, TypeAdapter, ValidationError

from nblib.batch.worker import Execution, kill_tree
from nblib.system import cores, visible_gpus

WORKER = "nblib.batch.worker"
STOPPING = 15  # seconds for a worker to end by itself


@dataclass(frozen=True)
class Job:
    """What executes a run: a process of this machine (its PID, its slot, when it started), or a job of Slurm."""

    place: str
    job_id: Annotated[str, Field(pattern=r"^[0-9]+(_[0-9]+)?$")]
    slot: Annotated[int, Field(ge=0)] = 0
    began: Annotated[float, Field(ge=0)] = 0


def read_job(path: Path) -> Job | None:
    """The job that a file names; None where it holds none."""
    try:
        return TypeAdapter(Job).validate_json(path.read_bytes(), strict=True)
    except ValidationError:
        return None


class ThisMachine:
    """As many runs at once as there are slots; a slot is the environment of its runs: a GPU, or a share of the cores.

    Each worker leads a session of its own: Ctrl-C in the terminal does not reach it, and it survives the batch, which
    finds it when it is started again.
    """

    name = "local"
    every = 0.5  # seconds between two looks at the jobs
    lag = 0  # seconds until the files of an ended job are visible here

    def __init__(self, slots: Sequence[dict[str, str]]) -> None:
        self.capacity = len(slots)  # runs at the same time
        self._slots = slots
        self._processes: list[subprocess.Popen] = []

    def start(self, executions: Sequence[Execution], jobs: Collection[Job]) -> list[Job]:
        """Starts the executions in the slots that no job has, one each."""
        free = sorted({*range(self.capacity)} - {job.slot for job in jobs})
        return [self._start(execution, slot) for execution, slot in zip(executions, free, strict=False)]

    def _start(self, execution: Execution, slot: int) -> Job:
        with TemporaryFile() as pickled, (execution.log_dir / "log.txt").open("a", encoding="utf-8") as log:
            pickle.dump(execution, pickled)
            pickled.seek(0)
            process = subprocess.Popen(
                [sys.executable, "-m", WORKER], env={**os.environ, **self._slots[slot]},
                stdin=pickled, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._processes.append(process)
        return Job(self.name, str(process.pid), slot, psutil.Process(process.pid).create_time())

    def running(self, jobs: Collection[Job]) -> set[Job]:
        """Those of the jobs that have not ended."""
        self._processes = [process for process in self._processes if process.poll() is None]
        own = {str(process.pid) for process in self._processes}  # of which a new one has no command line for a moment
        return {job for job in jobs if job.job_id in own or _process(job)}

    def cancellation(self, job: Job) -> str | None:
        """Nobody cancels a job on this machine."""
        return None

    def stop(self, jobs: Collection[Job]) -> str:
        """Ends the jobs; a sentence that says so."""
        processes = list(filter(None, map(_process, jobs)))
        for process in processes:
            process.terminate()
        for process in psutil.wait_procs(processes, STOPPING)[1]:
            kill_tree(process.pid)
        return f"Ended {len(processes)} running; completed epochs are kept." if processes else ""


class Slurm:
    """Job arrays in Slurm's queue; after preemption or at the time limit a job is queued again, and resumes.

    Args:
        folder: for submitit's files; visible on the nodes, like the project and the data.
        minutes: time limit of a job, after which it is queued again.
        max_parallel: jobs of an array that run at the same time.
        partition, gpus: None leaves them to Slurm's defaults.
    """

    name, every, lag, capacity = "slurm", 5, 20, sys.maxsize  # see ThisMachine

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

    def start(self, executions: Sequence[Execution], jobs: Collection[Job]) -> list[Job]:
        """Submits the executions as one job array; Ctrl-C waits until sbatch has answered.

        Raises:
            ValueError: Slurm refuses them.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            with self._executor.batch():
                submitted = [self._executor.submit(execution) for execution in executions]
        except submitit.core.utils.FailedJobError as error:
            raise ValueError(f"Slurm does not take the jobs: {error}; see `sinfo`, and the options given.") from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return [Job(self.name, job.job_id) for job in submitted]

    def running(self, jobs: Collection[Job]) -> set[Job]:
        """Those that Slurm has in its queue, waiting or running; all of them when it does not answer."""
        command = ["squeue", "--user", getpass.getuser(), "--noheader", "--array", "--format=%i"]
        try:
            queued = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()
        except (OSError, subprocess.SubprocessError):
            return set(jobs)
        return {job for job in jobs if job.job_id in queued}

    def cancellation(self, job: Job) -> str | None:
        """The cancellation reason, or None.

        Slurm no longer lists a job cancelled while pending among the tasks of its array.
        """
        command = ["scontrol", "show", "job", job.job_id]
        shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        is_shown = f"ArrayTaskId={job.job_id.partition('_')[2]}" in shown.replace("%", " ").split()
        cancelled = "JobState=CANCELLED" in shown or (shown and not is_shown)
        return f"job {job.job_id} was cancelled" if cancelled else None

    def stop(self, jobs: Collection[Job]) -> str:
        """Leaves the jobs in the queue; a sentence that says how to cancel them."""
        arrays = " ".join(sorted({job.job_id.partition("_")[0] for job in jobs}))
        return f"{len(jobs)} jobs stay in Slurm's queue; `scancel {arrays}` would cancel them." if jobs else ""


def slots(jobs: int | None, devices: int = 1) -> list[dict[str, str]]:
    """The environments of runs at the same time: `devices` GPUs each, or, without a GPU, an equal share of the cores.

    None makes as many slots as the GPUs allow, or one.

    Raises:
        ValueError: more jobs than the GPUs allow, or fewer GPUs than one run uses.
    """
    gpus = visible_gpus()
    if not gpus:
        threads = str(max(1, cores() // (jobs or 1)))
        names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
        return [dict.fromkeys(names, threads)] * (jobs or 1)
    groups = [",".join(gpus[first : first + devices]) for first in range(0, len(gpus) - devices + 1, devices)]
    if (jobs or 1) > len(groups):
        raise ValueError(f"{jobs or 1} jobs of {devices} GPU each do not fit on {len(gpus)}: lower --jobs or devices.")
    return [{"CUDA_VISIBLE_DEVICES": names} for names in groups[:jobs]]


def _process(job: Job) -> psutil.Process | None:
    """The job's process, if it has not ended: a worker that started when the job did, whatever else has its PID."""
    if not job.job_id.isdecimal():
        return None
    try:
        process = psutil.Process(int(job.job_id))
        same = abs(process.create_time() - job.began) < 2 and process.status() != psutil.STATUS_ZOMBIE
        return process if same and WORKER in process.cmdline() else None
    except psutil.Error:  # there is none, or it is not ours to look at
        return None


Place = ThisMachine | Slurm
