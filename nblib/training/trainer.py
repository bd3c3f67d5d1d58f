"""Train one experiment on one validation half: read, fit, predict, score; a killed run resumes where it was."""

from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nblib.data import Examples
from nblib.experiments import Experiment, Run, best_epoch, open_run, other_code, print_epochs
from nblib.training.augmentation import augmentation_layers
from nblib.training.batches import batches_per_epoch, ordered_stream, stream, training_batches
from nblib.training.callbacks import (
    AveragedWeights,
    Checkpoint,
    Show,
    TensorBoardCurves,
    plateau_callbacks,
    weights_only,
)
from nblib.training.devices import as_part_of_batch, retracing_warnings_suppressed
from nblib.training.hub import kept_backbone, save_description
from nblib.training.losses import LOSSES, of_sigmoids, smoothed
from nblib.training.metrics import SampleF1, SigmoidAccuracy, TunedF1
from nblib.training.models import load_best_weights, trained_network, with_flip_augmentation, with_preprocessing
from nblib.training.optimizers import build_optimizer
from nblib.training.rules import save_rules_and_concept_scores, score_halves
from nblib.training.training_data import TrainingData, on_cached_features, with_pixels


def train(experiment: Experiment, data: TrainingData, network: keras.Model, show: Show | None = None) -> Run:
    """The finished run: trained, its best epoch's probabilities on both halves saved, scored on the test half.

    Where all of the backbone is frozen (`trainable_from: head`) and images are not augmented, it processes each image
    once: its features are cached, and the head is trained on them, to the same numbers but for rounding.

    A finished run is returned as it is, unless `force` is set; results of it that are damaged are made again with its
    best weights. A killed run resumes after its last whole epoch, to the same numbers. `show`, such as
    `nblib.widgets.LiveCurves`, is called with the run after every epoch and at the end.

    Paper: sections 3.3, 3.4 and 4; the F1 on the test half at the best epoch is what Table 3 reports.

    Raises:
        ValueError: the run folder holds a run with other parameters or data.
        RuntimeError: another process is training the run.
    """
    run = open_run(experiment, data.dataset, data.vocabulary)
    damage = _damaged_results(run, data)
    if run.finished and not damage:
        if note := other_code(run):
            print(note)
        print_epochs(run.history, experiment.epochs)
    else:
        if damage:
            print(f"The results are made again with the best weights: {damage}")
        with run.lock():
            save_description(run)
            # Grey and colour images come separately, which copies least, unless several devices share a batch or XLA
            # compiles, which it would do anew for each number of colour images.
            by_colour = experiment.devices == 1 and not experiment.jit_compile
            whole = with_preprocessing(network, experiment.backbone, by_colour)
            model, data = _trained_model(network, whole, experiment, data)
            if not run.finished:
                batches = batches_per_epoch(data.train, experiment.batch_size, experiment.flipped_copies)
                fit(compile_model(model, experiment, batches), experiment, data, whole, show)
            load_best_weights(weights_only(whole), run)
            for name, half in data.unseen(experiment).items():
                run.write_probabilities(name, half.image_ids, predict(model, half, experiment.batch_size))
            run.write_scores(score(run, data))
            if show:
                show(run)
    (run.folder / "state.npz").unlink(missing_ok=True)  # a kill in the last moment may have left it
    save_rules_and_concept_scores(run, data.dataset)
    return run


def _trained_model(
    network: keras.Model, whole: keras.Model, experiment: Experiment, data: TrainingData
) -> tuple[keras.Model, TrainingData]:
    """What is trained, and on what: the head on cached features, augmented images, or `whole` on images as they are."""
    if augmentation := augmentation_layers(experiment):
        by_colour = len(whole.inputs) > 1
        return with_preprocessing(network, experiment.backbone, by_colour, augmentation), data
    return on_cached_features(network, experiment, data) or (whole, data)


def _damaged_results(run: Run, data: TrainingData) -> str | None:
    """Why results of a finished run, its probabilities or scores, can't be read; None if they can."""
    if not run.finished:
        return None
    try:
        _ = run.scores, [run.probabilities(name) for name in data.unseen(run.experiment)]
    except (FileNotFoundError, ValueError) as damage:
        return str(damage)
    return None


def compile_model(model: keras.Model, experiment: Experiment, batches: int = 1) -> keras.Model:
    """`model` compiled with the experiment's loss and optimiser, mean F1 over images and accuracy.

    `batches` is the number of them per epoch. Paper: section 4.

    Raises:
        ValueError: `jit_compile` after an experiment without it in the same process.
    """
    with model.distribute_strategy.scope():
        optimizer = build_optimizer(experiment, batches)
        optimizer.build(model.trainable_variables)  # before it is wrapped, else Keras does not list all its variables
        if experiment.precision == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)  # else small gradients would vanish
        loss = as_part_of_batch(of_sigmoids(smoothed(LOSSES[experiment.loss], experiment.label_smoothing)))
        measured = [SampleF1(), SigmoidAccuracy(name="accuracy"), *[TunedF1()] * (experiment.monitor == "tuned_f1")]
        model.compile(optimizer, loss, metrics=measured, jit_compile=experiment.jit_compile)
        optimizer.build(model.trainable_variables)
    if model.jit_compile != experiment.jit_compile:
        raise ValueError(
            "jit_compile needs a process in which nothing was trained without it: restart the kernel. Training without "
            "it makes TensorFlow's operations deterministic for good, and Keras does not compile those."
        )
    return model


