"""Experiment: one row of Table 3 with everything a run needs to know, validated where it enters."""

import difflib
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    WrapValidator,
    field_validator,
    model_validator,
)

from nblib.data import ConceptVocabulary, Dataset, choose_concepts, read_dataset
from nblib.experiments.paper import table_3
from nblib.experiments.parameters import project_path, refuse_unknown

# What `keras.applications` builds, as names, so that a parameter is checked without loading Keras.
KERAS_BACKBONES = (
    "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge",
    "DenseNet121", "DenseNet169", "DenseNet201",
    "EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "EfficientNetB3",
    "EfficientNetB4", "EfficientNetB5", "EfficientNetB6", "EfficientNetB7",
    "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2", "EfficientNetV2B3",
    "EfficientNetV2L", "EfficientNetV2M", "EfficientNetV2S", "InceptionResNetV2", "InceptionV3",
    "MobileNet", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small", "NASNetLarge", "NASNetMobile",
    "ResNet101", "ResNet101V2", "ResNet152", "ResNet152V2", "ResNet50", "ResNet50V2", "VGG16", "VGG19", "Xception",
)  # fmt: skip

# The laptop-sized relative of each backbone of the paper: same design, a hundredth of the work.
SMALL_RELATIVES = {"VGG16": "small_plain", "ResNet50": "small_residual", "DenseNet169": "small_dense"}

BackboneName = Literal[*KERAS_BACKBONES, *SMALL_RELATIVES.values()]
HUB = "hub:"  # begins the name of a backbone that KerasHub has; a preset follows
Loss = Literal["bce", "one_minus_f1", "f1_times_bce", "f1_plus_bce", "f1_times_bce_per_image", "focal", "asymmetric"]

# Parameters that do not change the numbers: where files lie, what is written beside them, what to do with an earlier
# run. The data are compared by their fingerprint, which a quarantined image or another split changes too; the label
# space is compared by its concepts when a run is opened.
NOT_CONDITIONS = ("data", "quarantine", "split", "mrsty", "runs", "tensorboard", "force")

# Parameters that were added after runs had been made. An identity has them only where they differ from their default,
# which changes nothing, so that earlier runs keep theirs.
ADDED = (
    "resize", "augmentation", "sampling", "label_smoothing", "optimizer", "backbone_learning_rate_factor",
    "weight_decay", "clipnorm", "gradient_accumulation_steps", "use_ema", "ema_momentum", "schedule", "warmup_epochs",
    "monitor", "imported",
)  # fmt: skip

# Of a run whose probabilities were imported, all others describe a training that never was.
OF_IMPORTED = ("experiment_name", "validation_half", "seed", "imported")


def _or_of_hub(backbone: Any, validate: Callable[[Any], str]) -> str:
    of_hub = isinstance(backbone, str) and backbone.startswith(HUB) and backbone != HUB
    return backbone if of_hub else validate(backbone)


