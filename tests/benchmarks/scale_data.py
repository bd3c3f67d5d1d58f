"""Generated data of any size in the layout of 2026, and finished runs on them: for measuring, not for training.

Labels are long-tailed. Features have clusters: each concept has a direction of its own, and the features of an image
are the sum of its concepts' directions and noise. Probabilities are what a network would say that knows the directions.
"""

from pathlib import Path

import numpy as np
from bench_layout_2026 import CONCEPTS, IMAGES, OCCURRENCES, write_folder
from label_sets import long_tailed_images
from scipy.special import expit

from nblib.data import ConceptVocabulary, Examples, inspect_dataset
from nblib.experiments import Experiment, Run, open_run

FEATURES = 1_280  # as many as EfficientNetB0 has
BLOCK = 4_096
TEST_SHARE = 9_927 / 59_962  # of the number of labelled images, as in ROCOv2
NOISE = 0.25  # of a concept's own direction, which has length 1: an F1 of about 0.5


def labelled_images(images: int) -> Examples:
    """So many images with labels alone, of 2,646 concepts."""
    return Examples.of(long_tailed_images(images, CONCEPTS, round(OCCURRENCES / IMAGES * images)))


def directions(concepts: int) -> np.ndarray:
    """A random direction for each concept, (K, FEATURES) float32, of length 1."""
    drawn = np.random.default_rng(0).standard_normal((concepts, FEATURES), dtype=np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def clustered_features(labels, seed: int = 0) -> np.ndarray:
    """Features of images with these labels, (N, K) sparse: (N, FEATURES) float32."""
    rng, towards = np.random.default_rng(seed), directions(labels.shape[1])
    features = rng.standard_normal((labels.shape[0], FEATURES), dtype=np.float32)
    features *= np.float32(NOISE)
    for start in range(0, len(features), BLOCK):
        features[start : start + BLOCK] += labels[start : start + BLOCK] @ towards
    return features


def probabilities(features: np.ndarray, concepts: int) -> np.ndarray:
    """What a network would say of these features, (N, K) float32."""
    towards, predicted = directions(concepts), np.empty((len(features), concepts), np.float32)
    for start in range(0, len(features), BLOCK):
        predicted[start : start + BLOCK] = expit(8 * (features[start : start + BLOCK] @ towards.T) - 6)
    return predicted


def write_data(folder: Path, images: int) -> Path:
    """The folder with so many labelled images (some small files, linked many times), and test images beside them."""
    folder.mkdir(parents=True)
    write_folder(folder, images, missing=0, test=round(TEST_SHARE * images))
    return folder


def write_run(data: Path, runs: Path, name: str, seed: int) -> Run:
    """A run as a training leaves it, but without weights: probabilities of both halves and of the test images."""
    experiment = Experiment(
        experiment_name=name, data=str(data), runs=str(runs), backbone="small_plain", weights=None, image_size=32,
        seed=seed,
    )  # fmt: skip
    dataset = experiment.read_data(inspect_dataset)
    vocabulary = ConceptVocabulary.of(dataset.split("train", "val")["concepts"])
    run = open_run(experiment, dataset, vocabulary)
    for half, images in {**dataset.halves(), "test": dataset.split("test")}.items():
        features = clustered_features(vocabulary.encode(images["concepts"]), seed)
        predicted = probabilities(features, len(vocabulary))
        run.write_probabilities(half, images["image_id"], predicted, dataset.test_fingerprint)
    epochs = [{"epoch": epoch, "loss": 1 / epoch, "f1": 0.1, "val_loss": 1 / epoch, "val_f1": 0.1, "seconds": 1.0,
               "learning_rate": 1e-4} for epoch in (1, 2)]  # fmt: skip
    run.write_history(epochs)
    run.write_scores({"best_epoch": 2, "epochs": 2, "seconds": 2.0, "validation_f1": 0.1, "test_f1": 0.1,
                      "test_f1_interval": [0.09, 0.11], "baseline_f1": 0.05})  # fmt: skip
    return run
