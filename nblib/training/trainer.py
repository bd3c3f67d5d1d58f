"""Train one experiment on one validation half: read, fit, predict, score; a killed run goes on where it was."""

import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from nblib.data import ConceptVocabulary, Dataset, Examples, cache_pixels, read_dataset, validation_halves
from nblib.evaluation import constant_list, f1_interval, f1_per_image, most_frequent_concepts, sample_f1, select
from nblib.experiments import Experiment, Run, best_epoch, open_run, other_code, print_epochs, project_path
from nblib.training.batches import batches_per_epoch, ordered_batches, training_batches
from nblib.training.callbacks import Checkpoint, SampleF1, Show, TensorBoardCurves, plateau_callbacks, weights_only
from nblib.training.devices import as_part_of_batch, grow_memory, retracing_warnings_suppressed
from nblib.training.features import kept_features, split_frozen
from nblib.training.losses import LOSSES
from nblib.training.models import from_pixels, trained_network, with_flip_augmentation
from nblib.training.optimizers import NadamWithDecay
from nblib.training.weights import weights_file


@dataclass(frozen=True)
class TrainingData:
    """What an experiment learns from (train) and is judged on (val1 and val2), in one label space."""

    dataset: Dataset
    vocabulary: ConceptVocabulary
    train: Examples
    val1: Examples
    val2: Examples

    def half(self, name: str) -> Examples:
        """val1 or val2."""
        return {"val1": self.val1, "val2": self.val2}[name]


def load_training_data(experiment: Experiment) -> TrainingData:
    """Pixels and labels of train, val1 and val2; pixels are decoded once for all runs of the same size.

    `limit_images` keeps that many images of train, and as many of each half, drawn by the experiment's seed. The
    vocabulary is always that of all of train and validation.

    Raises:
        FileNotFoundError, ValueError: the data folder is missing, or not fit for training.
    """
    grow_memory()  # before anything is computed, also what a notebook draws before it builds a network
    dataset = read_dataset(experiment.data_folder, quarantine=experiment.quarantine_file)
    labelled = dataset.split("train", "val")
    vocabulary = ConceptVocabulary.of(labelled["concepts"]).padded(experiment.sigmoids)
    parts = {"train": dataset.split("train"), **validation_halves(dataset.images)}

    def examples(images: pd.DataFrame) -> Examples:
        images = _limited(images[images["concepts"].map(len) > 0], experiment)
        if images.empty:
            raise ValueError(f"{dataset.folder} needs images with concepts in train and in both halves of validation.")
        pixels = cache_pixels(images, experiment.image_size, project_path(experiment.runs) / "pixels")
        return replace(Examples.of(images, vocabulary), pixels=pixels)

    return TrainingData(dataset, vocabulary, **{name: examples(part) for name, part in parts.items()})


def prepare(experiments: Iterable[Experiment]) -> None:
    """Makes what runs of these experiments share, once: pixels of each size, and ImageNet weights.

    Raises:
        FileNotFoundError, ValueError: what an experiment needs is missing or wrong.
    """
    grow_memory()
    pixels, weights = {}, {}
    for e in experiments:
        pixels[e.data, e.quarantine, e.image_size, e.limit_images and (e.limit_images, e.seed)] = e
        weights[e.backbone, e.weights] = e
    with redirect_stdout(sys.stderr):  # Keras prints the progress of downloads to stdout
        for e in weights.values():
            weights_file(e)
        for e in pixels.values():
            load_training_data(e)


def train(experiment: Experiment, data: TrainingData, network: keras.Model, show: Show | None = None) -> Run:
    """The finished run: trained, its best epoch's probabilities on both halves kept, scored on the test half.

    Where all of the backbone is frozen (`trainable_from: head`), it sees each image once: its features are kept, and
    the head is trained on them, to the same numbers but for rounding.

    A run that was finished before is returned as it is, unless the experiment says `force`; one that was killed goes on
    after its last whole epoch and ends with the same numbers. `show` (`nblib.widgets.LiveCurves` is one) is called with
    the run after every epoch and once it is finished.

    Paper: sections 3.3, 3.4 and 4; the F1 on the test half at the best epoch is what Table 3 reports.

    Raises:
        ValueError: the run folder holds a run with other parameters or data.
        RuntimeError: another process is training the run.
    """
    run = open_run(experiment, data.dataset, data.vocabulary)
    if run.finished:
        if told := other_code(run):
            print(told)
        print_epochs(run.history, experiment.epochs)
    else:
        with run.lock():
            model = _taking_batches(network, experiment)
            learner, seen = on_kept_features(network, experiment, data) or (model, data)
            fit(compile_model(learner, experiment), experiment, seen, run, show, whole=model)
            weights_only(model).load_weights(run.folder / "best.weights.h5")
            _keep_results(learner, experiment, seen, run, show)
    (run.folder / "state.npz").unlink(missing_ok=True)  # a kill in the last moment may have left it
    return run


