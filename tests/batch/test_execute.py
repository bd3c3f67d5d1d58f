import json
import os
import pty
import re
import shutil
import signal
import termios
from pathlib import Path

import psutil
import pytest
from batch.batches import SAMPLE, TABLE_3, TINY, as_words, nblib_batch, wait_for

from nblib.batch.execute import Batch, run_batch, summary
from nblib.batch.outcome import failing_cell, is_complete
from nblib.batch.places import Job
from nblib.batch.plan import plan_runs
from nblib.batch.worker import Execution
from nblib.system import take_lock, write_json

UNPREPARED = """
from nblib.__main__ import main
from nblib.batch.execute import Batch
Batch._prepare = lambda self: None
main()
"""  # the stand-in for training needs neither pixels nor weights


def worker_of(log_dir):
    """The worker of a run whose papermill has started, by the run's log directory; None before."""
    try:
        worker = psutil.Process(int(json.loads((log_dir / "job.json").read_text())["job_id"]))
        return worker if worker.children() else None
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None


def test_twenty_runs_are_complete_in_the_end_and_none_is_done_twice_though_batch_and_worker_are_killed(
    instant_project, sample, tmp_path, processes
):
    runs, output = tmp_path / "runs", tmp_path / "output"
    log, gate = runs / "batch" / "batch.log", runs / "gate"
    places = {"data": sample, "runs": runs}
    words = ["params/table3", "--halves", "val1", "val2", "-f", "params/sample.yaml", *as_words({**TINY, **places})]

    def start():
        processes.append(nblib_batch([*words, "--jobs", 2], output, instant_project, ("-c", UNPREPARED)))
        return processes[-1]

    def named(event):
        return re.findall(rf" {event} (\S+/val.)", log.read_text()) if log.exists() else []

    def two_in_training():
        training = set(named("started")) - set(named("done"))
        return len(training) == 2 and all((runs / name / "history.csv").exists() for name in training)

    batch = start()
    wait_for(two_in_training)
    victim = named("started")[1]
    worker_of(runs / "batch" / victim).kill()
    wait_for(lambda: named("retrying") == [victim])
    gate.touch()
    wait_for(lambda: len(named("done")) >= 3)
    gate.unlink()
    wait_for(two_in_training)
    batch.kill()
    batch.wait()

    batch = start()  # takes over what the killed one left running
    wait_for(lambda: len(named("still running")) == 2)
    gate.touch()
    wait_for(lambda: len(named("done")) >= 6)
    gate.unlink()
    wait_for(two_in_training)
    os.killpg(batch.pid, signal.SIGINT)  # as a terminal does
    assert batch.wait(60) == 130
    assert "stopped. Ended 2 running; completed epochs are kept." in output.read_text()
    assert "give the same command again:\n    nblib batch params/table3 --halves" in output.read_text()
    assert "Traceback" not in output.read_text()
    stopped = {f"{path.parts[-3]}/{path.parts[-2]}" for path in (runs / "batch").glob("*/val?/job.json")}
    assert len(stopped) == 2

    gate.touch()
    batch = start()
    assert batch.wait(600) == 0, output.read_text()
    assert output.read_text().endswith("\n20 done, 0 failed, 0 left\n")
    texts = {name: str(value) for name, value in {**TINY, **places}.items()}
    planned = plan_runs(TABLE_3, overlays=SAMPLE, parameters=texts)
    assert len(planned) == 20
    assert all(run.done and is_complete(run.notebook) and failing_cell(run.notebook) is None for run in planned)
    assert all(run.run.history["epoch"].tolist() == [1, 2] for run in planned)
    assert f"retrying {victim}: its process was killed (try 2 of 3)" in log.read_text()
    executed = {run.name: (run.log_dir / "log.txt").read_text().count("\n== ") for run in planned}
    assert executed[victim] == 2 + (victim in stopped)
    assert {name for name, times in executed.items() if times > 1} == {victim, *stopped}
    assert not list(runs.rglob("job.json")) and not list(runs.rglob("state.npz"))


