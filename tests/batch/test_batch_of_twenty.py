"""Twenty real runs on the sample, two at a time, through the death of a worker, of the batch, and Ctrl-C."""

import json
import os
import re
import signal

import psutil
import pytest
from batch.batches import TINY, TOP, as_words, nblib_batch, wait_for

from nblib.batch.outcome import failing_cell, is_whole
from nblib.batch.plan import plan_runs
from nblib.batch.worker import kill_tree


@pytest.fixture
def processes():
    """Batches that are gone at the end, whatever becomes of the test."""
    started = []
    yield started
    for process in started:
        kill_tree(process.pid)
        process.wait()


def worker_of(books):
    """The worker of a run whose papermill has begun, by the run's books; None before."""
    try:
        submitits = psutil.Process(int(json.loads((books / "job.json").read_text())["job_id"]))
        return next((worker for worker in submitits.children() if worker.children()), None)
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None


def test_twenty_runs_are_complete_in_the_end_and_none_is_done_twice_though_batch_and_worker_are_killed(
    short_project, sample, tmp_path, processes
):
    runs, said = tmp_path / "runs", tmp_path / "said"
    log = runs / "batch" / "batch.log"
    places = {"data": sample, "runs": runs}
    words = ["params/table3", "--halves", "val1", "val2", "-f", "params/sample.yaml", *as_words({**TINY, **places})]

    def start():
        processes.append(nblib_batch([*words, "--jobs", 2], said, short_project))
        return processes[-1]

    def done():
        return len(re.findall(r"done \S+/val", log.read_text())) if log.exists() else 0

    def started():
        return re.findall(r"started (\S+)", log.read_text()) if log.exists() else []

    batch = start()
    wait_for(lambda: len(started()) >= 3, 600)
    victim = started()[2]
    wait_for(lambda: worker_of(runs / "batch" / victim), 600)
    worker_of(runs / "batch" / victim).kill()
    wait_for(lambda: f"again {victim}" in log.read_text(), 60)
    wait_for(lambda: done() >= 3 and len(started()) >= 6, 1200)  # the victim twice, three that are done, two at work
    batch.kill()
    batch.wait()

    batch = start()  # finds again what the killed one left at work
    wait_for(lambda: done() >= 6, 1200)
    os.killpg(batch.pid, signal.SIGINT)  # as a terminal does
    assert batch.wait(60) == 130
    assert "stopped, each keeps its whole epochs" in said.read_text() and "Traceback" not in said.read_text()
    assert "The same command goes on with what is missing:\n    nblib batch params/table3 --halves" in said.read_text()
    stopped = {f"{path.parts[-3]}/{path.parts[-2]}" for path in (runs / "batch").glob("*/val?/job.json")}

    batch = start()
    assert batch.wait(2400) == 0, said.read_text()
    assert said.read_text().endswith("\n20 done, 0 failed, 0 left\n")
    texts = {name: str(value) for name, value in {**TINY, **places}.items()}
    planned = plan_runs([TOP / "params/table3"], overlays=[TOP / "params/sample.yaml"], parameters=texts)
    assert len(planned) == 20
    assert all(run.done and is_whole(run.notebook) and failing_cell(run.notebook) is None for run in planned)
    assert all(run.run.history["epoch"].tolist() == [1, 2] for run in planned)
    assert f"again {victim}: its process was killed (try 2 of 3)" in log.read_text()
    assert "still at work, from before: " in log.read_text()
    begun = {run.name: (run.books / "log.txt").read_text().count("\n== ") for run in planned}
    assert begun[victim] == 2 + (victim in stopped)
    assert {name for name, times in begun.items() if times > 1} <= {victim, *stopped}
    assert not list(runs.rglob("job.json")) and not list(runs.rglob("state.npz"))