def compile_model(model: keras.Model, experiment: Experiment) -> keras.Model:
    """`model` with the experiment's loss, NAdam and F1 over images. Paper: section 4.

    In mixed_float16 the loss is scaled, so that small gradients do not vanish (Keras' LossScaleOptimizer).

    Raises:
        ValueError: `jit_compile` after an experiment without it in the same process.
    """
    with model.distribute_strategy.scope():
        optimizer = NadamWithDecay(experiment.learning_rate, experiment.schedule_decay)
        optimizer.build(model.trainable_variables)  # once wrapped, Keras would not list all of its variables
        if experiment.precision == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        model.compile(
            loss=as_part_of_batch(LOSSES[experiment.loss]),
            optimizer=optimizer,
            metrics=[SampleF1()],
            jit_compile=experiment.jit_compile,
        )
        optimizer.build(model.trainable_variables)
    if model.jit_compile != experiment.jit_compile:
        raise ValueError(
            "jit_compile needs a process in which nothing was trained without it: restart the kernel. Training without "
            "it makes TensorFlow's operations deterministic for good, and Keras does not compile those."
        )
    return model


def fit(
    model: keras.Model,
    experiment: Experiment,
    data: TrainingData,
    run: Run,
    show: Show | None = None,
    whole: keras.Model | None = None,
) -> None:
    """Trains `model` until early stopping or the last epoch, from where the run's kept state is.

    The best epoch's weights are kept of `whole`, the network that `model` is the head of, or of `model` itself.

    Operations are deterministic, which costs some speed on a GPU, but with `jit_compile`: Keras excludes the two.
    """
    keras.utils.set_random_seed(experiment.seed)
    if not experiment.jit_compile:
        tf.config.experimental.enable_op_determinism()
    watching = plateau_callbacks(experiment)
    keeper = Checkpoint(run, watching, show, whole)
    curves = [TensorBoardCurves(run.folder / "tensorboard", keeper.rows)] if experiment.tensorboard else []
    if keeper.stopped or keeper.epochs_done >= experiment.epochs:
        return
    steps = batches_per_epoch(data.train, experiment.batch_size, experiment.flipped_copies)
    batches = partial(
        training_batches,
        data.train,
        experiment.batch_size,
        experiment.flipped_copies,
        experiment.seed,
        first_epoch=keeper.epochs_done,
        apart=_takes_apart(model),
    )
    model.fit(
        stream(batches, data.train, steps=tf.data.INFINITE_CARDINALITY),
        steps_per_epoch=steps,
        validation_data=_in_order(data.half(experiment.validation_half), experiment.batch_size, _takes_apart(model)),
        initial_epoch=keeper.epochs_done,
        epochs=experiment.epochs,
        callbacks=[*watching, keeper, *curves],
        shuffle=False,
        verbose=0,
    )


def stream(batches: partial, examples: Examples, steps: int) -> tf.data.Dataset:
    """Batches of `examples` as TensorFlow takes them, `steps` of them; made beside the training that uses them."""
    *sides, channels = examples.pixels.shape[1:]
    if examples.pixels.dtype != np.uint8:
        pixels = tf.TensorSpec((None, *sides, channels), examples.pixels.dtype)
    elif batches.keywords.get("apart"):
        kinds = (tf.TensorSpec((None, *sides, channels), tf.uint8) for channels in (1, 3))
        pixels = (tf.TensorSpec((None,), tf.int32), *kinds)
    else:
        pixels = tf.TensorSpec((None, *sides, None), tf.uint8)  # 1 or 3
    signature = (pixels, tf.TensorSpec((None, examples.labels.shape[1]), tf.float32))
    made = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return made.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)