# ---- preparation, in a process of its own


def test_a_batch_in_a_terminal_shows_bars_and_any_name_of_a_folder_will_do(
    instant_project, sample, tmp_path, processes
):
    hostile = tmp_path / '"it\'s" $(exit) : {a} - #\\ Röntgen'
    data, runs = shutil.copytree(sample, hostile / "data"), hostile / "runs"
    runs.mkdir()
    (runs / "gate").touch()
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 300))
    words = ["params/table3/03_vgg16_flipped.yaml", "--halves", "val1", "-f", "params/sample.yaml"]
    words += as_words({**TINY, "data": data, "runs": runs})
    processes.append(nblib_batch(words, Path(os.ttyname(end)), instant_project))
    os.close(end)
    shown = b""
    while b"0 left\r\n" not in shown and (read := _read(terminal)):
        shown += read
    assert processes[-1].wait(60) == 0, shown
    shown = shown.decode()
    assert re.search(r"\rdecode: +\d+%\|", shown)
    assert "0 done, 0 failed, 1 left; running: 03_vgg16_flipped/val1 " in shown
    assert shown.endswith("1 done, 0 failed, 0 left\r\n")
    assert list((runs / "pixels").rglob("facts.json"))


def _read(terminal):
    try:
        return os.read(terminal, 10_000)
    except OSError:  # every process has closed the other end
        return b""


