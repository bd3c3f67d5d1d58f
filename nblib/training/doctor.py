"""What `nblib doctor` says: versions, devices, weights, and whether disk and memory are enough for experiments."""

import hashlib
import os
import platform
import shutil
import subprocess
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import psutil
import tensorflow as tf

from nblib.data import ConceptVocabulary, Dataset, inspect_dataset, missing_splits, serious_problems, validation_halves
from nblib.experiments import (
    LABEL_STATISTICS,
    TEST_IMAGES,
    VERSIONS_OF,
    Experiment,
    project_path,
    read_parameters,
    table_1,
)
from nblib.training.models import BACKBONES, count_activations, describe_network
from nblib.training.weights import IMAGENET, cache_folder, load_backbone, weights_file

FLOAT = 4  # bytes of a float32
FRAMEWORK = 750_000_000  # Python with TensorFlow before it holds any network, as measured; bytes


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; an error means that an experiment can't run."""

    level: Literal["ok", "warning", "error"]
    what: str
    advice: str = ""


@dataclass(frozen=True)
class Workload:
    """What an experiment has to deal with: images whose pixels are kept, images it predicts, sigmoids."""

    images: int
    predicted: int
    concepts: int


@dataclass(frozen=True)
class Needs:
    """What a run needs, in bytes.

    Attributes:
        pixels: the pixel store, images x size x size x 3, if all are in colour; a third for those that are grey.
        best_weights: parameters in float32.
        state: parameters and two optimiser slots for each; kept twice for a moment, the new beside the old.
        probabilities: predicted images x concepts in float32.
        training: parameters, gradients and two optimiser slots; there is no training with less memory.
        activations: an estimate: what all layers put out for a batch, and its gradients, in float32. On a CPU, VGG16
            at 227 and 64 pixels, ResNet50 and DenseNet169 peaked at 92, 111, 81 and 90 % of the sum with FRAMEWORK.
    """

    pixels: int
    best_weights: int
    state: int
    probabilities: int
    training: int
    activations: int


def read_experiment(path: Path, data: Path | None = None) -> Experiment:
    """The experiment a file of parameters makes, on `data` if given; what it leaves out is as in row 3 of Table 3.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else than parameters.
    """
    return Experiment(**{**read_parameters(path), **({"data": str(data)} if data else {})})


def examine(experiments: list[Experiment]) -> list[Finding]:
    """Everything found on this machine, and for these experiments.

    Raises:
        FileNotFoundError, ValueError: a data folder can't be read at all.
    """
    findings = [*check_devices(), *check_imagenet(experiments)]
    dataset_of, needed = cache(_dataset), []
    for experiment in experiments:
        dataset = dataset_of(experiment.data, experiment.quarantine)
        findings += [*check_data(experiment, dataset), *check_start(experiment)]
        try:
            needed.append((experiment, needs(experiment, workload(experiment, dataset))))
        except ValueError as error:
            findings.append(Finding("error", f"{experiment.experiment_name}: {error}", "Correct the parameters."))
    return [*findings, *check_disk(needed), *check_memory(needed)]


def versions() -> dict[str, str]:
    """Python and the packages that decide a run's numbers."""
    return {"python": platform.python_version(), **{name: version(name) for name in VERSIONS_OF}}


