"""What a training is given: images and labels of train and of both halves, with pixels or cached features."""

import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from nblib.data import ConceptVocabulary, Dataset, Examples, cache_pixels, concatenate, labelled_splits, share_pixels
from nblib.experiments import Experiment, project_path
from nblib.training.devices import grow_memory
from nblib.training.features import on_features, split_frozen
from nblib.training.models import initial_weights


@dataclass(frozen=True)
class TrainingData:
    """What an experiment is trained on (train) and evaluated on (val1 and val2), in one label space.

    With `train_on` all, train also has the images of val1 and val2.
    """

    dataset: Dataset
    vocabulary: ConceptVocabulary
    train: Examples
    val1: Examples
    val2: Examples

    def half(self, name: str) -> Examples:
        """val1 or val2."""
        return getattr(self, name)

    def unseen(self, experiment: Experiment) -> dict[str, Examples]:
        """The halves that the experiment is not trained on: both, or none."""
        return {} if experiment.train_on == "all" else {name: self.half(name) for name in ("val1", "val2")}

    def summary(self, experiment: Experiment) -> str:
        """Data, images by what they are for, and sigmoids, in one line."""
        use = {experiment.validation_half: "to select the epoch", experiment.test_half: "to test"}
        halves = [f"{len(self.half(name)):,} {use[name]}" for name in use if name in self.unseen(experiment)]
        images = ", ".join([f"{len(self.train):,} images to train on", *(halves or ["none to test"])])
        return f"{self.dataset.title}: {images}; {len(self.vocabulary):,} sigmoids"


def load_training_data(experiment: Experiment) -> TrainingData:
    """Pixels and labels of train, val1 and val2; pixels are decoded once for all runs of the same size.

    `limit_images` keeps that many images of train, and as many of each half, drawn by the experiment's seed. The
    vocabulary is always chosen from all of train and validation.

    Raises:
        FileNotFoundError, ValueError: the data folder is missing, or not fit for training.
    """
    grow_memory()  # before anything is computed, also what a notebook draws before it builds a network
    dataset = experiment.read_data()
    splits = labelled_splits(dataset, experiment.label_space(dataset))
    parts = {name: _limited(splits[name], experiment) for name in ("train", "val1", "val2")}
    if not all(map(len, parts.values())):
        raise ValueError(f"{dataset.folder} needs images with concepts in train and in both halves of validation.")
    if dataset.parts and not experiment.limit_images:
        parts = share_pixels(parts, experiment.image_size, _pixels_folder(experiment), experiment.resize)
    else:
        parts = {name: with_pixels(examples, experiment) for name, examples in parts.items()}
    if experiment.train_on == "all":
        parts["train"] = concatenate(parts.values())
    return TrainingData(dataset, parts["train"].vocabulary, **parts)


def prepare(experiments: Iterable[Experiment]) -> None:
    """Creates once what runs of these experiments share: pixels of each size, and ImageNet weights.

    Raises:
        FileNotFoundError, ValueError: what an experiment needs is missing or wrong.
    """
    experiments = list(experiments)
    with redirect_stdout(sys.stderr):  # Keras prints the progress of downloads to stdout
        for experiment in {(e.backbone, e.weights): e for e in experiments}.values():
            initial_weights(experiment)
        for experiment in {shared_pixels(e): e for e in experiments}.values():
            load_training_data(experiment)


def shared_pixels(experiment: Experiment) -> tuple:
    """Equal for two experiments exactly when they train on the same pixels."""
    e = experiment
    drawn = e.limit_images and (e.limit_images, e.seed, e.split)
    return e.data, e.quarantine, e.runs, e.image_size, e.resize, drawn, e.split is None


def on_cached_features(
    network: keras.Model, experiment: Experiment, data: TrainingData
) -> tuple[keras.Model, TrainingData] | None:
    """The network's head, and the data as the frozen backbone's features; None where the backbone is trained."""
    if (parts := split_frozen(network, experiment)) is None:
        return None
    frozen, head = parts
    train = on_features(frozen, data.train, experiment, experiment.flipped_copies)
    halves = {name: on_features(frozen, half, experiment, False) for name, half in data.unseen(experiment).items()}
    return head, replace(data, train=train, **halves)


def _limited(examples: Examples, experiment: Experiment) -> Examples:
    if experiment.limit_images is None or experiment.limit_images >= len(examples):
        return examples
    drawn = examples.images.sample(experiment.limit_images, random_state=experiment.seed)
    return examples.take(np.sort(drawn.index))


def with_pixels(examples: Examples, experiment: Experiment) -> Examples:
    """The examples with their pixels, decoded once and cached."""
    pixels = cache_pixels(examples.images, experiment.image_size, _pixels_folder(experiment), experiment.resize)
    return replace(examples, pixels=pixels)


def _pixels_folder(experiment: Experiment) -> Path:
    return project_path(experiment.runs) / "pixels"
