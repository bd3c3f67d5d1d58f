"""What watches a training: F1 over images as a Keras metric, callbacks, and the state a killed run goes on from."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import callbacks, metrics, ops

from nblib.experiments import Experiment, Run, best_epoch, print_epochs
from nblib.system import replacing

Show = Callable[[Run], None]  # shows a run as it is on disk; called after each epoch

# What TensorBoard shows: for each curve the quantities of a row of the history, and the picture each goes to.
CURVES = {
    "train": {"loss": "loss", "f1": "f1", "learning_rate": "learning_rate"},
    "validation": {"val_loss": "loss", "val_f1": "f1"},
}
SCALAR = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"}, data_class="DATA_CLASS_SCALAR")


class SampleF1(metrics.Mean):
    """Mean over images of each image's F1 at a threshold; images without a true concept are left out.

    The same number as `nblib.evaluation.metrics.sample_f1` (0 instead of NaN if no image has one), computed on the device.
    Paper: section 4, "we implemented a training-time computation of the F1 score".
    """

    def __init__(self, threshold=0.5, name="f1", **options):
        super().__init__(name=name, **options)
        self.threshold = threshold

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch: y_true and y_pred, (N, K)."""
        y_true = ops.cast(y_true, "float32")
        selected = ops.cast(y_pred > self.threshold, "float32")
        true = ops.sum(y_true, axis=-1)
        hits = ops.sum(y_true * selected, axis=-1)
        f1 = 2 * hits / ops.maximum(true + ops.sum(selected, axis=-1), 1)
        return super().update_state(f1, sample_weight=ops.cast(true > 0, "float32"))


class _FromFirstF1:
    """Counts epochs from the first with an F1 above 0.

    With labels this sparse no probability passes 0.5 in the first epochs, and F1 stays 0; a patience that ran from the
    start would end a training, or cut its rate, before it begins. The paper does not say how it dealt with that.
    """

    started = False

    def on_epoch_end(self, epoch, logs=None):
        self.started = self.started or logs["val_f1"] > 0
        if self.started:
            super().on_epoch_end(epoch, logs)


class EarlyStopping(_FromFirstF1, callbacks.EarlyStopping):
    """Keras' early stopping, its patience counted from the first epoch with an F1 above 0."""


class ReduceLROnPlateau(_FromFirstF1, callbacks.ReduceLROnPlateau):
    """Keras' learning-rate reduction, its patience counted from the first epoch with an F1 above 0."""


def plateau_callbacks(experiment: Experiment) -> list[callbacks.Callback]:
    """Early stopping on the F1 of the validation half, and learning-rate reduction where the experiment has it.

    Paper: Table 3, column lr-red. (factor / patience / monitored quantity); "nothing" is a factor of None.
    """
    watching = [EarlyStopping(monitor="val_f1", mode="max", patience=experiment.early_stopping_patience)]
    if experiment.lr_reduction_factor is not None:
        monitor = experiment.lr_reduction_monitor
        reduction = ReduceLROnPlateau(
            monitor=f"val_{monitor}",
            mode="max" if monitor == "f1" else "min",
            factor=experiment.lr_reduction_factor,
            patience=experiment.lr_reduction_patience,
        )
        watching.append(reduction)
    return watching