class Experiment(BaseModel):
    """One experiment on one validation half. The defaults are row 3 of Table 3, the paper's reference.

    With `train_on` all, the images of validation are trained on as well. None are left to choose an epoch or to be
    tested on: exactly `epochs` epochs are trained, at a constant rate unless `schedule` is cosine, without a score.

    `imported` is set by `nblib import`: a hash of probabilities that were made elsewhere. Such a run is never trained.

    `trainable_from` names the first block or layer of the backbone that is trained; `head` trains none of the backbone,
    None (as in the paper) all of it.

    Raises:
        ValueError: a parameter is unknown, of the wrong type or out of range; the message names it and, where a name
            was mistyped, the nearest right one.

    Paper: Table 3 and section 4; `train_on` all is the "third model" of section 3.3. Not given there, so ours: early
    stopping after 10 epochs without a better F1, at most 50 epochs, `seed`, and `weights` other than ImageNet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    experiment_name: str = Field("03_vgg16_flipped", pattern=r"^\w[\w.-]*$")
    small_relative: bool = False
    backbone: Annotated[BackboneName, WrapValidator(_or_of_hub), PlainSerializer(str)] = Field(
        "VGG16", validate_default=True
    )
    weights: str | None = "imagenet"
    image_size: int = Field(227, ge=32, le=1024)
    resize: Literal["nearest", "bilinear", "letterbox"] = "nearest"
    flipped_copies: bool = True
    augmentation: Literal["none", "light", "strong"] = "none"
    sampling: Literal["uniform", "rarest"] = "uniform"
    pooling: Literal["flatten", "avg", "gem", "token", "token_avg"] = "flatten"
    fc_layers: int = Field(2, ge=0, le=8)
    fc_units: int = Field(4096, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    min_images: int = Field(0, ge=0)
    top_concepts: int | None = Field(None, ge=1)
    concepts: str | None = None
    semantic_types: str | None = None
    mrsty: str | None = None
    sigmoids: int | None = Field(None, ge=1)
    loss: Loss = "bce"
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    batch_size: int = Field(32, ge=1)
    optimizer: Literal["nadam", "adamw", "sgd"] = "nadam"
    learning_rate: float = Field(1e-5, gt=0)
    backbone_learning_rate_factor: float = Field(1.0, gt=0)
    schedule_decay: float = Field(0.9, ge=0)
    weight_decay: float = Field(0.0, ge=0)
    clipnorm: float | None = Field(None, gt=0)
    gradient_accumulation_steps: int = Field(1, ge=1)
    use_ema: bool = False
    ema_momentum: float = Field(0.99, ge=0, lt=1)
    schedule: Literal["plateau", "cosine"] = "plateau"
    lr_reduction_factor: float | None = Field(0.2, gt=0, lt=1)
    lr_reduction_patience: int = Field(5, ge=1)
    lr_reduction_monitor: Literal["f1", "loss"] = "f1"
    warmup_epochs: float = Field(0.0, ge=0)
    monitor: Literal["f1", "tuned_f1", "loss"] = "f1"
    early_stopping_patience: int = Field(10, ge=1)
    epochs: int = Field(50, ge=1)
    train_on: Literal["train", "all"] = "train"
    validation_half: Literal["val1", "val2"] = "val1"
    limit_images: int | None = Field(None, ge=1)
    seed: int = Field(2020, ge=0, lt=2**32)
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    jit_compile: bool = False
    devices: int = Field(1, ge=1)
    trainable_from: str | None = None
    data: str = "data/sample"
    quarantine: str | None = None
    split: str | None = None
    runs: str = "runs"
    tensorboard: bool = False
    force: bool = False
    imported: str | None = None

    def __init__(self, /, **parameters: Any) -> None:
        # `papermill -p name null` passes the text "null"; only YAML reads it as None.
        parameters = {name: None if value == "null" else value for name, value in parameters.items()}
        refuse_unknown(parameters, known=type(self).model_fields)
        try:
            super().__init__(**parameters)
        except ValidationError as error:
            raise ValueError("\n".join(map(_plain_sentence, error.errors()))) from None

    @field_validator("backbone")
    @classmethod
    def _use_small_relative(cls, backbone: str, before: ValidationInfo) -> str:
        return SMALL_RELATIVES.get(backbone, backbone) if before.data.get("small_relative") else backbone

    @model_validator(mode="after")
    def _parts_go_together(self) -> "Experiment":
        if self.backbone.startswith("small_") and self.weights == "imagenet":
            raise ValueError(f"{self.backbone} has no ImageNet weights: set weights to null (random start)")
        if self.jit_compile and self.augmentation != "none":
            raise ValueError("XLA does not compile augmentation: set jit_compile to False or augmentation to none")
        if self.jit_compile and self.devices > 1:
            raise ValueError("XLA compiles for one device only: set jit_compile to False or devices to 1")
        if self.devices > 1 and (self.gradient_accumulation_steps > 1 or self.clipnorm):
            # Keras would fail at the former, and clip the gradient of each device's part of the batch.
            raise ValueError("gradients are accumulated and clipped on one device only: set devices to 1")
        if self.warmup_epochs and (self.schedule != "cosine" or self.warmup_epochs >= self.epochs):
            raise ValueError("warmup_epochs must be less than epochs, and needs schedule cosine")
        return self

    @property
    def test_half(self) -> str:
        """The validation half that is used for testing: the other one. Paper: section 3.3."""
        return "val2" if self.validation_half == "val1" else "val1"

    @property
    def half(self) -> str:
        """What distinguishes its runs: the validation half, or all where no half is kept from training."""
        return "all" if self.train_on == "all" else self.validation_half

    @property
    def base_name(self) -> str:
        """Its name without the seed that `nblib batch --seeds` appends: runs that differ in seeds alone share it."""
        return self.experiment_name.removesuffix(f"_seed_{self.seed}")

    @property
    def data_folder(self) -> Path:
        """Where the images and concept lists are."""
        return project_path(self.data)

    @property
    def quarantine_file(self) -> Path | None:
        """The list of images to leave out, as `nblib check --quarantine` writes it; None to leave out none."""
        return project_path(self.quarantine) if self.quarantine else None

    @property
    def split_file(self) -> Path | None:
        """The file of train, val1 and val2, as `nblib split` writes it; None: the paper's halves."""
        return project_path(self.split) if self.split else None

    def read_data(self, read: Callable[..., Dataset] = read_dataset) -> Dataset:
        """Its data set, without what is in quarantine, split as it says. Raises as `nblib.data.read_dataset`."""
        return read(self.data_folder, quarantine=self.quarantine_file, split=self.split_file)

    @property
    def run_folder(self) -> Path:
        """`<runs>/<experiment_name>/<val1, val2 or all>`: where this run is written."""
        return project_path(self.runs) / self.experiment_name / self.half

    def label_space(self, dataset: Dataset) -> ConceptVocabulary:
        """The concept of each sigmoid: those that the parameters choose from the data, padded to `sigmoids`.

        Raises:
            FileNotFoundError, ValueError: as `nblib.data.choose_concepts`; or no concept meets the conditions.
        """
        concepts, mrsty = (path and project_path(path) for path in (self.concepts, self.mrsty))
        chosen = choose_concepts(
            dataset.images, self.min_images, self.top_concepts, concepts, self.semantic_types, mrsty
        )
        if not len(chosen):
            raise ValueError(f"no concept of {dataset.folder} is left in the label space; loosen min_images, concepts "
                             "or semantic_types.")  # fmt: skip
        return chosen.padded(self.sigmoids)

    def conditions(self) -> dict[str, Any]:
        """Every parameter that changes the numbers, be it in the last digit (precision, compilation, devices)."""
        conditions = {**self.model_dump(exclude=set(NOT_CONDITIONS)), "validation_half": self.half}
        return {name: conditions[name] for name in OF_IMPORTED} if self.imported else conditions

    def identity(self, data_fingerprint: str) -> str:
        """16 hex digits, equal for two runs exactly when conditions and data are."""
        defaults = {name: type(self).model_fields[name].default for name in ADDED}
        conditions = {name: value for name, value in self.conditions().items() if value != defaults.get(name, ...)}
        facts = json.dumps([conditions, data_fingerprint], sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()[:16]


def paper_experiment(name: str) -> Experiment:
    """The experiment of Table 3 with this name, to the letter; `params/table3` holds the same ten for papermill.

    Raises:
        ValueError: Table 3 has no such row.
    """
    rows = table_3()
    refuse_unknown([name], known=rows.index, kind="experiment")
    known = {key: value for key, value in rows.loc[name].items() if key in Experiment.model_fields and pd.notna(value)}
    return Experiment(experiment_name=name, **{"lr_reduction_factor": None, **known})


def notebook_of(experiment: Experiment) -> str:
    """Name of the notebook that trains it: 04 for backbones that are not like VGG16, else 05 for other losses than bce.

    03 for the rest.
    """
    if not experiment.backbone.startswith("VGG") and experiment.backbone != SMALL_RELATIVES["VGG16"]:
        return "04_deeper_backbones"
    return "03_baseline_vgg16" if experiment.loss == "bce" else "05_soft_f1_losses"


def _plain_sentence(problem: dict[str, Any]) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return f"{message}."
    allowed = re.findall(r"'([^']+)'", problem.get("ctx", {}).get("expected", ""))
    near = difflib.get_close_matches(str(problem["input"]), allowed, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"parameter {'.'.join(map(str, problem['loc']))!r}: {message}; received {problem['input']!r}.{hint}"
