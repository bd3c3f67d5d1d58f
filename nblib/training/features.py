"""Features of a frozen backbone: extracted once and cached on disk like pixels, for every head and every search."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops

from nblib.data import Examples, ImageSource, Pixels, cache_pixels, decode_compactly, pixel_key, stack_images
from nblib.experiments import Experiment, Run, project_path
from nblib.system import ProgressBar, replacing
from nblib.training.devices import retracing_warnings_suppressed
from nblib.training.gradcam import last_feature_maps
from nblib.training.models import build_backbone, with_preprocessing
from nblib.training.weights import weights_file

PART = 512  # images per part of the work: what a killed extraction loses at most


class Features:
    """The features of N images from a frozen backbone; used in place of their `nblib.data.Pixels`.

    Args:
        plain: (N, ...) float32.
        flipped: the same for the flipped images, where flipped copies are trained on.
    """

    def __init__(self, plain: np.ndarray, flipped: np.ndarray | None = None):
        self.plain, self.flipped = plain, flipped
        self.shape, self.dtype = plain.shape, plain.dtype

    def batch(self, rows: np.ndarray, flipped: np.ndarray | None = None) -> np.ndarray:
        """Features of these rows, (n, ...); `flipped` says for each whether those of the flipped image are wanted."""
        features = self.plain[rows]
        if flipped is not None and flipped.any():
            features[flipped] = self.flipped[rows[flipped]]
        return features


def extract_features(
    images: pd.DataFrame, experiment: Experiment, layers: tuple[str, ...] = ("block4_pool", "block5_pool")
) -> np.ndarray:
    """Features of `images`, (N, D) float32: the mean of each channel of each layer over its positions, concatenated.

    The part of each layer has length 1 / sqrt(number of layers), so that all weigh the same and the whole has length 1.
    Extracted once, with the experiment's backbone, weights, image_size and precision, cached in `<runs>/features` and
    mapped from there afterwards; an extraction that was killed resumes where it was.

    Args:
        images: a tidy table with image_id and path, one row per image.
        experiment: names the backbone; its head does not matter.
        layers: names of layers of the backbone, such as the last of each of VGG16's blocks.

    Raises:
        FileNotFoundError: images or weights are missing.
        ValueError: an image can't be read, or the backbone has no such layer.
    """
    path = _features_file(images, experiment, (*layers, "avg"))
    if (stored := _stored(path, len(images))) is not None:
        return stored
    pixels = cache_pixels(images, experiment.image_size, project_path(experiment.runs) / "pixels", experiment.resize)
    return _extract(feature_network(experiment, layers), pixels, path)


def similarity_features(
    run: Run, images: pd.DataFrame, sources: Sequence[ImageSource]
) -> tuple[np.ndarray, np.ndarray]:
    """Features of `images`, (N, D), cached beside the run, and of new images, (n, D), of which nothing is kept.

    They are what the network of the finished run has learnt: the mean of each channel of its last feature maps, those
    that Grad-CAM shows, scaled to length 1. Raises as `extract_features`.
    """
    beside = {"weights": str(run.folder), "devices": 1, "runs": str(run.folder.parent.parent)}
    experiment = run.experiment.model_copy(update=beside)
    last = (last_feature_maps(build_backbone(experiment.model_copy(update={"weights": None}))).name,)
    known = extract_features(images, experiment, last)
    pixels = [decode_compactly(source, experiment.image_size, experiment.resize) for source in sources]
    network = feature_network(experiment, last)
    with retracing_warnings_suppressed():
        return known, network.predict_on_batch(stack_images(pixels, experiment.image_size))


def feature_network(experiment: Experiment, layers: tuple[str, ...]) -> keras.Model:
    """The network of `extract_features`, which raises as this does: (N, size, size, 3) uint8 pixels -> (N, D)."""
    backbone = build_backbone(experiment)
    names = [layer.name for layer in backbone.layers]
    if absent := [name for name in layers if name not in names]:
        raise ValueError(f"{backbone.name} has no layer {absent[0]!r}; it has {', '.join(names)}.")
    maps = [ops.cast(backbone.get_layer(name).output, "float32") for name in layers]
    unit = [ops.normalize(ops.mean(each, axis=(1, 2)), axis=-1) / len(layers) ** 0.5 for each in maps]
    return with_preprocessing(keras.Model(backbone.input, ops.concatenate(unit, axis=-1)), experiment.backbone)


def split_frozen(network: keras.Model, experiment: Experiment) -> tuple[keras.Model, keras.Model] | None:
    """The network split into two models that share its layers: the frozen part, from pixels to features, and the head.

    None if part of the backbone is trained. A trainable pooling (GeM) belongs to the head.
    """
    pooling = network.get_layer(experiment.pooling)
    border = network.layers.index(pooling)
    if any(layer.trainable_weights for layer in network.layers[:border]):
        return None
    border += not pooling.trainable_weights
    with network.distribute_strategy.scope():
        frozen = keras.Model(network.input, ops.cast(network.layers[border - 1].output, "float32"))
        features = head = keras.Input(frozen.output_shape[1:], name="features")
        for layer in network.layers[border:]:
            head = layer(head)
        head = keras.Model(features, head, name=f"head_of_{network.name}")
        return with_preprocessing(frozen, experiment.backbone), head


def on_features(frozen: keras.Model, examples: Examples, experiment: Experiment, flipped_copies: bool) -> Examples:
    """The examples with features from the frozen part of the network as pixels; also of flipped copies, if wanted."""

    def cached(flipped: bool) -> np.ndarray:
        path = _features_file(examples.images, experiment, ("output", experiment.pooling, flipped))
        stored = _stored(path, len(examples))
        return _extract(frozen, examples.pixels, path, flipped) if stored is None else stored

    return replace(examples, pixels=Features(cached(False), cached(True) if flipped_copies else None))


def _features_file(images: pd.DataFrame, experiment: Experiment, what: tuple) -> Path:
    """Where the features are cached: another name for other images, backbone, weights, size, precision or layers."""
    weights = experiment.weights or f"seed {experiment.seed}"
    if path := weights_file(experiment):
        weights = f"{path.stat().st_size} {path.stat().st_mtime_ns}"
    facts = [experiment.backbone, experiment.image_size, experiment.precision, weights, *what, pixel_key(images)]
    facts += [experiment.resize] * (experiment.resize != "nearest")
    name = hashlib.sha256("\n".join(map(str, facts)).encode()).hexdigest()[:16]
    return project_path(experiment.runs) / "features" / f"{name}.npy"


def _stored(path: Path, images: int) -> np.ndarray | None:
    """The features of so many images, mapped from a file; None where it is absent, damaged or has a NaN."""
    try:
        features = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, TypeError, OverflowError):
        return None
    if features.dtype != np.float32 or features.shape[:1] != (images,):
        return None
    finite = all(np.isfinite(features[start : start + PART]).all() for start in range(0, images, PART))
    return features if finite else None


def _extract(network: keras.Model, pixels: Pixels, path: Path, flipped: bool = False) -> np.ndarray:
    """The features of all pixels, written to `path` part by part, so that a killed extraction can resume."""
    parts = path.with_suffix("")
    starts = range(0, len(pixels), PART)
    for start in ProgressBar(starts, "features", unit_scale=PART, unit="image"):
        part = parts / f"{start:09}.npy"
        rows = np.arange(start, min(start + PART, len(pixels)))
        if _stored(part, len(rows)) is None:
            batch = pixels.batch(rows, np.full(len(rows), flipped))
            with replacing(part) as beside, retracing_warnings_suppressed():
                np.save(beside, network.predict(batch, verbose=0))
    with replacing(path) as beside:
        whole = np.lib.format.open_memmap(beside, "w+", np.float32, (len(pixels), *network.output_shape[1:]))
        for start in starts:
            whole[start : start + PART] = np.load(parts / f"{start:09}.npy")
        whole.flush()
    shutil.rmtree(parts, ignore_errors=True)
    return np.load(path, mmap_mode="r")
