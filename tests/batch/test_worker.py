"""One execution: real papermill and kernels, small notebooks."""

import fcntl
import subprocess
import sys
import threading

import psutil
import pytest
from batch.batches import execution, wait_for

from nblib.batch.outcome import judge, last_log
from nblib.batch.worker import wait_until_free
from nblib.system import write_json


@pytest.fixture
def sleeper(place, tmp_path):
    """A job whose notebook never ends, and its processes: worker, papermill, kernel."""
    started = tmp_path / "started"
    source = f"open({str(started)!r}, 'w').close()\nimport time; time.sleep(600)"
    (job,) = place.start([execution(tmp_path / "a", source)], [])
    wait_for(started.exists)
    worker = psutil.Process(int(job.job_id))
    (papermill,) = worker.children()
    (kernel,) = papermill.children()
    return job, {"worker": worker, "papermill": papermill, "kernel": kernel}


@pytest.mark.parametrize("victim", ["worker", "papermill", "kernel"])
def test_whichever_process_of_a_run_is_killed_all_of_them_end_and_it_is_tried_again(place, tmp_path, sleeper, victim):
    job, processes = sleeper
    processes[victim].kill()
    wait_for(lambda: not place.running([job]), 30)
    assert psutil.wait_procs(processes.values(), 20)[1] == []
    assert judge(tmp_path / "a/notebook.ipynb", tmp_path / "a").transient


def test_stopping_ends_all_processes_of_a_run(place, tmp_path, sleeper):
    job, processes = sleeper
    assert place.stop([job]) == "Ended 1 running; completed epochs are kept."
    assert psutil.wait_procs(processes.values(), 20)[1] == []
    assert place.running([job]) == set() and last_log(tmp_path / "a").count("papermill") == 1


def test_a_worker_that_is_killed_while_papermill_is_still_loading_leaves_no_process(place, tmp_path):
    (job,) = place.start([execution(tmp_path / "a", "import time; time.sleep(600)")], [])
    worker = psutil.Process(int(job.job_id))
    wait_for(worker.children)
    (papermill,) = worker.children()
    worker.kill()
    assert psutil.wait_procs([papermill], 30)[1] == []
    assert judge(tmp_path / "a/notebook.ipynb", tmp_path / "a").reason == "its process was killed"


def test_a_worker_leaves_the_reason_in_the_log_when_it_cannot_start(place, tmp_path, monkeypatch):
    (tmp_path / "psutil.py").write_text("raise ImportError('this psutil is broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    (job,) = place.start([execution(tmp_path / "a", "1")], [])
    wait_for(lambda: not place.running([job]))
    assert last_log(tmp_path / "a").endswith("ImportError: this psutil is broken\n")


def test_a_worker_waits_while_another_process_trains_the_run(tmp_path):
    wait_until_free(tmp_path / "never started")
    write_json(tmp_path / "experiment.json", {})
    waiting = threading.Thread(target=wait_until_free, args=[tmp_path])
    with (tmp_path / "experiment.json").open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        wait_until_free(tmp_path, patience=0)
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
    waiting.join(60)
    assert not waiting.is_alive()


def test_a_worker_does_not_load_pandas():
    code = "import sys, nblib.batch.worker, nblib.system.attended; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