class Checkpoint(callbacks.Callback):
    """Keeps a run on disk after every epoch, prints one line, and takes it up again where it was.

    It comes last, so that the callbacks it is given have seen the epoch. What Keras' own callbacks have counted is not
    part of any saved model: they are shown the recorded history again, which brings them to the same state. The best
    weights are those of `whole`, where the model that is trained is a part of it.
    """

    def __init__(
        self,
        run: Run,
        watching: list[callbacks.Callback],
        show: Show | None = None,
        whole: keras.Model | None = None,
    ):
        super().__init__()
        self.whole = whole
        self.run = run
        self.show = show
        self.watching = watching
        self.rows, self.stopped, self._values = read_state(run.folder / "state.npz")

    @property
    def epochs_done(self) -> int:
        """Epochs that were trained and kept."""
        return len(self.rows)

    def on_train_begin(self, logs=None):
        """Brings model, optimiser and callbacks to where the kept state left them, and the log as well."""
        print_epochs(pd.DataFrame(self.rows), self.params["epochs"])
        for epoch, row in enumerate(self.rows):
            for callback in self.watching:
                callback.on_epoch_end(epoch, dict(row))
        if self._values is not None:
            for variable, value in zip(_variables(self.model), self._values, strict=True):
                variable.assign(value)
            self._values = None

    def on_epoch_begin(self, epoch, logs=None):
        """Notes the time and the learning rate the epoch begins with."""
        self._started = time.monotonic()
        rate = ops.convert_to_numpy(self.model.optimizer.learning_rate)
        self._learning_rate = float(f"{rate:.7g}")  # float32 holds no more

    def on_train_batch_end(self, batch, logs=None):
        """Stops at the first batch after which the loss is no number any more."""
        self._require_finite("loss", float(logs["loss"]), f"batch {batch + 1} of {self.params['steps']}")

    def on_epoch_end(self, epoch, logs=None):
        """Keeps the best weights, history and all that is needed to go on, in this order."""
        self._require_finite("val_loss", float(logs["val_loss"]), "its end")
        measured = {name: float(logs[name]) for name in ("loss", "f1", "val_loss", "val_f1")}
        seconds = round(time.monotonic() - self._started, 2)
        row = {"epoch": epoch + 1, **measured, "learning_rate": self._learning_rate, "seconds": seconds}
        self.rows.append(row)
        if best_epoch(row["val_f1"] for row in self.rows) == epoch + 1:
            keep_weights(self.whole or self.model, self.run.folder / "best.weights.h5")
        self.run.write_history(self.rows)
        write_state(self.run.folder / "state.npz", self.rows, self.model)
        print_epochs(pd.DataFrame([row]), self.params["epochs"])
        if self.show:
            self.show(self.run)

    def _require_finite(self, name: str, value: float, where: str) -> None:
        if math.isfinite(value):
            return
        kept = f"as it was after epoch {self.epochs_done}" if self.rows else "as it was before its first epoch"
        raise FloatingPointError(
            f"{name} is {value} in epoch {self.epochs_done + 1}, at {where}, with learning rate {self._learning_rate}. "
            f"{self.run.folder} is kept {kept}, and the same experiment would go on from there to the same end: "
            f"train with a lower learning_rate, under another experiment_name or with force=True."
        )


class TensorBoardCurves(callbacks.Callback):
    """Writes the last of `rows` after every epoch for TensorBoard: in `folder`, train and validation as two curves.

    It comes after the Checkpoint whose rows it is given. Keras' own callback needs the package tensorboard, which
    TensorFlow no longer brings along; to write, TensorFlow is enough, and the package is needed to look only.
    """

    def __init__(self, folder: Path, rows: list[dict[str, float]]):
        super().__init__()
        self.folder = folder
        self.rows = rows

    def on_train_begin(self, logs=None):
        """Opens a file of events for each curve; a run that goes on adds to those it has."""
        self._writers = {curve: tf.summary.create_file_writer(str(self.folder / curve)) for curve in CURVES}

    def on_epoch_end(self, epoch, logs=None):
        """Writes the epoch's values at once, so that TensorBoard can follow."""
        for curve, names in CURVES.items():
            with self._writers[curve].as_default(step=epoch + 1):
                for name, quantity in names.items():
                    tf.summary.write(quantity, tf.constant(self.rows[-1][name], tf.float32), metadata=SCALAR)
            self._writers[curve].flush()

    def on_train_end(self, logs=None):
        """Closes the files."""
        for writer in self._writers.values():
            writer.close()


def keep_weights(model: keras.Model, path: Path) -> None:
    """Writes the weights of `model` alone: Keras would add the optimiser's moments, twice as large."""
    with replacing(path, _bytes_of(model.variables)) as beside:
        weights_only(model).save_weights(beside)


def weights_only(model: keras.Model) -> keras.Model:
    """The same layers and weights, not compiled: what it saves and loads are weights alone."""
    return keras.Model(model.inputs, model.outputs)


def write_state(path: Path, rows: list[dict[str, float]], model: keras.Model) -> None:
    """Writes all that a training needs to go on: history, and every value of model, dropout seeds and optimiser."""
    values = {str(number): variable.numpy() for number, variable in enumerate(_variables(model))}
    facts = json.dumps({"rows": rows, "stopped": bool(model.stop_training)})
    with replacing(path, _bytes_of(_variables(model))) as beside, beside.open("wb") as file:
        np.savez(file, facts=np.array(facts), **values)


def read_state(path: Path) -> tuple[list[dict[str, float]], bool, list[np.ndarray] | None]:
    """What `write_state` kept: history, whether early stopping had ended it, values; ([], False, None) for none."""
    if not path.is_file():
        return [], False, None
    with np.load(path, allow_pickle=False) as kept:
        facts = json.loads(str(kept["facts"]))
        return facts["rows"], facts["stopped"], [kept[str(number)] for number in range(len(kept.files) - 1)]


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]


def _bytes_of(variables: list[keras.Variable]) -> int:
    """Bytes of all their values."""
    return sum(math.prod(variable.shape) * np.dtype(variable.dtype).itemsize for variable in variables)