def predict(model: keras.Model, examples: Examples, batch_size: int) -> np.ndarray:
    """Probabilities, (N, K) float32, of `examples` in their order."""
    with retracing_warnings_suppressed():
        return model.predict(_in_order(examples, batch_size, _takes_apart(model)), verbose=0)


def score(run: Run, data: TrainingData) -> dict[str, Any]:
    """Best epoch, F1 at threshold 0.5 on both halves, F1 of the most frequent concepts there, seconds of all epochs.

    Of the test half's F1 the 95 % interval over images as well, [low, high].
    """
    experiment = run.experiment
    test_labels = data.half(experiment.test_half).labels
    frequent = most_frequent_concepts(data.train.labels)

    def f1(name: str) -> np.ndarray:
        return f1_per_image(data.half(name).labels, select(run.probabilities(name)[1]))

    tested = f1_interval(f1(experiment.test_half))
    history = run.history
    return {
        "best_epoch": best_epoch(history["val_f1"]),
        "epochs": len(history),
        "validation_f1": float(np.nanmean(f1(experiment.validation_half))),
        "test_f1": tested.mean,
        "test_f1_interval": [tested.low, tested.high],
        "baseline_f1": sample_f1(test_labels, constant_list(test_labels.shape, frequent)),
        "seconds": round(float(history["seconds"].sum()), 1),
    }


def predict_test(run: Run, flip: bool = False) -> None:
    """Predicts the test images with the run's best weights and keeps the probabilities in the run.

    With `flip` it is the mean of the probabilities of each image and of its mirror image (test-time flipping).

    Raises:
        ValueError: the data folder has no test images, or other data than the run was trained on.
    """
    experiment = run.experiment
    dataset = read_dataset(experiment.data_folder, quarantine=experiment.quarantine_file)
    run.require(dataset)
    images = dataset.split("test")
    if images.empty:
        raise ValueError(f"{experiment.data_folder} has no test images; expected them in its folder test/.")
    pixels = cache_pixels(images, experiment.image_size, project_path(experiment.runs) / "pixels")
    examples = replace(Examples.of(images, run.vocabulary), pixels=pixels)
    model = from_pixels(trained_network(run), experiment.backbone)
    model = with_flip_augmentation(model) if flip else model
    with run.lock():
        run.write_probabilities("test", examples.image_ids, predict(model, examples, experiment.batch_size))


def on_kept_features(
    network: keras.Model, experiment: Experiment, data: TrainingData
) -> tuple[keras.Model, TrainingData] | None:
    """The network's head, and the data as the frozen backbone sees them; None where the backbone is trained."""
    parts = split_frozen(network, experiment)
    if parts is None:
        return None
    frozen, head = parts
    images = data.dataset.images.set_index("image_id", drop=False)

    def seen(examples: Examples, flipped_copies: bool = False) -> Examples:
        rows = images.loc[examples.image_ids]
        return replace(examples, pixels=kept_features(frozen, examples.pixels, rows, experiment, flipped_copies))

    train = seen(data.train, experiment.flipped_copies)
    return head, replace(data, train=train, val1=seen(data.val1), val2=seen(data.val2))


def _keep_results(model: keras.Model, experiment: Experiment, data: TrainingData, run: Run, show: Show | None) -> None:
    for name in ("val1", "val2"):
        half = data.half(name)
        run.write_probabilities(name, half.image_ids, predict(model, half, experiment.batch_size))
    run.write_scores(score(run, data))
    if show:
        show(run)


def _limited(images: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    if experiment.limit_images is None or experiment.limit_images >= len(images):
        return images.reset_index(drop=True)
    return images.sample(experiment.limit_images, random_state=experiment.seed).sort_index().reset_index(drop=True)


def _taking_batches(network: keras.Model, experiment: Experiment) -> keras.Model:
    """The network from pixels on; it takes grey and coloured images apart, which copies least, where it can.

    Several devices can't share a batch that comes in parts, and XLA would compile each number of coloured images.
    """
    return from_pixels(network, experiment.backbone, apart=experiment.devices == 1 and not experiment.jit_compile)


def _takes_apart(model: keras.Model) -> bool:
    return len(model.inputs) > 1


def _in_order(examples: Examples, batch_size: int, apart: bool) -> tf.data.Dataset:
    steps = batches_per_epoch(examples, batch_size, flipped_copies=False)
    return stream(partial(ordered_batches, examples, batch_size, apart=apart), examples, steps)
