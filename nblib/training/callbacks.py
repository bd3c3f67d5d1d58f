"""Callbacks: plateaus, averaged weights, checkpoints that a killed run resumes from, TensorBoard."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import callbacks, ops

from nblib.experiments import Experiment, Run, best_epoch, naming_damage, print_epochs, read_arrays
from nblib.system import replacing
from nblib.training.models import load_best_weights

Show = Callable[[Run], None]  # shows a run as it is on disk; called after each epoch

# Columns of the history; those of validation only where there is one.
MEASURED = ("loss", "f1", "accuracy", "val_loss", "val_f1", "val_accuracy", "tuned_f1", "val_tuned_f1")

# For each `monitor`: what selects the epoch and ends the training, and whether it should be high or low.
MONITORS = {"f1": ("val_f1", "max"), "tuned_f1": ("val_tuned_f1", "max"), "loss": ("val_loss", "min")}

# What TensorBoard shows: for each curve the columns of the history, and the chart that each goes to.
CURVES = {
    "train": {"loss": "loss", "f1": "f1", "learning_rate": "learning_rate"},
    "validation": {"val_loss": "loss", "val_f1": "f1"},
}
SCALAR = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"}, data_class="DATA_CLASS_SCALAR")


class _FromFirstF1:
    """Counts epochs from the first one with an F1 above 0.

    With labels this sparse no probability exceeds 0.5 in the first epochs, and F1 stays 0; a patience counted from the
    start would end a training, or cut its learning rate, too early. The paper does not say how it dealt with that.
    """

    started = False

    def on_epoch_end(self, epoch, logs=None):
        self.started = self.started or logs[self.monitor] > 0
        if self.started:
            super().on_epoch_end(epoch, logs)


class EarlyStopping(_FromFirstF1, callbacks.EarlyStopping):
    """Keras' early stopping, its patience counted from the first epoch with an F1 above 0."""


class ReduceLROnF1Plateau(_FromFirstF1, callbacks.ReduceLROnPlateau):
    """Keras' learning-rate reduction, its patience counted from the first epoch with an F1 above 0."""


def plateau_callbacks(experiment: Experiment) -> list[callbacks.Callback]:
    """Early stopping on what the experiment monitors of the validation half, and its learning-rate reduction, if any.

    A plateau of the loss, which falls from the first epoch on, is Keras' own.

    None where all images are trained on: a plateau could only be that of images that the network has seen.

    Paper: Table 3, column lr-red. (factor / patience / monitored quantity); "nothing" is a factor of None.
    """
    if experiment.train_on == "all":
        return []
    monitor, mode = MONITORS[experiment.monitor]
    kind = callbacks.EarlyStopping if mode == "min" else EarlyStopping
    stopping = kind(monitor=monitor, mode=mode, patience=experiment.early_stopping_patience)
    if experiment.lr_reduction_factor is None or experiment.schedule != "plateau":
        return [stopping]
    plateau = {"factor": experiment.lr_reduction_factor, "patience": experiment.lr_reduction_patience}
    if experiment.lr_reduction_monitor == "loss":
        return [stopping, callbacks.ReduceLROnPlateau(monitor="val_loss", mode="min", **plateau)]
    return [stopping, ReduceLROnF1Plateau(monitor="val_f1", mode="max", **plateau)]


class AveragedWeights(callbacks.SwapEMAWeights):
    """Puts the moving average of the weights into the model while it is evaluated, and from the end of each epoch on.

    So it comes before the Checkpoint, which then saves averaged weights; the next epoch, also in a run that was
    `resumed`, begins by putting the weights that are trained back.
    """

    # Keras' own way on TensorFlow adds and subtracts, which rounds; this one, which it has for JAX, is exact.
    _tf_swap_variables = callbacks.SwapEMAWeights._backend_swap_variables

    def __init__(self, resumed: bool = False):
        super().__init__(swap_on_epoch=True)
        self._ema_weights_in_model = resumed


