import os

import pytest
from batch.batches import execution, text_of, wait_for

from nblib.batch.outcome import is_complete
from nblib.batch.places import Slurm, slots


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
