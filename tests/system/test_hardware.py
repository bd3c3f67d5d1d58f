import os

import psutil
import pytest

from nblib.system.hardware import cores, visible_gpus


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A driver with two GPUs, as `nvidia-smi` lists them."""
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "nvidia-smi"


def test_the_cores_are_those_that_the_process_may_use():
    assert cores() == len(psutil.Process().cpu_affinity())


def test_the_gpus_are_those_that_the_driver_lists(driver):
    assert visible_gpus() == ["0", "1"]


@pytest.mark.parametrize(("names", "gpus"), [("", []), ("-1", []), ("1", ["1"]), ("GPU-7f,2", ["GPU-7f", "2"])])
def test_cuda_visible_devices_takes_precedence_over_the_driver(driver, monkeypatch, names, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)
    assert visible_gpus() == gpus


def test_there_is_no_gpu_without_a_driver_or_where_it_fails(driver, monkeypatch):
    driver.write_text("#!/bin/sh\necho no devices were found; exit 6\n")
    assert visible_gpus() == []
    monkeypatch.setenv("PATH", "")
    assert visible_gpus() == []