def fit(model: keras.Model, experiment: Experiment, data: TrainingData, whole: keras.Model, show: Show | None) -> None:
    """Trains `model` until early stopping or the last epoch, from the state that the experiment's run folder has.

    The best epoch's weights are saved of `whole`: the network that `model` is the head of, or `model` itself.
    Operations are deterministic, which costs some speed on a GPU, except with `jit_compile`: Keras excludes the two.
    """
    keras.utils.set_random_seed(experiment.seed)
    if not experiment.jit_compile:
        tf.config.experimental.enable_op_determinism()
    run = Run(experiment.run_folder)
    plateau = plateau_callbacks(experiment)
    checkpoint = Checkpoint(run, plateau, whole, show)
    averaged = [AveragedWeights(resumed=bool(checkpoint.rows))] if experiment.use_ema else []
    epochs_done = len(checkpoint.rows)
    if checkpoint.rows:
        run.write_history(checkpoint.rows)  # the file may be damaged, or an epoch ahead
    if checkpoint.stopped or epochs_done >= experiment.epochs:
        return
    curves = [TensorBoardCurves(run.folder / "tensorboard", checkpoint.rows)] if experiment.tensorboard else []
    validation = data.unseen(experiment).get(experiment.validation_half)
    size, flipped, by_colour = experiment.batch_size, experiment.flipped_copies, len(model.inputs) > 1
    order = {"first_epoch": epochs_done, "by_colour": by_colour, "sampling": experiment.sampling}
    batches = partial(training_batches, data.train, size, flipped, experiment.seed, **order)
    model.fit(
        stream(batches, data.train, steps=tf.data.INFINITE_CARDINALITY),
        steps_per_epoch=batches_per_epoch(data.train, size, flipped),
        validation_data=validation and ordered_stream(validation, size, by_colour),
        initial_epoch=epochs_done,
        epochs=experiment.epochs,
        callbacks=[*plateau, *averaged, checkpoint, *curves],
        shuffle=False,
        verbose=0,
    )


def predict(model: keras.Model, examples: Examples, batch_size: int) -> np.ndarray:
    """Probabilities of `examples` in their order, (N, K) float32."""
    with retracing_warnings_suppressed():
        return model.predict(ordered_stream(examples, batch_size, by_colour=len(model.inputs) > 1), verbose=0)


def load_model(run: Run) -> keras.Model:
    """The network with the run's best weights and its preprocessing: takes pixels as they were decoded, uint8.

    Raises:
        FileNotFoundError, ValueError: there are no weights, or they are damaged.
    """
    if run.experiment.imported:
        raise FileNotFoundError(f"{run.folder} was imported and has no network; import probabilities of the test "
                                "images together with those of validation, and they are used.")  # fmt: skip
    return with_preprocessing(trained_network(run), kept_backbone(run))


def predict_batch(model: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """Probabilities, (n, K) float32, of a batch of pixels, (n, size, size, 1 or 3) uint8: the bits of `predict`."""
    with retracing_warnings_suppressed():
        return model.predict_on_batch(pixels)


def score(run: Run, data: TrainingData) -> dict[str, Any]:
    """Best epoch, F1 at threshold 0.5 on both halves, F1 of the most frequent concepts there, seconds of all epochs.

    Of a run trained on all images only epochs and seconds. Concepts that the label space lacks count as misses. The
    test half's F1 comes with its 95 % bootstrap confidence interval over images, [low, high].
    """
    history = run.history
    effort = {"epochs": len(history), "seconds": round(float(history["seconds"].sum()), 1)}
    if not data.unseen(run.experiment):
        return effort
    return {"best_epoch": best_epoch(history), **effort, **score_halves(run, data.dataset, data.train.images)}


def predict_test(run: Run, flip: bool = False) -> None:
    """Predicts the test images with the run's best weights and saves the probabilities in the run.

    With `flip` they are predicted with flip test-time augmentation: the mean for each image and its mirror image.

    Raises:
        ValueError: the data folder has no test images, or other data than the run was trained on.
    """
    experiment = run.experiment
    dataset = experiment.read_data()
    run.require(dataset)
    images = dataset.split("test").dropna(subset="path")
    if images.empty:
        raise ValueError(f"{experiment.data_folder} has no test images; expected them in its folder test/.")
    examples = with_pixels(Examples.of(images, run.vocabulary), experiment)
    model = load_model(run)
    model = with_flip_augmentation(model) if flip else model
    with run.lock():
        predicted = predict(model, examples, experiment.batch_size)
        run.write_probabilities("test", examples.image_ids, predicted, test_fingerprint=dataset.test_fingerprint)
