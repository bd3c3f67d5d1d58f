import os
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import psutil
import pytest
from batch.batches import execution, text_of, wait_for
from benchmarks.mutations import mutated

from nblib.batch.outcome import is_complete
from nblib.batch.places import Job, Slurm, read_job, slots
from nblib.system import write_json


def test_each_run_has_a_gpu_of_those_that_may_be_used(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5,7")
    assert slots(None) == [{"CUDA_VISIBLE_DEVICES": name} for name in "257"]
    assert slots(2) == [{"CUDA_VISIBLE_DEVICES": "2"}, {"CUDA_VISIBLE_DEVICES": "5"}]
    assert slots(None, devices=2) == [{"CUDA_VISIBLE_DEVICES": "2,5"}]
    with pytest.raises(ValueError, match="4 jobs of 1 GPU each do not fit on 3"):
        slots(4)


def test_without_a_gpu_runs_share_the_cores(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    cores = len(os.sched_getaffinity(0))
    assert len(slots(None)) == 1 and slots(None)[0]["TF_NUM_INTRAOP_THREADS"] == str(cores)
    assert len(slots(2 * cores)) == 2 * cores and slots(2 * cores)[0]["OMP_NUM_THREADS"] == "1"


def test_without_slurm_the_error_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no Slurm here: srun is not on the PATH"):
        Slurm(tmp_path / "submitit", minutes=10, max_parallel=2, partition=None, gpus=1)


def test_parallel_runs_see_one_gpu_each_and_the_next_run_sees_the_free_one(place, tmp_path):
    shown = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"
    jobs = place.start([execution(tmp_path / "a", shown), execution(tmp_path / "b", shown)], [])
    assert place.capacity == 2 and place.running(jobs) == set(jobs)
    wait_for(lambda: not place.running(jobs))
    assert [text_of(tmp_path / name / "notebook.ipynb").strip() for name in "ab"] == ["4", "7"]
    (later,) = place.start([execution(tmp_path / "c", shown)], jobs[:1])
    wait_for(lambda: not place.running([later]))
    assert text_of(tmp_path / "c/notebook.ipynb").strip() == "7"
    assert is_complete(tmp_path / "c/notebook.ipynb")
    assert (tmp_path / "c/ended.json").read_text().split() == ["{", '"code":', "0", "}"]


@pytest.fixture
def foreign():
    """A process of this machine that no batch has started."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield psutil.Process(process.pid)
        process.kill()


def test_a_process_that_is_not_the_worker_of_the_job_is_neither_waited_for_nor_killed(place, foreign):
    began = foreign.create_time()
    jobs = [Job("local", str(foreign.pid), 0, began), Job("local", str(foreign.pid), 0, began - 3600)]
    jobs += [Job("local", number, 0, began) for number in ("-5", "0", "12_3", "99999999999999999999", "")]
    assert place.running(jobs) == set()
    assert place.stop(jobs) == "" and foreign.is_running()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", 10_000 * "[", '{"place": "local"}', '{"place": "local", "job_id": "-5"}',
     '{"place": "local", "job_id": 12}', '{"place": "local", "job_id": "1", "slot": -1}',
     '{"place": "local", "job_id": "1", "began": NaN}', '{"place": "local", "job_id": "1", "began": "now"}'],
)  # fmt: skip
def test_a_file_that_names_no_job_names_none(tmp_path, text):
    (tmp_path / "job.json").write_text(text)
    assert read_job(tmp_path / "job.json") is None


def test_a_job_is_read_as_it_was_written_and_from_any_other_content_it_is_one_or_none(place, tmp_path):
    path, rng = tmp_path / "job.json", np.random.default_rng(15)
    for job in (Job("local", "4711", 1, 1764000000.25), Job("slurm", "12_3")):
        write_json(path, asdict(job))
        assert read_job(path) == job
        content = path.read_bytes()
        for _ in range(200):
            path.write_bytes(mutated(content, rng))
            read = read_job(path)
            assert read is None or place.running([read]) == set()
