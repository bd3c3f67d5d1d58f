"""What `nblib doctor` reports: versions, devices, weights, and whether disk and memory suffice for experiments."""

import hashlib
import os
import platform
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import psutil
import tensorflow as tf

from nblib.data import Dataset, inspect_dataset, labelled_splits, missing_splits, pixels_name, serious_problems
from nblib.experiments import LABEL_STATISTICS, VERSIONS_OF, Experiment, project_path, read_parameters, table_1
from nblib.training.kernel_ridge import kernel_ridge_solver
from nblib.training.models import count_activations, describe_network, initial_weights
from nblib.training.training_data import shared_pixels
from nblib.training.weights import IMAGENET, cache_folder

FLOAT = 4  # bytes of a float32
STATE = 3  # numbers per parameter in the file that a run resumes from: itself and two slots of NAdam or AdamW
TRAINING = 4  # numbers per parameter in memory: its gradient, too
FRAMEWORK = 750_000_000  # Python with TensorFlow before it holds any network, as measured; bytes


@dataclass(frozen=True)
class Finding:
    """One thing that was checked; an error means that an experiment can't run."""

    level: Literal["ok", "warning", "error"]
    what: str
    advice: str = ""


@dataclass(frozen=True)
class Needs:
    """What a run needs, in bytes.

    Attributes:
        pixels: the pixel store, images x size x size x 3, if all are in colour; a third for grey ones.
        weights: parameters in float32.
        probabilities: predicted images x concepts in float32.
        activations: an estimate: the outputs of all layers for a batch, and gradients of them, in float32. On a CPU,
            VGG16 at 227 and 64 pixels, ResNet50 and DenseNet169 peaked at 92, 111, 81 and 90 % of its sum with
            TRAINING x weights and FRAMEWORK.
    """

    pixels: int
    weights: int
    probabilities: int
    activations: int


def read_experiment(path: Path, data: Path | None = None) -> Experiment:
    """The experiment that a file describes, on `data` if given. Raises as `nblib.experiments.read_parameters`."""
    return Experiment(**{**read_parameters(path), **({"data": str(data)} if data else {})})


def versions() -> dict[str, str]:
    """Versions of Python and the packages that decide a run's numbers."""
    return {"python": platform.python_version(), **{name: version(name) for name in VERSIONS_OF}}


def examine(experiments: list[Experiment]) -> list[Finding]:
    """All findings about this machine and these experiments. Raises as `nblib.data.inspect_dataset`."""
    findings = [*check_devices(), *check_imagenet(experiments)]
    inspected, needed = cache(inspect_dataset), []
    for experiment in experiments:
        folder = experiment.data_folder
        dataset = experiment.read_data(inspected) if folder.is_dir() else None
        findings += [check_data(experiment, dataset), *check_weights(experiment)]
        if dataset is not None:
            findings.append(Finding("ok", f"notebook 08: {kernel_ridge_solver(len(dataset.split('train', 'val')))}"))
        try:
            needed.append((experiment, needs(experiment, *workload(experiment, dataset))))
        except (OSError, ValueError) as error:
            findings.append(Finding("error", f"{experiment.experiment_name}: {error}", "Correct the parameters."))
    return [*findings, *check_disk(needed), *check_memory(needed)]


