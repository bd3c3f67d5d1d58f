"""A run followed from outside; what trains it is played by whoever is called when an epoch is shown."""

import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from benchmarks.mutations import mutated

from nblib.experiments.runs import Run
from nblib.experiments.watch import _why_nothing_comes, duration, epoch_line, time_left, watch_run


def row_of(epoch):
    return {"epoch": epoch, "loss": 0.12344, "f1": 0.3, "val_loss": 0.2, "val_f1": 0.34567, "learning_rate": 1e-5,
            "seconds": 12.34}  # fmt: skip


@pytest.fixture
def run(leave_run):
    """A run whose first of four epochs is done."""
    run = leave_run("small", scored=None, epochs=4)
    run.write_history([row_of(1)])
    return run


def contents(run):
    return {path.name: path.read_bytes() for path in run.folder.iterdir()}


def test_an_epoch_is_printed_on_one_line():
    expected = "epoch  7/50   loss 0.1234   f1 0.3000   val_loss 0.2000   val_f1 0.3457   rate 1.0e-05   12.3 s"
    assert epoch_line(row_of(7), epochs=50) == expected


@pytest.mark.parametrize(
    ("seconds", "text"), [(42.4, "42 s"), (245, "4 min 5 s"), (12_000, "3 h 20 min"), (59.6, "1 min 0 s"), (0, "0 s")]
)
def test_durations_are_in_the_units_that_people_use(seconds, text):
    assert duration(seconds) == text


def test_the_time_left_is_that_of_the_epochs_left_at_the_median(run):
    run.write_history([{**row_of(epoch), "seconds": seconds} for epoch, seconds in ((1, 90), (2, 10), (3, 12))])
    assert time_left(run.history, epochs=10) == "at most 1 min 24 s left"
    assert time_left(run.history, epochs=2) == "at most 0 s left"
    assert time_left(run.history.head(0), epochs=2) == "no epoch done yet"


def test_a_run_is_shown_epoch_by_epoch_until_it_is_finished(run, capsys):
    shown = []

    def show(watched):
        shown.append(len(watched.history))
        done = len(watched.history)
        if done < 4:
            watched.write_history([row_of(epoch) for epoch in range(1, done + 2)])
        else:
            watched.write_scores({})

    assert watch_run(run.folder, every=0, show=show, wait=True) == run and run.finished
    left = ["   at most 37 s left", "   at most 25 s left", "   at most 12 s left", "   at most 0 s left"]
    expected = [epoch_line(row_of(epoch), 4) + text for epoch, text in zip(range(1, 5), left, strict=True)]
    assert capsys.readouterr().out.splitlines() == expected
    assert shown == [1, 2, 3, 4]


def test_a_finished_run_is_shown_whole_at_once(run, capsys):
    run.write_history([row_of(epoch) for epoch in range(1, 4)])
    run.write_scores({})
    shown = []
    watch_run(run.folder, show=shown.append)
    assert capsys.readouterr().out.splitlines() == [epoch_line(row_of(epoch), 4) for epoch in range(1, 4)]
    assert shown == [run]


def test_interrupting_ends_the_watching_and_not_the_run(run, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    assert watch_run(run.folder, show=interrupt) == run and not run.finished
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"No longer watching {run.folder}; a training")


def test_a_terminal_shows_epochs_and_ends_when_interrupted_while_another_process_has_the_run(run):
    run.write_history([row_of(1), row_of(2)])
    before, command = contents(run), [sys.executable, "-m", "nblib", "watch", str(run.folder)]
    with run.lock(), subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        lines = [watching.stdout.readline() for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        lines += watching.stdout.readlines()
        assert Run(run.folder).running
    assert [line.split("/")[0] for line in lines[:2]] == ["epoch 1", "epoch 2"]
    assert lines[-1].startswith("No longer watching ") and watching.returncode == 0
    assert contents(run) == before


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected <runs>/<experiment_name>/<val1, val2 or all>"):
        watch_run(tmp_path)


def as_of_another_machine(run, silent):
    """Leaves the run as another machine does, whose locks are not seen here, so many seconds after its last sign."""
    (run.folder / "host.txt").write_text("node7")
    written = time.time() - silent
    os.utime(run.folder, (written, written))


def test_a_run_that_nobody_trains_is_not_waited_for(run, capsys):
    with pytest.raises(
        ProcessLookupError, match=rf"^no process trains {run.folder}; 1 of at most 4 epochs are done\. To"
    ):
        watch_run(run.folder)
    assert capsys.readouterr().out.startswith("epoch 1/4")
    (run.folder / "history.csv").unlink()
    with pytest.raises(ProcessLookupError, match="; 0 of at most 4 epochs are done"):
        watch_run(run.folder)


def test_a_run_whose_training_is_killed_while_it_is_watched_is_no_longer_waited_for(run):
    setup = f"from pathlib import Path; from nblib.experiments import Run; run = Run(Path({str(run.folder)!r}))"
    hold = f"{setup}\nwith run.lock(): print(run.host, flush=True); import time; time.sleep(600)"
    command = [sys.executable, "-m", "nblib", "watch", str(run.folder)]
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True) as training:
        assert training.stdout.readline().strip() == socket.gethostname() == run.host and run.running
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
            assert watching.stdout.readline().startswith("epoch 1/4")
            training.kill()
            assert watching.wait(20) == 1
            assert watching.stderr.read().startswith(f"no process trains {run.folder}; 1 of at most 4 epochs")
    assert run.running is False and run.host == socket.gethostname()  # what a killed process leaves


def test_a_run_of_another_machine_is_dead_only_after_a_long_silence(run):
    as_of_another_machine(run, silent=300)
    assert run.running is None and _why_nothing_comes(run) is None
    as_of_another_machine(run, silent=640)
    with pytest.raises(
        ProcessLookupError, match=rf"^node7 had {run.folder} and has written nothing for 10 min 40 s; 1 of"
    ):
        watch_run(run.folder)
    with run.lock():
        assert run.running and _why_nothing_comes(run) is None
    assert run.host is None and run.running is False


def test_without_locks_a_run_that_somebody_had_may_be_running(run, monkeypatch):
    monkeypatch.setattr("nblib.experiments.runs.take_lock", lambda file, shared=False: None)
    assert run.running is False
    with run.lock():
        assert run.running is None
    assert run.running is False


def test_waiting_ends_when_the_run_is_finished(run):
    command = [sys.executable, "-m", "nblib", "watch", str(run.folder), "--wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout.readline().startswith("epoch 1/4")
        run.write_scores({"epochs": 1, "seconds": 12.34})
        assert watching.wait(20) == 0


@pytest.mark.parametrize("name", ["experiment.json", "history.csv"])
def test_whatever_the_files_hold_watching_ends_with_a_sentence(run, name):
    path, rng = run.folder / name, np.random.default_rng(15)
    content = path.read_bytes()
    for _ in range(200):
        path.write_bytes(mutated(content, rng))
        with pytest.raises((ValueError, ProcessLookupError)) as caught:
            watch_run(run.folder)
        sentence = str(caught.value)
        assert sentence.startswith((f"{path} is damaged (", f"no process trains {run.folder}")) and "\n" not in sentence
