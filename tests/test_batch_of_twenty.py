"""Twenty real runs on the sample, two at a time, through the death of a worker, of the batch, and Ctrl-C."""

import json
import os
import re
import signal
import subprocess

import psutil
from batches import TINY, TOP, as_words, nblib_batch, wait_for

from nblib.batch.outcome import failing_cell, is_whole
from nblib.batch.plan import plan_runs


def started(log):
    """Names of the runs that a batch has started, as its log has them."""
    return re.findall(r"started (\S+)", log.read_text()) if log.exists() else []


def test_twenty_runs_are_complete_in_the_end_and_none_is_done_twice_though_batch_and_worker_are_killed(
    short_project, sample, tmp_path
):
    runs = tmp_path / "runs"
    log, said = runs / "batch" / "batch.log", tmp_path / "said"
    places = {"data": sample, "runs": runs}
    words = ["params/table3", "--halves", "val1", "val2", "-f", "params/sample.yaml", *as_words({**TINY, **places})]

    def start():
        return nblib_batch(*words, "--jobs", 2, cwd=short_project, stdout=said.open("w"), stderr=subprocess.STDOUT)

    def done():
        return len(re.findall(r"done \S+/val", log.read_text())) if log.exists() else 0

    batch = start()
    wait_for(lambda: done() >= 2, 600)
    victim = started(log)[-1]  # just begun
    book = runs / "batch" / victim / "job.json"
    psutil.Process(int(json.loads(book.read_text())["job_id"])).children()[0].kill()
    wait_for(lambda: done() >= 5, 600)
    batch.kill()
    batch.wait()

    batch = start()  # finds again what the killed one left at work
    wait_for(lambda: done() >= 10, 600)
    os.killpg(batch.pid, signal.SIGINT)  # as a terminal does
    assert batch.wait(60) == 130
    assert "at work were stopped, each keeps its whole epochs" in said.read_text()
    assert "The same command goes on with what is missing:\n    nblib batch params/table3 --halves" in said.read_text()
    assert "Traceback" not in said.read_text()
    stopped = [str(path.parent.relative_to(runs / "batch")) for path in (runs / "batch").glob("*/val?/job.json")]

    batch = start()
    assert batch.wait(900) == 0, said.read_text()
    assert said.read_text().endswith("\n20 done, 0 failed, 0 left\n")
    texts = {name: str(value) for name, value in {**TINY, **places}.items()}
    planned = plan_runs([TOP / "params/table3"], overlays=[TOP / "params/sample.yaml"], parameters=texts)
    assert all(run.done and is_whole(run.notebook) and failing_cell(run.notebook) is None for run in planned)
    assert all(run.run.history["epoch"].tolist() == [1, 2] for run in planned)
    text = log.read_text()
    assert f"again {victim}: its process was killed (try 2 of 3)" in text
    assert "still at work, from before: " in text
    begun = {run.name: (run.books / "log.txt").read_text().count("\n== ") for run in planned}
    assert begun[victim] >= 2 and {name for name, times in begun.items() if times > 1} <= {victim, *stopped}
    assert sum(begun.values()) <= 20 + 1 + 2
    assert not list(runs.rglob("job.json")) and not list(runs.rglob("state.npz"))
