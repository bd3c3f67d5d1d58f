"""Features of a frozen backbone: computed once, kept on disk like pixels, and there for every head and every search."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import ops

from nblib.data import Pixels, cache_pixels, pixel_key
from nblib.experiments import Experiment, project_path
from nblib.system import ProgressBar, replacing
from nblib.training.devices import retracing_warnings_suppressed
from nblib.training.models import build_backbone, from_pixels
from nblib.training.weights import weights_file

PART = 512  # images a part of the work: what a killed computation loses at most


@dataclass(frozen=True)
class Features:
    """What a frozen backbone makes of N images; it stands in the place of their `nblib.data.pixels.Pixels`.

    Attributes:
        plain: (N, ...) float32.
        mirrored: the same of the mirrored images, where flipped copies are trained on.
    """

    plain: np.ndarray
    mirrored: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...)."""
        return self.plain.shape

    @property
    def dtype(self) -> np.dtype:
        """float32."""
        return self.plain.dtype

    def batch(self, rows: np.ndarray, flipped: np.ndarray | None = None) -> np.ndarray:
        """Features of these rows, (n, ...); `flipped` says for each whether those of its mirror image are wanted."""
        features = self.plain[rows]
        if flipped is not None and flipped.any():
            features[flipped] = self.mirrored[rows[flipped]]
        return features


def extract_features(
    images: pd.DataFrame,
    experiment: Experiment,
    layers: tuple[str, ...] = ("block4_pool", "block5_pool"),
    mirrored: bool = False,
) -> np.ndarray:
    """Features of `images`, (N, D) float32: the channels of each layer, averaged over its places, side by side.

    Each layer's part has length 1, so that all have the same say; the whole has length 1 as well. Computed once,
    with the experiment's backbone, weights, image_size and precision, kept in `<runs>/features`, mapped from there ever
    after; a computation that was killed goes on where it was.

    Args:
        images: a tidy table with image_id and path, one row an image.
        experiment: says the backbone; of its head nothing counts.
        layers: names of layers of the backbone, such as the last of each of VGG16's blocks.
        mirrored: of the images as a mirror shows them.

    Raises:
        FileNotFoundError: images or weights are not there.
        ValueError: an image can't be read, or the backbone has no such layer.
    """
    kept = _features_file(images, experiment, (*layers, "avg", mirrored))
    if not kept.is_file():
        _keep(feature_network(experiment, layers), _pixels(images, experiment), mirrored, kept)
    return np.load(kept, mmap_mode="r")


def feature_network(experiment: Experiment, layers: tuple[str, ...]) -> keras.Model:
    """The network of `extract_features`: from (N, size, size, 3) uint8 pixels to (N, D) features.

    Raises:
        FileNotFoundError, ValueError: as of `extract_features`.
    """
    backbone = build_backbone(experiment)
    names = [layer.name for layer in backbone.layers]
    if absent := [name for name in layers if name not in names]:
        raise ValueError(f"{backbone.name} has no layer {absent[0]!r}; it has {', '.join(names)}.")
    maps = [ops.cast(backbone.get_layer(name).output, "float32") for name in layers]
    unit = [ops.normalize(ops.mean(each, axis=(1, 2)), axis=-1) / len(layers) ** 0.5 for each in maps]
    return from_pixels(keras.Model(backbone.input, ops.concatenate(unit, axis=-1)), experiment.backbone)


def split_frozen(network: keras.Model, experiment: Experiment) -> tuple[keras.Model, keras.Model] | None:
    """The network in two: what is frozen, from pixels to features, and the head on them; None where more is trained.

    Both share the layers of the network, so that what the head learns, the network has learnt. A pooling that learns
    (GeM) belongs to the head.
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
        return from_pixels(frozen, experiment.backbone), keras.Model(features, head, name=f"head_of_{network.name}")


def kept_features(
    frozen: keras.Model, pixels: Pixels, images: pd.DataFrame, experiment: Experiment, flipped_copies: bool
) -> Features:
    """What the frozen part of the experiment's network makes of these pixels, of the `images` in the table.

    With flipped copies also what it makes of the mirrored ones.
    """

    def kept(mirrored: bool) -> np.ndarray:
        file = _features_file(images, experiment, ("output", experiment.pooling, mirrored))
        if not file.is_file():
            _keep(frozen, pixels, mirrored, file)
        return np.load(file, mmap_mode="r")

    return Features(kept(False), kept(True) if flipped_copies else None)


def _pixels(images: pd.DataFrame, experiment: Experiment) -> Pixels:
    return cache_pixels(images, experiment.image_size, project_path(experiment.runs) / "pixels")


def _features_file(images: pd.DataFrame, experiment: Experiment, what: tuple) -> Path:
    """Where the features are kept: another name for other images, backbone, weights, size, precision or layers."""
    start = weights_file(experiment)
    weights = f"seed {experiment.seed}" if start is None else _stamp(start)
    facts = [experiment.backbone, experiment.image_size, experiment.precision, weights, *what, pixel_key(images)]
    name = hashlib.sha256("\n".join(map(str, facts)).encode()).hexdigest()[:16]
    return project_path(experiment.runs) / "features" / f"{name}.npy"


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _keep(network: keras.Model, pixels: Pixels, mirrored: bool, kept: Path) -> None:
    """Writes the features of all pixels to `kept`, part after part, so that a killed computation goes on."""
    parts = kept.with_suffix("")
    shape = (len(pixels), *network.output_shape[1:])
    starts = range(0, len(pixels), PART)
    for start in ProgressBar(starts, "features", unit_scale=PART, unit="image"):
        part = parts / f"{start:09}.npy"
        if not part.is_file():
            rows = np.arange(start, min(start + PART, len(pixels)))
            seen = pixels.batch(rows, np.full(len(rows), mirrored))
            with replacing(part) as beside, retracing_warnings_suppressed():
                np.save(beside, network.predict(seen, verbose=0))
    with replacing(kept) as beside:
        whole = np.lib.format.open_memmap(beside, "w+", np.float32, shape)
        for start in starts:
            whole[start : start + PART] = np.load(parts / f"{start:09}.npy")
        whole.flush()
    shutil.rmtree(parts, ignore_errors=True)
