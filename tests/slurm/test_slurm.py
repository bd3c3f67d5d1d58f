"""A batch on a real Slurm, started by cluster.sh: jobs are requeued while they run, and all runs complete."""

import subprocess

import pytest
from batch.batches import TINY, TOP, as_words, nblib_batch, wait_for

from nblib.batch.outcome import is_complete
from nblib.batch.places import Slurm
from nblib.batch.plan import plan_runs
from nblib.batch.worker import Execution

FILES = (
    "params/table3/03_vgg16_flipped.yaml",
    "params/table3/05_resnet50.yaml",
    "params/table3/10_vgg16_f1_plus_bce.yaml",
)
EPOCHS = 150  # of a few hundredths of a second: still running when it is requeued


def jobs_of(log):
    """Job of each run, by its name."""
    lines = log.read_text().splitlines() if log.exists() else []
    return {line.split()[3]: line.split()[5].rstrip(")") for line in lines if line.split()[2] == "started"}


def epochs(runs, name):
    """Lines of the run's history."""
    history = runs / name / "history.csv"
    return len(history.read_text().splitlines()) if history.exists() else 0


def test_the_error_of_jobs_that_slurm_refuses_is_one_sentence(slurm, tmp_path):
    place = Slurm(tmp_path, minutes=10, max_parallel=2, partition="nowhere", gpus=None)
    with pytest.raises(ValueError, match=r"^Slurm does not take the jobs: .*invalid partition"):
        place.start([Execution((), tmp_path, tmp_path)] * 2, [])


def test_a_cancelled_job_is_distinguished_from_a_killed_one(slurm, tmp_path):
    place = Slurm(tmp_path, minutes=10, max_parallel=2, partition=None, gpus=None)
    subprocess.run(["scontrol", "update", "PartitionName=loopback", "State=DOWN"], check=True)  # so that jobs wait
    jobs = place.start([Execution((), tmp_path, tmp_path)] * 2, [])
    assert place.running(jobs) == set(jobs) and place.cancellation(jobs[0]) is None
    assert place.stop(jobs) == (
        f"2 jobs stay in Slurm's queue; `scancel {jobs[0].job_id.partition('_')[0]}` would cancel them."
    )
    subprocess.run(["scancel", jobs[0].job_id], check=True)
    wait_for(lambda: place.running(jobs) == {jobs[1]})
    assert place.cancellation(jobs[0]) == f"job {jobs[0].job_id} was cancelled"


def test_runs_resume_after_their_jobs_were_requeued(slurm, short_project, sample, tmp_path):
    runs, output = tmp_path / "runs", tmp_path / "output"
    log = runs / "batch" / "batch.log"
    parameters = {**TINY, "epochs": EPOCHS, "early_stopping_patience": EPOCHS, "data": sample, "runs": runs}
    words = [*FILES, "--halves", "val1", "-f", "params/sample.yaml", *as_words(parameters)]
    words += ["--executor", "slurm", "--time", 30, "--partition", "loopback", "--max-parallel", 2]
    batch = nblib_batch(words, output, short_project)

    wait_for(lambda: len(jobs_of(log)) == 3, 300)
    jobs = jobs_of(log)
    assert sorted(job.partition("_")[2] for job in jobs.values()) == ["0", "1", "2"], "one array"
    first, second = list(jobs)[:2]
    wait_for(lambda: epochs(runs, first) > 2, 300)
    subprocess.run(["scontrol", "requeue", jobs[first]], check=True)
    wait_for(lambda: epochs(runs, second) > 2, 300)
    subprocess.run(["scancel", "--signal=USR2", jobs[second]], check=True)  # as Slurm does before a time limit

    assert batch.wait(600) == 0, output.read_text()
    assert output.read_text().endswith("\n3 done, 0 failed, 0 left\n")
    texts = {name: str(value) for name, value in parameters.items()}
    planned = plan_runs([TOP / file for file in FILES], ["val1"], [TOP / "params/sample.yaml"], texts)
    assert {run.name for run in planned} == set(jobs)
    for run in planned:
        assert run.done and is_complete(run.notebook)
        assert run.run.history["epoch"].tolist() == list(range(1, EPOCHS + 1))
    executed = {run.name: (run.log_dir / "log.txt").read_text().count("\n== ") for run in planned}
    assert executed == {first: 2, second: 2, list(jobs)[2]: 1}
    assert log.read_text().count(" started ") == 3 and " retrying " not in log.read_text()
