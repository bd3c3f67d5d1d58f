"""Backbones of KerasHub: networks of many kinds, read from a preset, of which a run keeps the description."""

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import keras
from keras import layers, tree
from pydantic import BaseModel, ConfigDict

from nblib.experiments import HUB, Run, naming_damage, project_path
from nblib.system import write_json
from nblib.training.backbones import Backbone


class Description(BaseModel):
    """What a preset says of its backbone: KerasHub's class, its arguments, and how pixels in [0, 255] are scaled."""

    model_config = ConfigDict(extra="forbid")

    kind: str
    arguments: dict[str, Any]
    scale: float | list[float] | None
    offset: float | list[float] | None


def hub_backbone(name: str) -> Backbone:
    """The backbone of `hub:PRESET`: a preset's folder, what KerasHub takes for one, or the file that a run keeps.

    Raises:
        FileNotFoundError: there is no such preset, or it can't be downloaded.
        ValueError: KerasHub is missing, or the preset has no backbone that takes images, or no image converter.
    """
    described = describe(preset_of(name))

    def build(include_top, weights, input_shape):
        kind = getattr(_keras_hub().models, described.kind)
        return _flat(kind.from_config({**described.arguments, **_own_arguments(described, input_shape)}))

    scale, offset = (1.0 if described.scale is None else described.scale), described.offset or 0.0
    return Backbone(build, layers.Rescaling(scale, offset, dtype="float32"))


def preset_weights(name: str, size: int) -> list:
    """The weights that come with the preset, for images of that size. Raises as `hub_backbone`."""
    preset = preset_of(name)
    own = _own_arguments(describe(preset), (size, size, 3))
    return _flat(_read(lambda hub: hub.models.Backbone.from_preset(preset, **own), preset)).get_weights()


def save_description(run: Run) -> None:
    """Writes backbone.json to the run of a KerasHub backbone, so that it can be built without the preset."""
    if run.experiment.backbone.startswith(HUB):
        write_json(run.folder / "backbone.json", describe(preset_of(run.experiment.backbone)).model_dump())


def kept_backbone(run: Run) -> str:
    """The name under which `hub_backbone` finds what `save_description` wrote; of other backbones their own name."""
    name = run.experiment.backbone
    return f"{HUB}{run.folder.absolute() / 'backbone.json'}" if name.startswith(HUB) else name


def preset_of(name: str) -> str:
    """What `hub:PRESET` names, a path where there is such a folder or file."""
    preset = name.removeprefix(HUB)
    path = project_path(preset)
    return str(path) if "://" not in preset and (path.exists() or "/" in preset) else preset


@cache
def describe(preset: str) -> Description:
    """The description of a preset, or the one in a file that a run keeps. Raises as `hub_backbone`."""
    if preset.endswith(".json"):
        with naming_damage(Path(preset)):
            return Description.model_validate_json(Path(preset).read_bytes())
    backbone = _read(lambda hub: hub.models.Backbone.from_preset(preset, load_weights=False), preset)
    _flat(backbone)
    converter = _read(lambda hub: hub.layers.ImageConverter.from_preset(preset), preset)
    arguments = {key: value for key, value in backbone.get_config().items() if key not in ("name", "trainable")}
    return Description(
        kind=type(backbone).__name__, arguments=arguments, scale=converter.scale, offset=converter.offset
    )


def _own_arguments(described: Description, shape: tuple[int, int, int]) -> dict[str, Any]:
    """The arguments that an experiment decides: the shape of images, and what layers compute in."""
    return {
        "image_shape" if "image_shape" in described.arguments else "input_shape": shape,
        "dtype": keras.config.dtype_policy().name,
    }


def _flat(backbone: keras.Model) -> keras.Model:
    """The backbone as a model from images, (N, size, size, 3), to feature maps or tokens."""
    inputs, output = tree.flatten(backbone.input), backbone.output
    if len(inputs) != 1 or not isinstance(output, keras.KerasTensor) or len(output.shape) not in (3, 4):
        raise ValueError(
            f"{type(backbone).__name__} of KerasHub can't be a backbone here: expected one that takes images alone "
            f"and returns feature maps or tokens. Choose another preset, such as one of ViT, DINOv2 or EfficientNet."
        )
    for weight in backbone.trainable_weights:
        if weight.name == "mask_token":  # for pretraining only: no gradient reaches it
            weight.trainable = False
    return keras.Model(inputs[0], output, name=backbone.name)


def _read(read, preset: str):
    """What `read` returns, which is given KerasHub; its errors, of many kinds, as one sentence."""
    hub = _keras_hub()
    try:
        with warnings.catch_warnings(action="ignore"):
            return read(hub)
    except Exception as error:  # KerasHub, kagglehub, huggingface_hub and their clients have a dozen kinds
        kind = ValueError if Path(preset).is_dir() else FileNotFoundError
        raise kind(
            f"KerasHub can't read the preset {preset}: {' '.join(str(error).split())[:300]}. Expected a folder with "
            f"config.json, model.weights.h5 and image_converter.json, a name of KerasHub, hf://... or kaggle://..."
        ) from None


def _keras_hub():
    try:
        import keras_hub
    except ImportError:
        raise ValueError(
            "backbones of KerasHub need the package keras-hub: .venv/bin/pip install -e '.[hub]' -c requirements.lock"
        ) from None
    return keras_hub
