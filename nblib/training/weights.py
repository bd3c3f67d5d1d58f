"""Where a backbone's weights come from: Keras' ImageNet files, a file of weights, a saved model, or another run."""

import os
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras
import numpy as np

from nblib.experiments import Experiment, Run, project_path
from nblib.system import replacing

# The weights of each layer that has any, in the order of the layers.
Layers = list[list[np.ndarray | h5py.Dataset]]


@dataclass(frozen=True)
class ImagenetFile:
    """A file of ImageNet weights without top, as Keras names, fetches and checks it."""

    url: str
    md5: str

    @property
    def name(self) -> str:
        """What it is called in `KERAS_HOME/models`."""
        return self.url.rpartition("/")[2]


_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_NO_TOP = "weights_tf_dim_ordering_tf_kernels_notop.h5"
IMAGENET = {
    "VGG16": ImagenetFile(f"{_KERAS}/vgg16/vgg16_{_NO_TOP}", "6d6bbae143d832006294945121d1f1fc"),
    "ResNet50": ImagenetFile(f"{_KERAS}/resnet/resnet50_{_NO_TOP}", "4d473c1dd8becc155b73f8504c6f6626"),
    "DenseNet169": ImagenetFile(f"{_KERAS}/densenet/densenet169_{_NO_TOP}", "b8c4d4c20dd625c148057b9ff1c1176b"),
}


def weights_file(experiment: Experiment) -> Path | None:
    """The file with the weights the experiment's backbone starts from; None for a random start.

    ImageNet weights are fetched where Keras does not have them yet. Of another run it is the best epoch's file.

    Raises:
        FileNotFoundError: there is no such file or run, or ImageNet weights can't be fetched.
        ValueError: the run has another backbone.
    """
    if experiment.weights is None:
        return None
    if experiment.weights == "imagenet":
        return fetch_imagenet(experiment.backbone)
    path = project_path(experiment.weights)
    if path.is_dir():
        return _best_weights(Run(path), experiment.backbone)
    if not path.is_file():
        raise FileNotFoundError(
            f"weights must be imagenet, null, or a file of backbone weights or the folder of a run; there is no {path}."
        )
    return path


def fetch_imagenet(backbone: str) -> Path:
    """The file of ImageNet weights in Keras' cache, its hash checked; downloaded once.

    Raises:
        FileNotFoundError: it is not there and can't be fetched, or arrives damaged.
    """
    if backbone not in IMAGENET:
        return _fetched_by_keras(backbone)
    file = IMAGENET[backbone]
    try:
        return Path(keras.utils.get_file(file.name, file.url, cache_subdir="models", file_hash=file.md5))
    except Exception as error:  # Keras raises no narrower one when a download fails
        raise FileNotFoundError(
            f"no ImageNet weights of {backbone}: {file.name} is not in {cache_folder()} or is damaged there, and "
            f"fetching {file.url} failed ({error}). Put that file there ($KERAS_HOME/models; md5 {file.md5}), or pass "
            f"`-p weights FILE`, or `-p weights null` for a random start."
        ) from None


def _fetched_by_keras(backbone: str) -> Path:
    """A backbone outside of the paper: Keras builds it with weights it fetches and checks, and they are kept beside."""
    kept = cache_folder() / f"{backbone}_notop.weights.h5"
    if kept.is_file():
        return kept
    try:
        network = getattr(keras.applications, backbone)(include_top=False, weights="imagenet")
    except Exception as error:  # as above
        raise FileNotFoundError(
            f"no ImageNet weights of {backbone}: {kept} is not there, and Keras could not fetch its file ({error}). "
            f"Pass `-p weights FILE`, or `-p weights null` for a random start."
        ) from None
    with replacing(kept) as beside:
        network.save_weights(beside)
    return kept


