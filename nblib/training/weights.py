"""Where a backbone's weights come from: Keras' ImageNet files, a file of weights, a saved model, or another run."""

import os
import warnings
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import keras
import numpy as np
from keras import applications

from nblib.experiments import Experiment, Run, project_path


@dataclass(frozen=True)
class ImagenetFile:
    """A file of ImageNet weights without top, as Keras names, fetches and checks it."""

    url: str
    md5: str

    @property
    def name(self) -> str:
        """Its name in `KERAS_HOME/models`."""
        return self.url.rpartition("/")[2]


_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_NO_TOP = "weights_tf_dim_ordering_tf_kernels_notop.h5"
IMAGENET = {
    "VGG16": ImagenetFile(f"{_KERAS}/vgg16/vgg16_{_NO_TOP}", "6d6bbae143d832006294945121d1f1fc"),
    "ResNet50": ImagenetFile(f"{_KERAS}/resnet/resnet50_{_NO_TOP}", "4d473c1dd8becc155b73f8504c6f6626"),
    "DenseNet169": ImagenetFile(f"{_KERAS}/densenet/densenet169_{_NO_TOP}", "b8c4d4c20dd625c148057b9ff1c1176b"),
}


def imagenet_weights(backbone: str) -> list[np.ndarray]:
    """The ImageNet weights of a backbone of Keras, in its order; Keras downloads their file once and checks its hash.

    Raises:
        FileNotFoundError: the file is not in Keras' cache and can't be downloaded, or arrives damaged.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # MobileNets warn that they are built at their default size
            return getattr(applications, backbone)(include_top=False, weights="imagenet").get_weights()
    except Exception as error:  # Keras raises no narrower one when a download fails
        md5 = f"; md5 {IMAGENET[backbone].md5}" if backbone in IMAGENET else ""
        raise FileNotFoundError(
            f"no ImageNet weights of {backbone}: their file is not in {cache_folder()} or is damaged there, and Keras "
            f"could not download it ({error}). Put that file there ($KERAS_HOME/models{md5}), or pass "
            f"`-p weights FILE`, or `-p weights null` for a random start."
        ) from None


def cache_folder() -> Path:
    """`$KERAS_HOME/models`: where Keras keeps the weights that it has downloaded."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


def weights_file(experiment: Experiment) -> Path | None:
    """The file that `weights` names (for a run, the weights of its best epoch); None for ImageNet or random weights.

    Raises:
        FileNotFoundError: there is no such file or run.
        ValueError: the run has another backbone.
    """
    if experiment.weights in (None, "imagenet"):
        return None
    path = project_path(experiment.weights)
    if path.is_file():
        return path
    if not path.is_dir():
        raise FileNotFoundError(f"weights must be imagenet, null, or a file or a run's folder; there is no {path}.")
    best, run = path / "best.weights.h5", Run(path)
    if not best.is_file():
        raise FileNotFoundError(
            f"{path} is no run with best.weights.h5: name a file or run, `<runs>/<experiment_name>/<validation_half>`."
        )
    there, here = run.experiment.backbone, experiment.backbone
    if there != here:
        raise ValueError(f"the run in {path} has the backbone {there}; this experiment's is {here}. Name another run.")
    return best


def load_backbone(backbone: keras.Model, path: Path) -> keras.Model:
    """`backbone` with its weights loaded from a file; what else the file holds is ignored.

    The file is Keras' older `.h5`, `.weights.h5`, or a whole model saved as `.keras`. The backbone may be all of the
    model in it, its beginning (a head follows), or a model nested in it. Only numbers are read: no layer of the file is
    built, and no code in it can run. The size of its images does not matter.

    Raises:
        ValueError: the file is none of these, is damaged, or does not fit; the backbone may be partly overwritten.
    """
    nesting = keras.Sequential([keras.Input(backbone.input_shape[1:]), backbone])
    reasons = []
    for load in (partial(_load_older, backbone), backbone.load_weights, nesting.load_weights):
        try:
            with warnings.catch_warnings(action="ignore"):  # Keras warns of each list in the model that the file lacks
                load(path)
            return backbone
        except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            reasons.append(" ".join(str(error).split("List of objects")[0].split()))
    raise ValueError(
        f"{path} holds no weights of {backbone.name}: {reasons[1].rstrip('.')}. Expected a whole file in Keras' .h5, "
        f".weights.h5 or .keras. Name a file of that backbone, or choose the backbone that the file was saved from."
    )


def _load_older(backbone: keras.Model, path: Path) -> None:
    """Loads an older `.h5`, which lists the weights of all layers in order; Keras would not ignore a head."""
    layers = [layer for layer in backbone.layers if layer.weights]
    with h5py.File(path) as file:
        stored = file.get("model_weights", file)
        groups = [stored[name] for name in stored.attrs["layer_names"]]
        weights = [[group[name][()] for name in group.attrs["weight_names"]] for group in groups]
    for layer, values in zip(layers, [each for each in weights if each][: len(layers)], strict=True):
        layer.set_weights(values)
