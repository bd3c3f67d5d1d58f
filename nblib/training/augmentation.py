"""Augmentation: random changes of training images by layers of Keras, in front of the network, on its device."""

import keras
import numpy as np
from keras import layers

from nblib.experiments import Experiment

BYTES = (0, 255)  # the range of pixels

# Shares of the side (shift, zoom), of a full turn (rotation), of the range or of its contrast; each for one kind.
STRENGTHS = {
    "light": {"shift": 0.05, "zoom": (-0.05, 0.05), "turn": 10 / 360, "brightness": 0.2, "contrast": 0.2},
    "strong": {"shift": 0.1, "zoom": (-0.35, 0.1), "turn": 15 / 360, "brightness": 0.3, "contrast": 0.4},
}


def augmentation_layers(experiment: Experiment) -> list[layers.Layer]:
    """The layers that change RGB pixels, (N, size, size, 3) from 0 to 255, each image in its own way; [] for none.

    They shift, zoom, turn, and change brightness and contrast; `strong` also erases a rectangle. What comes into an
    image from outside is black. Their random numbers start from the experiment's seed, and their state is one of the
    model's variables, so that a resumed run goes on with the images that it would have had.
    """
    if experiment.augmentation == "none":
        return []
    strength, seeds = STRENGTHS[experiment.augmentation], np.random.SeedSequence(experiment.seed).generate_state(6) // 2
    seed = [{"seed": int(number), "dtype": "float32"} for number in seeds]  # one each, else all would go together
    outside = {"fill_mode": "constant"}
    changes = [
        layers.RandomTranslation(strength["shift"], strength["shift"], name="shift", **outside, **seed[0]),
        layers.RandomZoom(strength["zoom"], name="zoom", **outside, **seed[1]),
        layers.RandomRotation(strength["turn"], name="turn", **outside, **seed[2]),
        layers.RandomBrightness(strength["brightness"], BYTES, name="brightness", **seed[3]),
        # Less and more contrast; Keras takes a single number for more only.
        layers.RandomContrast((strength["contrast"],) * 2, BYTES, name="contrast", **seed[4]),
    ]
    if experiment.augmentation == "strong":
        changes.append(layers.RandomErasing(0.5, (0.02, 0.2), 0.0, BYTES, name="erasing", **seed[5]))
    return changes


def augment(experiment: Experiment, pixels: np.ndarray) -> np.ndarray:
    """Augmented copies of images, (N, size, size, 3) uint8, to look at: the first that the experiment's seed gives."""
    changed = keras.ops.cast(pixels, "float32")
    for layer in augmentation_layers(experiment):
        changed = layer(changed, training=True)
    return np.asarray(changed).round().astype(np.uint8)