def workload(experiment: Experiment, dataset: Dataset | None) -> tuple[int, int, int]:
    """Images whose pixels are cached, images to predict, and concepts; without data, as many as in the paper."""
    if dataset is None:
        train, val, test = table_1()["total"].astype(int)
        images = {"train": train, "val1": val - val // 2, "val2": val // 2, "test": test}
        concepts = experiment.sigmoids or LABEL_STATISTICS["unique concepts"]
    else:
        splits = labelled_splits(dataset, experiment.label_space(dataset))
        images = {name: len(examples) for name, examples in splits.items()}
        concepts = len(splits["train"].vocabulary)
    limit = experiment.limit_images or sum(images.values())
    train, val1, val2 = (min(images[name], limit) for name in ("train", "val1", "val2"))
    predicted = val1 + val2 + images.get("test", 0)
    return int(train + predicted), int(predicted), concepts


def needs(experiment: Experiment, images: int, predicted: int, concepts: int) -> Needs:
    """Bytes on disk and in memory that a run takes on a workload of this size."""
    return Needs(
        pixels=images * experiment.image_size**2 * 3,
        weights=FLOAT * int(describe_network(experiment, concepts)["all parameters"]),
        probabilities=FLOAT * predicted * concepts,
        activations=2 * FLOAT * experiment.batch_size * count_activations(experiment, concepts),
    )


def further_slots(experiment: Experiment) -> int:
    """Numbers that the optimiser keeps per parameter beyond the two of NAdam and AdamW; SGD keeps one less."""
    accumulated = experiment.gradient_accumulation_steps > 1
    return experiment.use_ema + accumulated - (experiment.optimizer == "sgd")


def check_devices() -> Iterator[Finding]:
    """GPUs and whether TensorFlow sees them, cores, memory, disk."""
    cards, visible = graphics_cards(), tf.config.list_physical_devices("GPU")
    names = ", ".join(f"{name} with {_gigabytes(memory)}" for name, memory in cards)
    cores = f"{os.cpu_count()} CPU cores, {_gigabytes(psutil.virtual_memory().available)} of memory available"
    yield Finding("ok", f"{cores}, {_gigabytes(_free(project_path('.')))} of disk free")
    if visible:
        yield Finding("ok", f"TensorFlow sees {len(visible)} GPU: {names or 'memory unknown'}")
    elif cards:
        advice = "Install them: .venv/bin/pip install -e '.[gpu]' -c requirements.lock"
        yield Finding("warning", f"{names} is here, but TensorFlow finds no CUDA libraries for it", advice)
    else:
        advice = "Enough for params/sample.yaml and for small images; the paper's networks want a GPU."
        yield Finding("ok", "no GPU: the CPU trains", advice)


def graphics_cards() -> list[tuple[str, int]]:
    """Name and memory in bytes of each NVIDIA card, from the driver's `nvidia-smi`; [] without a driver."""
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [line.rpartition(",") for line in output.splitlines()]
    return [(name, int(mebibytes) * 2**20) for name, _, mebibytes in rows if mebibytes.strip().isdigit()]


def check_imagenet(experiments: list[Experiment]) -> Iterator[Finding]:
    """For each backbone of the paper: whether Keras has its ImageNet weights, undamaged."""
    wanted = {experiment.backbone for experiment in experiments if experiment.weights == "imagenet"}
    for backbone, file in IMAGENET.items():
        path, what = cache_folder() / file.name, f"ImageNet weights of {backbone}: "
        advice = f"Put {file.url} there (md5 {file.md5}), or pass `-p weights FILE` or `-p weights null`."
        if path.is_file() and hashlib.md5(path.read_bytes()).hexdigest() == file.md5:
            yield Finding("ok", f"{what}{path}")
        elif path.is_file():
            yield Finding("warning", f"{what}{path} is damaged; Keras will download it again", advice)
        elif backbone in wanted and not _reachable(file.url):
            yield Finding("warning", f"{what}no {path}, and it can't be downloaded from here", advice)
        else:
            yield Finding("ok", f"{what}no {path}; downloaded when first needed")


def check_weights(experiment: Experiment) -> Iterator[Finding]:
    """Whether a file or run that the experiment starts from holds weights of its backbone."""
    if experiment.weights not in (None, "imagenet"):
        name = experiment.experiment_name
        try:
            initial_weights(experiment)
            yield Finding("ok", f"{name}: {experiment.weights} holds weights of {experiment.backbone}")
        except (OSError, ValueError) as error:
            yield Finding("error", f"{name}: {error}", "Correct `weights`.")


def check_data(experiment: Experiment, dataset: Dataset | None) -> Finding:
    """Whether the data are there and fit for training."""
    name = experiment.experiment_name
    if dataset is None:
        what = f"{name}: no data in {experiment.data_folder}; assuming the paper's images and concepts"
        return Finding("warning", what, "Name yours: nblib doctor EXPERIMENT.yaml --data FOLDER")
    if serious_problems([*missing_splits(dataset), *dataset.problems]) or dataset.images["path"].isna().any():
        what = f"{name}: {dataset.folder} is not fit for training"
        return Finding("error", what, f"See what is wrong: nblib check {dataset.folder}")
    return Finding("ok", f"{name}: {dataset.folder} has {len(dataset.images):,} images")


def check_disk(needed: list[tuple[Experiment, Needs]]) -> Iterator[Finding]:
    """For each folder of runs: room for all files of its experiments, one after the other.

    Without room for the pixels, cached once per set of images and size, each epoch decodes images anew: a warning.
    """
    for folder in sorted({project_path(experiment.runs) for experiment, _ in needed}):
        pairs = [(experiment, need) for experiment, need in needed if project_path(experiment.runs) == folder]
        stores = {shared_pixels(experiment): (experiment, need.pixels) for experiment, need in pairs}
        pixels = sum(max(0, count - _cached_pixels(experiment)) for experiment, count in stores.values())
        results = sum(need.weights + need.probabilities for _, need in pairs)
        state = 2 * max((STATE + further_slots(experiment)) * need.weights for experiment, need in pairs)
        total, free = pixels + results + state, _free(folder)
        what = (
            f"{folder}: {_gigabytes(total)} of {_gigabytes(free)} free are needed: pixels {_gigabytes(pixels)} "
            f"(a third of it for grey ones), best weights and probabilities {_gigabytes(results)}, "
            f"state {_gigabytes(state)} (two while one is written)"
        )
        advice = "Free some, put `runs` elsewhere, or lower image_size, limit_images, fc_units."
        yield _enough(results + state, total, free, what, advice)


def check_memory(needed: list[tuple[Experiment, Needs]]) -> Iterator[Finding]:
    """For each experiment: memory, exact for weights, gradients and optimiser, estimated for activations."""
    cards = graphics_cards() if tf.config.list_physical_devices("GPU") else []
    place, free = ("of the GPU", cards[0][1]) if cards else ("available", psutil.virtual_memory().available)
    for experiment, need in needed:
        training = (TRAINING + further_slots(experiment)) * need.weights
        certain = training + (0 if cards else FRAMEWORK)
        total = certain + need.activations
        what = (
            f"{experiment.experiment_name}: about {_gigabytes(total)} of {_gigabytes(free)} memory {place}: weights, "
            f"gradients and optimiser {_gigabytes(training)}, activations of a batch "
            f"{_gigabytes(need.activations)} (estimated: float32, all layers, twice for their gradients)"
        )
        advice = "Lower batch_size, image_size or fc_units, set pooling to avg, or use a larger machine."
        yield _enough(certain, total, free, what, advice)


def _enough(certain: int, likely: int, free: int, what: str, advice: str) -> Finding:
    """An error where `certain` bytes are not free, a warning where only the likely ones are not."""
    if likely <= free:
        return Finding("ok", what)
    return Finding("error" if certain > free else "warning", what, advice)


def _cached_pixels(experiment: Experiment) -> int:
    """Bytes that the images of this size which are already cached would take in colour."""
    files = (project_path(experiment.runs) / "pixels").glob(
        f"*_{pixels_name(experiment.image_size, experiment.resize)}/channels"
    )
    return sum(path.stat().st_size for path in files) * experiment.image_size**2 * 3


def _free(folder: Path) -> int:
    """Bytes free on the disk that `folder` is on, or will be."""
    return shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free


def _reachable(url: str) -> bool:
    try:
        # An opener of its own: urlopen keeps the proxies of the moment for the rest of the process.
        urllib.request.build_opener().open(urllib.request.Request(url, method="HEAD"), timeout=5).close()
        return True
    except OSError:
        return False


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