def cache_folder() -> Path:
    """`$KERAS_HOME/models`: where Keras keeps weights it has fetched."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


def load_backbone(backbone: keras.Model, path: Path) -> None:
    """Gives all layers of `backbone` their weights from a file; what else the file holds is left there.

    The file is Keras' older `.h5`, `.weights.h5`, or a whole model saved as `.keras`. The backbone may be all
    of the model in it, its beginning (a head follows), or a model nested in it. Only numbers are read: no layer of the
    file is built, and no code in it can run. The size of its images does not matter.

    Raises:
        ValueError: the file is none of these, is damaged, or holds another architecture; `backbone` is unchanged.
    """
    layers = [layer for layer in backbone.layers if layer.weights]
    try:
        with _hdf5(path) as file:
            stored = max(_stored_models(file, layers), key=lambda stored: _fitting(stored, layers), default=[])
            values = [[np.asarray(weight) for weight in weights] for weights in stored]
    except (OSError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} can't be read as weights of {backbone.name} ({error}); expected a whole file in Keras' .h5, "
            f".weights.h5 or .keras. Get the file anew, or name another."
        ) from None
    if _fitting(values, layers) < len(layers):
        raise ValueError(
            f"{path} holds no weights of {backbone.name}: {_fitting(values, layers)} of its {len(layers)} layers fit. "
            f"Name a file of that backbone, or choose the backbone that the file was saved from."
        )
    for layer, weights in zip(layers, values, strict=True):
        layer.set_weights(weights)


def _fitting(stored: Layers, layers: list[keras.Layer]) -> int:
    """How many of `layers` find weights of their shapes in their place."""
    shapes = ([weight.shape for weight in weights] for weights in stored)
    needed = ([tuple(weight.shape) for weight in layer.weights] for layer in layers)
    return sum(there == here for there, here in zip(shapes, needed, strict=False))


def _best_weights(run: Run, backbone: str) -> Path:
    best = run.folder / "best.weights.h5"
    if not best.is_file():
        raise FileNotFoundError(
            f"weights name the folder {run.folder}, which is no run with best.weights.h5: name "
            f"`<runs>/<experiment_name>/<validation_half>` of a run that has trained an epoch, or a file."
        )
    if run.experiment.backbone != backbone:
        raise ValueError(
            f"the run in {run.folder} has the backbone {run.experiment.backbone}; this experiment's is {backbone}. "
            f"Name a run with the same backbone."
        )
    return best


@contextmanager
def _hdf5(path: Path) -> Iterator[h5py.File]:
    """The HDF5 file at `path`, or the one inside of it where it is a saved model."""
    if not zipfile.is_zipfile(path):
        with h5py.File(path) as file:
            yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(path) as archive:
            inside = archive.extract("model.weights.h5", folder)
        with h5py.File(inside) as file:
            yield file


def _stored_models(file: h5py.File, layers: list[keras.Layer]) -> Iterator[Layers]:
    """What each model in the file has for `layers`, outer models before nested ones."""
    older = file.get("model_weights", file)
    if "layer_names" in older.attrs:
        yield _older_layers(older)[: len(layers)]
        return
    groups = [file]
    file.visititems(lambda _, item: groups.append(item) if isinstance(item, h5py.Group) else None)
    for group in sorted((group for group in groups if "layers" in group), key=lambda group: group.name.count("/")):
        yield _layers_of(group["layers"], layers)


def _older_layers(file: h5py.Group) -> Layers:
    """The weights of all layers of an older `.h5`, which lists them in order."""
    named = ((file[name], file[name].attrs["weight_names"]) for name in file.attrs["layer_names"])
    return [[group[name] for name in names] for group, names in named if len(names)]


def _layers_of(group: h5py.Group, layers: list[keras.Layer]) -> Layers:
    """The weights of `layers` in a `.weights.h5`, where a layer is called by its class and number: conv2d, conv2d_1."""
    numbers, stored = Counter(), []
    for layer in layers:
        kind = re.sub("([a-z])([A-Z])", r"\1_\2", type(layer).__name__).lower()
        name = f"{kind}_{numbers[kind]}" if numbers[kind] else kind
        numbers[kind] += 1
        stored.append([group[f"{name}/vars/{number}"] for number in range(len(group.get(f"{name}/vars", ())))])
    return stored