def test_what_cannot_be_prepared_is_reported_once_and_no_run_starts(sample, tmp_path, processes):
    output, runs = tmp_path / "output", tmp_path / "runs"
    parameters = {**TINY, "weights": tmp_path / "no.weights.h5", "data": sample, "runs": runs}
    words = ["params/table3/03_vgg16_flipped.yaml", "-f", "params/sample.yaml", *as_words(parameters)]
    processes.append(nblib_batch(words, output))
    assert processes[-1].wait(120) == 1
    *lines, reason, end = output.read_text().splitlines()
    assert lines == ["2 runs, 0 of them already done", "preparing pixels and weights"]
    assert str(tmp_path / "no.weights.h5") in reason
    assert end == "pixels and weights could not be prepared (reason above); no run has started."
    assert not list(runs.rglob("log.txt"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_preparation_ends_it(sample, tmp_path, processes, number):
    output = tmp_path / "output"
    words = ["params/table3", "-f", "params/sample.yaml", *as_words({"data": sample, "runs": tmp_path / "runs"})]
    processes.append(nblib_batch(words, output))
    batch = psutil.Process(processes[-1].pid)
    wait_for(batch.children)
    (preparing,) = batch.children()
    os.killpg(batch.pid, number)
    assert processes[-1].wait(60) == 130
    assert psutil.wait_procs([preparing], 20)[1] == []
    assert "stopping\nstopped.\n0 done, 0 failed, 20 left\n" in output.read_text()
    assert "Traceback" not in output.read_text()


# ---- a place where nothing is executed: how outcomes are handled


class Nowhere:
    """A place whose jobs end at once; `leave` writes what they leave behind."""

    name, every, lag, capacity = "nowhere", 0, 0, 1

    def __init__(self, leave):
        self.leave, self.started, self.stopped = leave, [], []

    def start(self, executions, jobs):
        self.started += [each.run_folder.parent.name for each in executions]
        for each in executions:
            self.leave(each, self.started.count(each.run_folder.parent.name))
        return [Job(self.name, str(len(self.started)))]

    def running(self, jobs):
        return set()

    def cancellation(self, job):
        return None

    def stop(self, jobs):
        self.stopped += jobs
        return ""


@pytest.fixture
def planned(planned, monkeypatch):
    """Three runs, with nothing to prepare."""
    monkeypatch.setattr(Batch, "_prepare", lambda self: None)
    return planned


def finish(execution, attempt=1):
    """What a successful execution leaves, as far as a batch looks at it."""
    write_json(execution.run_folder / "scores.json", {})
    write_json(execution.run_folder / "notebook.ipynb", {"metadata": {"papermill": {"end_time": "then"}}})
    write_json(execution.log_dir / "ended.json", {"code": 0})


def test_only_transient_failures_are_tried_again_and_only_as_often_as_requested(planned, capfd):
    first, second, third = (run.experiment.experiment_name for run in planned)

    def leave(execution, attempt):
        name = execution.run_folder.parent.name
        if name == first and attempt == 3:
            finish(execution)
        if name == second:
            write_json(execution.log_dir / "ended.json", {"code": 1})
            (execution.log_dir / "log.txt").write_text("\n== now\npapermill\nValueError: for good\n\n")

    place = Nowhere(leave)
    batch = run_batch(planned, place, retries=2)
    assert place.started == [first] * 3 + [second] + [third] * 3
    assert [run.name for run in batch.done] == [f"{first}/val1"]
    assert [*batch.failed.values()] == ["ValueError: for good", "its process was killed"]
    log = (planned[0].log_dir.parent.parent / "batch.log").read_text()
    assert f"retrying {first}/val1: its process was killed (try 2 of 3)" in log
    printed = capfd.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == len(log.splitlines()) == 1 + 7 + 4 + 3
    text = summary(batch, ["nblib", "batch", "params/my runs"])
    assert text.startswith("1 done, 2 failed, 0 left\n")
    assert f"{second}/val1 failed in ValueError: for good\n    notebook {planned[1].notebook}\n" in text
    assert text.endswith("give the same command again:\n    nblib batch 'params/my runs'")


def test_a_batch_that_is_started_again_does_only_what_is_missing(planned):
    finish(Execution((), planned[1].run.folder, planned[1].log_dir))
    place = Nowhere(finish)
    assert len(run_batch(planned, place).done) == 3
    assert place.started == [planned[0].experiment.experiment_name, planned[2].experiment.experiment_name]
    planned[0].notebook.write_text('{"metadata": {"papermill": {"end_time"')  # its writer was killed
    place = Nowhere(finish)
    assert len(run_batch(planned, place).done) == 3 and len(place.started) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_job_is_started_does_not_lose_the_job(planned, number):
    place = Nowhere(lambda execution, attempt: os.kill(os.getpid(), number))
    batch = run_batch(planned, place)
    assert batch.stopped and list(batch.running) == planned[:1] and batch.left == planned[1:]
    assert place.stopped == [Job("nowhere", "1")]
    assert json.loads((planned[0].log_dir / "job.json").read_text())["job_id"] == "1"


@pytest.mark.parametrize("content", [["local", "4711"], {"place": "nowhere", "job_id": "-5", "slot": 0, "began": 0}])
def test_a_run_whose_job_file_names_no_job_is_started(planned, content, capsys):
    write_json(planned[1].log_dir / "job.json", content)
    assert len(run_batch(planned, Nowhere(finish)).done) == 3
    line = f"{planned[1].log_dir / 'job.json'} names no job, so that {planned[1].name} is started"
    assert line in capsys.readouterr().err


def test_two_batches_do_not_run_in_one_folder_at_a_time(planned):
    log = planned[0].log_dir.parent.parent / "batch.log"
    log.parent.mkdir(parents=True)
    with log.open("a") as file:
        assert take_lock(file)
        with pytest.raises(BlockingIOError, match=r"another batch is running in .*; wait for it, or choose other `ru"):
            run_batch(planned, Nowhere(finish))


def test_runs_in_the_queue_of_slurm_are_not_started_here(planned):
    write_json(planned[1].log_dir / "job.json", {"place": "slurm", "job_id": "12_3", "slot": 0, "began": 0})
    place = Nowhere(finish)
    with pytest.raises(ValueError, match="was submitted to slurm as job 12_3; continue with --executor slurm"):
        run_batch(planned, place)
    assert place.started == []
