"""Trainings that are killed: with SIGKILL in a process of their own, or after an epoch in this one."""

import contextlib
import io
import multiprocessing
import os
import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from nblib.experiments import Experiment, Run
from nblib.system.files import BESIDE
from nblib.training import build_network, load_training_data, train

MOMENTS = ("in an epoch", "while best.weights.h5 is written", "before state.npz is written",
           "while state.npz is written", "between epochs")  # fmt: skip

# One server that has loaded TensorFlow; each training is a process forked from it.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["nblib.training.trainer"])


@dataclass(frozen=True)
class Kill:
    """A kill: the moment it waited for, epochs in the history then, files left half-written."""

    moment: str
    epochs: int
    half_written: tuple[str, ...]


def small_experiment(sample, runs, epochs, **conditions):
    """It trains in seconds, uses everything that a killed run must restore, and writes megabytes after each epoch."""
    defaults = dict(
        experiment_name="small", backbone="small_plain", weights=None, image_size=32, fc_units=512, dropout=0.25,
        loss="f1_times_bce", batch_size=8, learning_rate=2e-4, lr_reduction_factor=0.8, lr_reduction_patience=1,
        early_stopping_patience=1000, epochs=epochs, limit_images=40, data=str(sample), runs=str(runs),
    )  # fmt: skip
    return Experiment(**{**defaults, **conditions})


def train_anew(experiment):
    """The run of the experiment, trained in this process from its last saved epoch."""
    return _train(experiment)


def train_in_part(experiment, epochs):
    """Leaves the run as a training does that is killed after so many epochs."""

    def kill(run):
        if len(run.history) == epochs:
            raise KilledError

    with contextlib.suppress(KilledError):
        _train(experiment, kill)


class KilledError(Exception):
    """Stands for a kill in this process."""


def _train(experiment, show=None):
    data = load_training_data(experiment)
    return train(experiment, data, build_network(experiment, len(data.vocabulary)), show)


def train_quietly(experiment):
    """Trains without output, at a lower priority than the process that waits to kill it: files are written in ms."""
    os.nice(5)
    with contextlib.redirect_stdout(io.StringIO()):
        train_anew(experiment)


def start(experiment):
    """A process that trains the experiment."""
    process = PROCESSES.Process(target=train_quietly, args=(experiment,), daemon=True)
    process.start()
    return process


def kill_at(moment, experiment, rng):
    """Trains in a process that is killed at this moment, after up to one whole epoch more; returns the Kill."""
    folder = experiment.run_folder
    process = start(experiment)
    for _ in range(rng.integers(0, 2)):
        _wait(process, _changed(folder / "state.npz"))
    match moment:
        case "in an epoch":
            _wait(process, _changed(folder / "state.npz"))
            time.sleep(rng.uniform(0, pd.read_csv(folder / "history.csv")["seconds"].min()))
        case "between epochs":
            _wait(process, _changed(folder / "state.npz"))
        case "before state.npz is written":
            _wait(process, _changed(folder / "history.csv"))
        case _:
            _wait(process, _written_or_late(folder, moment.split()[1]))
    process.kill()
    process.join()
    epochs = len(pd.read_csv(folder / "history.csv")) if (folder / "history.csv").exists() else 0
    return Kill(moment, epochs, tuple(name[14:] for name in half_written(folder)))


def half_written(folder):
    """Names of the files in the folder and below whose writing has started and not finished."""
    return [path.name for path in folder.rglob(".*") if BESIDE.fullmatch(path.name)] if folder.exists() else []


def assert_same_run(run, other):
    """Fails unless history, best weights, probabilities and scores are equal to the last bit; seconds may differ."""
    histories = [each.history.drop(columns="seconds") for each in (run, other)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    assert {**run.scores, "seconds": 0} == {**other.scores, "seconds": 0}
    for half in ("val1", "val2"):
        for ours, theirs in zip(run.probabilities(half), other.probabilities(half), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    ours, theirs = weights_of(run), weights_of(other)
    assert ours.keys() == theirs.keys() and len(ours) > 4
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name])


def weights_of(run):
    """Every array in best.weights.h5, by its name there."""
    arrays = {}
    with h5py.File(run.folder / "best.weights.h5") as file:
        file.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return arrays


def files_of(run: Run) -> set[str]:
    """Names of all files in the run folder."""
    return {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file()}


def _changed(path: Path):
    """A condition: the file has been replaced since now."""
    before = _number(path)
    return lambda: _number(path) != before


def _written_or_late(folder: Path, name: str):
    """A condition: the file is being written, or has not been for three epochs, as may happen to best weights."""
    states = set()

    def reached():
        states.add(_number(folder / "state.npz"))
        return len(states) > 3 or any(path.endswith(f".{name}") for path in half_written(folder))

    return reached


def _number(path):
    """A number of the file on disk that changes whenever it is replaced; None while there is no file."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _wait(process, condition):
    """Waits until the condition holds; fails if the process ends before."""
    while not condition():
        assert process.is_alive(), f"the training ended by itself with code {process.exitcode}"
        time.sleep(0.0002)