class Checkpoint(callbacks.Callback):
    """Saves a run after every epoch, prints one line, and resumes it where it was.

    It is the last callback: those in `plateau` have already seen the epoch. Models do not save their state; replaying
    the saved history restores it. Best weights are saved from `whole`, which may contain the trained model.
    """

    def __init__(self, run: Run, plateau: list[callbacks.Callback], whole: keras.Model, show: Show | None):
        super().__init__()
        self.run, self.plateau, self.whole, self.show = run, plateau, whole, show or (lambda run: None)
        self.rows, self.stopped, self._values = _resumable_state(run, whole)

    def on_train_begin(self, logs=None):
        """Restores model, optimiser and callbacks from the saved state, and shows and prints the epochs so far."""
        if not self.rows:
            return
        self.show(self.run)
        print_epochs(pd.DataFrame(self.rows), self.params["epochs"])
        for epoch, row in enumerate(self.rows):
            for callback in self.plateau:
                callback.on_epoch_end(epoch, dict(row))
        with naming_damage(self.run.folder / "state.npz"):
            for variable, value in zip(_variables(self.model), self._values, strict=True):
                variable.assign(value)
        self._values = []

    def on_epoch_begin(self, epoch, logs=None):
        """Notes the time and the learning rate at the start of the epoch."""
        self._started = time.monotonic()
        rate = ops.convert_to_numpy(self.model.optimizer.learning_rate)
        self._learning_rate = float(f"{rate:.7g}")  # float32 holds no more

    def on_train_batch_end(self, batch, logs=None):
        """Stops at the first batch whose loss is not finite."""
        self._require_finite("loss", float(logs["loss"]), f"batch {batch + 1} of {self.params['steps']}")

    def on_epoch_end(self, epoch, logs=None):
        """Saves the best weights, the history and the state to resume from, in this order."""
        measured = {name: float(logs[name]) for name in MEASURED if name in logs}
        self._require_finite("val_loss", measured.get("val_loss", 0.0), "its end")
        seconds = round(time.monotonic() - self._started, 2)
        row = {"epoch": epoch + 1, **measured, "learning_rate": self._learning_rate, "seconds": seconds}
        column, mode = MONITORS[self.run.experiment.monitor]
        if column != "val_f1" and column in row:
            row["monitored"] = row[column] if mode == "max" else -row[column]
        self.rows.append(row)
        if "val_f1" not in row or best_epoch(pd.DataFrame(self.rows)) == epoch + 1:
            save_weights(self.whole, self.run.folder / "best.weights.h5")
        self.run.write_history(self.rows)
        write_state(self.run.folder / "state.npz", self.rows, self.model)
        self.show(self.run)  # before the line, so that all lines follow each other in a notebook
        print_epochs(pd.DataFrame([row]), self.params["epochs"])

    def _require_finite(self, name: str, value: float, where: str) -> None:
        if math.isfinite(value):
            return
        saved = f"after epoch {len(self.rows)}" if self.rows else "before its first epoch"
        raise FloatingPointError(
            f"{name} is {value} in epoch {len(self.rows) + 1}, at {where}, with learning rate {self._learning_rate}. "
            f"{self.run.folder} stays as it was {saved}, and the same experiment would resume from there and fail "
            f"again: train with a lower learning_rate, under another experiment_name or with force=True."
        )


class TensorBoardCurves(callbacks.Callback):
    """Writes the last of `rows` after every epoch for TensorBoard: in `folder`, train and validation as two curves.

    It comes after the Checkpoint whose rows it is given; a run that resumes adds to the files that it has. Keras' own
    callback needs the package tensorboard, which is not installed with TensorFlow; here only the viewer needs it.
    """

    def __init__(self, folder: Path, rows: list[dict[str, float]]):
        super().__init__()
        self.rows = rows
        self._writers = {curve: tf.summary.create_file_writer(str(folder / curve)) for curve in CURVES}

    def on_epoch_end(self, epoch, logs=None):
        """Writes the epoch's values at once, so that TensorBoard can follow."""
        row = self.rows[-1]
        for curve, columns in CURVES.items():
            with self._writers[curve].as_default(step=epoch + 1):
                for column, chart in ((column, chart) for column, chart in columns.items() if column in row):
                    tf.summary.write(chart, tf.constant(row[column], tf.float32), metadata=SCALAR)
            self._writers[curve].flush()


def save_weights(model: keras.Model, path: Path) -> None:
    """Writes the weights of `model` only: Keras would add the optimiser's moments, twice as large."""
    with replacing(path, size=4 * model.count_params()) as beside:
        weights_only(model).save_weights(beside)


def weights_only(model: keras.Model) -> keras.Model:
    """The same layers and weights, not compiled, so that only weights are saved and loaded."""
    return keras.Model(model.inputs, model.outputs)


def write_state(path: Path, rows: list[dict[str, float]], model: keras.Model) -> None:
    """Writes all that a training needs to resume: history, and all variables of model, dropout seeds and optimiser."""
    values = {str(number): variable.numpy() for number, variable in enumerate(_variables(model))}
    facts = json.dumps({"rows": rows, "stopped": bool(model.stop_training)})
    size = sum(value.nbytes for value in values.values())
    with replacing(path, size) as beside, beside.open("wb") as file:
        np.savez(file, facts=np.array(facts), **values)


def read_state(path: Path) -> tuple[list[dict[str, float]], bool, list[np.ndarray]]:
    """What `write_state` wrote: history, whether early stopping had ended it, values; ([], False, []) for no file.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.exists():
        return [], False, []
    arrays = read_arrays(path)
    with naming_damage(path):
        facts = json.loads(str(arrays.pop("facts")))
        return facts["rows"], facts["stopped"], [arrays[str(number)] for number in range(len(arrays))]


def _resumable_state(run: Run, whole: keras.Model) -> tuple[list[dict[str, float]], bool, list[np.ndarray]]:
    """The state to resume from, as from `read_state`; an empty one, with a line that says why, where a file is damaged.

    Weights of the best of those epochs could not be made again later, so they are loaded as a test.
    """
    initial = []
    try:
        rows, stopped, values = read_state(run.folder / "state.npz")
        if rows:
            initial = [variable.numpy() for variable in whole.variables]
            load_best_weights(weights_only(whole), run)
        return rows, stopped, values
    except (FileNotFoundError, ValueError) as damage:
        print(f"The training starts anew: {damage}")
        for variable, value in zip(whole.variables, initial, strict=False):
            variable.assign(value)
        return [], False, []


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]