def workload(experiment: Experiment, dataset: Dataset | None) -> Workload:
    """Images and concepts of the data, as training takes them; without data, as many as in the paper.

    Raises:
        ValueError: fewer sigmoids than concepts.
    """
    if dataset is None:
        train, val = table_1().loc[["train", "val"], "total"].astype(int)
        halves, test = [val - val // 2, val // 2], TEST_IMAGES
        concepts = experiment.sigmoids or LABEL_STATISTICS["unique concepts"]
    else:
        parts = [dataset.split("train"), *validation_halves(dataset.images).values()]
        train, *halves = (int((part["concepts"].map(len) > 0).sum()) for part in parts)
        test = len(dataset.split("test"))
        vocabulary = ConceptVocabulary.of(dataset.split("train", "val")["concepts"])
        concepts = len(vocabulary.padded(experiment.sigmoids))
    limit = experiment.limit_images or train + sum(halves)
    predicted = sum(min(half, limit) for half in halves) + test
    return Workload(min(train, limit) + predicted, predicted, concepts)


def needs(experiment: Experiment, load: Workload) -> Needs:
    """Bytes on disk and in memory that a run of this size takes."""
    weights = FLOAT * int(describe_network(experiment, load.concepts)["all parameters"])
    return Needs(
        pixels=load.images * experiment.image_size**2 * 3,
        best_weights=weights,
        state=3 * weights,
        probabilities=FLOAT * load.predicted * load.concepts,
        training=4 * weights,
        activations=2 * FLOAT * experiment.batch_size * count_activations(experiment, load.concepts),
    )


def check_devices() -> Iterator[Finding]:
    """GPUs and whether TensorFlow sees them, cores, memory, disk."""
    cards, seen = graphics_cards(), tf.config.list_physical_devices("GPU")
    named = ", ".join(f"{name} with {_gigabytes(memory)}" for name, memory in cards)
    cores = f"{os.cpu_count()} CPU cores, {_gigabytes(psutil.virtual_memory().available)} of memory available"
    yield Finding("ok", f"{cores}, {_gigabytes(_free(project_path('.')))} of disk free")
    if seen:
        yield Finding("ok", f"TensorFlow sees {len(seen)} GPU: {named or 'memory not known'}")
    elif cards:
        advice = "Install them: .venv/bin/pip install -e '.[gpu]' -c requirements.lock"
        yield Finding("warning", f"{named} is here, but TensorFlow finds no CUDA libraries for it", advice)
    else:
        advice = "Enough for params/sample.yaml and for small images; the paper's networks want a GPU."
        yield Finding("ok", "no GPU: the CPU trains", advice)


def graphics_cards() -> list[tuple[str, int]]:
    """Name and memory in bytes of each NVIDIA card, as the driver's `nvidia-smi` tells; [] without a driver."""
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [line.rpartition(",") for line in told.splitlines()]
    return [(name, int(mebibytes) * 2**20) for name, _, mebibytes in rows if mebibytes.strip().isdigit()]


def check_imagenet(experiments: Iterable[Experiment]) -> Iterator[Finding]:
    """For each backbone of the paper: whether Keras has its ImageNet weights, whole."""
    wanted = {experiment.backbone for experiment in experiments if experiment.weights == "imagenet"}
    for backbone, file in IMAGENET.items():
        path = cache_folder() / file.name
        put_there = f"Put {file.url} there (md5 {file.md5}), or pass `-p weights FILE` or `-p weights null`."
        if not path.is_file():
            what = f"ImageNet weights of {backbone}: no {path}"
            if backbone in wanted and not _reachable(file.url):
                yield Finding("warning", f"{what}, and it can't be fetched from here", put_there)
            else:
                yield Finding("ok", f"{what}; fetched when first needed")
        elif _md5(path) != file.md5:
            what = f"ImageNet weights of {backbone}: {path} is damaged; Keras will fetch it anew"
            yield Finding("warning", what, put_there)
        else:
            yield Finding("ok", f"ImageNet weights of {backbone}: {path}")


def check_start(experiment: Experiment) -> Iterator[Finding]:
    """Whether a file or run that the experiment starts from holds weights of its backbone."""
    if experiment.weights in (None, "imagenet"):
        return
    try:
        backbone = BACKBONES[experiment.backbone].build(include_top=False, weights=None, input_shape=(32, 32, 3))
        load_backbone(backbone, weights_file(experiment))
        yield Finding("ok", f"{experiment.experiment_name}: {experiment.weights} holds weights of {backbone.name}")
    except (OSError, ValueError) as error:
        yield Finding("error", f"{experiment.experiment_name}: {error}", "Correct `weights`.")


def check_data(experiment: Experiment, dataset: Dataset | None) -> Iterator[Finding]:
    """Whether the data are there and can be trained on."""
    name = experiment.experiment_name
    if dataset is None:
        what = f"{name}: no data in {experiment.data_folder}; counted with the paper's images and concepts"
        yield Finding("warning", what, "Name yours: nblib doctor EXPERIMENT.yaml --data FOLDER")
        return
    serious = len(serious_problems([*missing_splits(dataset), *dataset.problems])) + int(
        dataset.images["path"].isna().any()
    )
    if serious:
        what = f"{name}: {dataset.folder} is not fit for training"
        yield Finding("error", what, f"See what is wrong: nblib check {dataset.folder}")
    else:
        yield Finding("ok", f"{name}: {dataset.folder} has {len(dataset.images):,} images")


def check_disk(needed: list[tuple[Experiment, Needs]]) -> Iterator[Finding]:
    """For each folder of runs: room for all that its experiments leave there, one after the other.

    Pixels are kept once for all experiments with the same images and size; those that are there already need no room.
    Where they find none, images are decoded anew in each epoch: a warning, no error.
    """
    for folder in sorted({project_path(experiment.runs) for experiment, _ in needed}):
        pairs = [(experiment, need) for experiment, need in needed if project_path(experiment.runs) == folder]
        stores = {_stored_as(e): (e, need.pixels) for e, need in pairs}
        pixels = sum(max(0, count - _kept_pixels(e)) for e, count in stores.values())
        left = sum(need.best_weights + need.probabilities for _, need in pairs)
        state = 2 * max(need.state for _, need in pairs)
        total, free = pixels + left + state, _free(folder)
        what = (
            f"{folder}: {_gigabytes(total)} of {_gigabytes(free)} free are needed: pixels {_gigabytes(pixels)} "
            f"(a third of it for grey ones), best weights and probabilities {_gigabytes(left)}, "
            f"state {_gigabytes(state)} (two while one is written)"
        )
        advice = "Free some, put `runs` elsewhere, or lower image_size, limit_images, fc_units."
        yield _enough(left + state, free, what, advice, likely=total)


def check_memory(needed: list[tuple[Experiment, Needs]]) -> Iterator[Finding]:
    """For each experiment: memory for weights, gradients and optimiser for certain, for activations as estimated."""
    cards = graphics_cards() if tf.config.list_physical_devices("GPU") else []
    place, there = ("of the GPU", cards[0][1]) if cards else ("available", psutil.virtual_memory().available)
    for experiment, need in needed:
        certain = need.training + (0 if cards else FRAMEWORK)
        total = certain + need.activations
        what = (
            f"{experiment.experiment_name}: about {_gigabytes(total)} of {_gigabytes(there)} memory {place}: weights, "
            f"gradients and optimiser {_gigabytes(need.training)}, activations of a batch "
            f"{_gigabytes(need.activations)} (estimated: float32, all layers, twice for their gradients)"
        )
        advice = "Lower batch_size, image_size or fc_units, set pooling to avg, or use a larger machine."
        yield _enough(certain, there, what, advice, likely=total)


def _enough(certain: int, there: int, what: str, advice: str, likely: int = 0) -> Finding:
    """An error where `certain` bytes are not there, a warning where only the likely ones are not."""
    if certain > there:
        return Finding("error", what, advice)
    return Finding("warning", what, advice) if likely > there else Finding("ok", what)


def _dataset(data: str, quarantine: str | None) -> Dataset | None:
    """The data there; None where there is no such folder."""
    folder = project_path(data)
    return inspect_dataset(folder, quarantine=quarantine and project_path(quarantine)) if folder.is_dir() else None


def _stored_as(e: Experiment) -> tuple:
    """What two experiments that share their kept pixels have in common."""
    return e.data, e.quarantine, e.image_size, e.limit_images and (e.limit_images, e.seed)


def _kept_pixels(experiment: Experiment) -> int:
    """Bytes that the images of this size which the folder of runs keeps already would take in colour."""
    kept = (project_path(experiment.runs) / "pixels").glob(f"*_{experiment.image_size}px/channels")
    return sum(path.stat().st_size for path in kept) * experiment.image_size**2 * 3


def _free(folder: Path) -> int:
    """Bytes free on the disk that `folder` is on, or will be."""
    return shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def _reachable(url: str) -> bool:
    try:
        # An opener of its own: urlopen keeps the proxies of the moment for the rest of the process.
        urllib.request.build_opener().open(urllib.request.Request(url, method="HEAD"), timeout=5).close()
        return True
    except OSError:
        return False


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
