"""Trainings that are killed: with SIGKILL in a process of their own, or after an epoch in this one."""

import contextlib
import io
import multiprocessing
import os
import signal
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from nblib.experiments import Experiment, Run
from nblib.system.files import BESIDE
from nblib.training import build_network, load_training_data, train
from nblib.training.callbacks import Checkpoint

MOMENTS = ("in an epoch", "while best.weights.h5 is written", "after history.csv is written",
           "while state.npz is written", "after state.npz is written")  # fmt: skip
BATCHES = 10  # of an epoch of `small_experiment`: 40 images and their flipped copies, 8 per batch

# All that is not of the paper at once, for `small_experiment`.
EVERYTHING = dict(
    augmentation="strong", sampling="rarest", label_smoothing=0.1, optimizer="adamw", weight_decay=0.01, clipnorm=1.0,
    backbone_learning_rate_factor=0.5, gradient_accumulation_steps=3, use_ema=True, ema_momentum=0.9, schedule="cosine",
    warmup_epochs=2, monitor="tuned_f1", pooling="gem", precision="mixed_float16", learning_rate=2e-3,
    loss="asymmetric",
)  # fmt: skip

# One server that has loaded TensorFlow; each training is a process forked from it.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["nblib.training.trainer"])


@dataclass(frozen=True)
class Kill:
    """A kill: its moment, epochs in the history then, files left half-written."""

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


def start(experiment, moment=None, number=1, action=None):
    """A process that trains the experiment; it calls `action` when it reaches a moment for the `number`-th time."""
    process = PROCESSES.Process(target=_train_quietly, args=(experiment, moment, number, action), daemon=True)
    process.start()
    return process


def wait_for(process, exitcode=0):
    """Waits until the process ends; fails if it ends with another exit code, or not within ten minutes."""
    process.join(600)
    assert process.exitcode == exitcode, f"the training ended with code {process.exitcode}, not {exitcode}"


def kill_at(moment, experiment, rng):
    """The Kill of a process that trains and kills itself the first or second time it reaches this moment."""
    number = int(rng.integers(1, 2 * BATCHES if moment == "in an epoch" else 2, endpoint=True))
    wait_for(start(experiment, moment, number, kill), -signal.SIGKILL)
    history = experiment.run_folder / "history.csv"
    epochs = len(pd.read_csv(history)) if history.exists() else 0
    return Kill(moment, epochs, tuple(name[14:] for name in half_written(experiment.run_folder)))


def kill(experiment, beside):
    """Kills this process, with one half of the file that it is writing on disk."""
    if beside:
        os.truncate(beside, beside.stat().st_size // 2)
    os.kill(os.getpid(), signal.SIGKILL)


def cut_pixels(experiment, beside):
    """Cuts the cached pixels of the experiment short."""
    for pixels in Path(experiment.runs).glob("pixels/*/grey"):
        os.truncate(pixels, 1000)


def _train_quietly(experiment, moment, number, action):
    _call_at(moment, number, lambda beside: action(experiment, beside))
    with contextlib.redirect_stdout(io.StringIO()):
        train_anew(experiment)


def _call_at(moment, number, action):
    """From now on this process calls `action` at that moment, with the half-written file or None."""
    times, replace, end_batch = count(1), Path.replace, Checkpoint.on_train_batch_end

    def reach(here, beside=None):
        if here == moment and next(times) == number:
            action(beside)

    def replace_and_reach(beside, path):
        reach(f"while {Path(path).name} is written", beside)
        replaced = replace(beside, path)
        reach(f"after {Path(path).name} is written")
        return replaced

    def end_batch_and_reach(checkpoint, batch, logs=None):
        end_batch(checkpoint, batch, logs)
        reach("in an epoch")

    Path.replace, Checkpoint.on_train_batch_end = replace_and_reach, end_batch_and_reach


def half_written(folder):
    """Names of the files in the folder and below whose writing has started and not finished."""
    return [path.name for path in folder.rglob(".*") if BESIDE.fullmatch(path.name)] if folder.exists() else []


def assert_same_run(run, other):
    """Fails unless history, best weights, probabilities and scores are equal to the last bit; seconds may differ."""
    histories = [each.history.drop(columns="seconds") for each in (run, other)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    assert {**run.scores, "seconds": 0} == {**other.scores, "seconds": 0}
    for half in (half for half in ("val1", "val2") if other.has_probabilities(half)):
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
