import keras
import numpy as np
import pytest

from nblib.experiments import Experiment
from nblib.training.augmentation import augment, augmentation_layers
from nblib.training.models import build_network, with_preprocessing

GREY = np.full((3, 32, 32, 3), 100, np.uint8)


def images():
    return np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8).repeat(4, 1).repeat(4, 2)


@pytest.mark.parametrize("kind", ["light", "strong"])
def test_each_image_is_changed_in_its_own_way_and_the_seed_decides_how(kind):
    same = np.repeat(images()[:1], 3, axis=0)
    first, again, other = (augment(Experiment(augmentation=kind, seed=seed), same) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any() and first.shape == same.shape and first.dtype == np.uint8
    assert (first[0] != first[1]).any() and (first[1] != first[2]).any() and (first != same).any()


def test_light_shifts_and_zooms_by_5_percent_turns_by_10_degrees_and_changes_brightness_and_contrast_by_20():
    shift, zoom, turn, brightness, contrast = augmentation_layers(Experiment(augmentation="light"))
    for layer in (shift, zoom):
        assert (layer.height_lower, layer.height_upper) == pytest.approx((-0.05, 0.05))
    assert np.multiply(turn.factor, 360) == pytest.approx((-10, 10))
    halves = np.concatenate([np.full((99, 4, 8, 3), 100.0), np.full((99, 4, 8, 3), 150.0)], axis=1)
    changed = np.asarray(contrast(np.float32(halves), training=True))
    ratios = (changed[:, -1, 0, 0] - changed[:, 0, 0, 0]) / 50
    assert 0.8 <= ratios.min() < 0.85 and 1.15 < ratios.max() <= 1.2
    middle = np.array([np.asarray(brightness(GREY, training=True))[:, 16, 16, 0] for _ in range(50)])
    assert 100 - 51 <= middle.min() < 80 and 120 < middle.max() <= 100 + 51


def test_changes_of_one_image_do_not_go_together():
    assert len({layer.seed for layer in augmentation_layers(Experiment(augmentation="strong"))}) == 6


def test_there_are_no_layers_for_none():
    assert augmentation_layers(Experiment()) == []


def test_images_are_changed_only_while_a_network_is_trained():
    experiment = Experiment(backbone="small_plain", weights=None, image_size=32, fc_units=8, augmentation="strong")
    network = build_network(experiment, 5)
    whole, augmented = (
        with_preprocessing(network, "small_plain", augmentation=layers)
        for layers in ((), augmentation_layers(experiment))
    )
    np.testing.assert_array_equal(augmented.predict(images(), verbose=0), whole.predict(images(), verbose=0))
    pixels = keras.ops.convert_to_tensor(images())
    assert (np.asarray(augmented(pixels, training=True)) != np.asarray(augmented(pixels, training=True))).any()
    states = [variable for variable in augmented.variables if "seed_generator" in variable.path]
    assert len(states) >= 6 + 2  # of six changes, and of dropout
