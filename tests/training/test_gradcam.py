import keras
import numpy as np
import pytest
from keras import layers

from nblib.data import ConceptVocabulary, decode_image, validation_halves
from nblib.experiments import Experiment, open_run
from nblib.training.backbones import BACKBONES
from nblib.training.gradcam import explain, grad_cam, last_feature_maps
from nblib.training.models import build_network, trained_network, with_preprocessing

# Three sigmoids on the means of a red and a green map: for red, for red against green, against both.
HEAD = np.array([[2.0, 1.0, -1.0], [0.0, -1.0, -1.0]])
IMAGE = np.zeros((4, 4, 3), np.float32)
IMAGE[0, 0] = (4, 0, 9)  # red
IMAGE[3, 3] = (2, 6, 9)  # more green than red
IMAGE[0, 3] = (2, 0, 9)  # half as red


@pytest.fixture(scope="module")
def by_hand():
    """A convolution that takes over red and green as they are, their means, and three sigmoids."""
    image = keras.Input((4, 4, 3))
    maps = layers.Conv2D(2, 1, use_bias=False, name="red_and_green")(image)
    network = keras.Model(image, layers.Dense(3, activation="sigmoid")(layers.GlobalAveragePooling2D()(maps)))
    network.get_layer("red_and_green").set_weights([np.eye(3, 2, dtype=np.float32)[None, None]])
    network.layers[-1].set_weights([HEAD, np.zeros(3)])
    return network


def test_a_concept_is_seen_where_its_maps_are(by_hand):
    expected = np.zeros((4, 4))
    expected[0, 0], expected[0, 3], expected[3, 3] = 1, 0.5, 0.5
    assert grad_cam(by_hand, IMAGE, 0) == pytest.approx(expected)


def test_what_speaks_against_it_is_taken_off_and_never_below_0(by_hand):
    expected = np.zeros((4, 4))
    expected[0, 0], expected[0, 3] = 1, 0.5  # at (3, 3) red 2 less green 6
    assert grad_cam(by_hand, IMAGE, 1) == pytest.approx(expected)


def test_where_nothing_speaks_for_it_all_is_0(by_hand):
    assert not grad_cam(by_hand, IMAGE, 2).any()


def test_a_sigmoid_that_is_sure_is_explained_as_well(by_hand):
    """At 16 the sigmoid is 1 in float32 and its gradient 0."""
    assert by_hand.predict(1000 * IMAGE[None], verbose=0)[0, 0] == 1
    assert grad_cam(by_hand, 1000 * IMAGE, 0) == pytest.approx(grad_cam(by_hand, IMAGE, 0))


def test_frozen_layers_are_explained_too(by_hand):
    before = grad_cam(by_hand, IMAGE, 1)
    by_hand.trainable = False
    try:
        assert grad_cam(by_hand, IMAGE, 1) == pytest.approx(before)
    finally:
        by_hand.trainable = True


def test_coarse_maps_are_spread_over_the_image():
    image = keras.Input((8, 8, 3))
    maps = layers.MaxPooling2D()(layers.Conv2D(1, 2, strides=4, use_bias=False)(image))
    network = keras.Model(image, layers.Dense(1, activation="sigmoid")(layers.Flatten()(maps)))
    network.set_weights([np.ones((2, 2, 3, 1)), np.ones((1, 1)), np.zeros(1)])
    picture = np.zeros((8, 8, 3), np.float32)
    picture[4:, :4] = 1
    seen = grad_cam(network, picture, 0)
    assert seen.shape == (8, 8) and seen.max() == 1
    assert seen[7, 0] == 1 and seen[0, 7] == 0 and 0 < seen[4, 3] < 1


@pytest.mark.parametrize(
    ("backbone", "side"), [("VGG16", 4), ("small_plain", 8), ("small_residual", 2), ("small_dense", 2)]
)
def test_the_maps_are_the_last_before_pooling(backbone, side):
    network = BACKBONES[backbone].build(include_top=False, weights=None, input_shape=(64, 64, 3))
    found = last_feature_maps(network)
    assert found.output.shape[1:3] == (side, side)
    assert backbone != "VGG16" or found.name == "block5_conv3"


@pytest.fixture(scope="module")
def run(sample_dataset, tmp_path_factory):
    """A run whose best weights are the random ones of its seed, doubled."""
    experiment = Experiment(
        small_relative=True, weights=None, image_size=32, fc_units=8, runs=str(tmp_path_factory.mktemp("runs"))
    )
    run = open_run(experiment, sample_dataset, ConceptVocabulary.of(sample_dataset.images["concepts"]))
    model = with_preprocessing(build_network(experiment, len(run.vocabulary)), experiment.backbone)
    model.set_weights([2 * weights for weights in model.get_weights()])
    model.save_weights(run.folder / "best.weights.h5")
    return run


def test_a_run_explains_an_image_as_its_network_sees_it(run, sample_dataset):
    row = validation_halves(sample_dataset.images)["val1"].iloc[0]
    pixels, seen = explain(run, row["path"], list(row["concepts"][:2]))
    assert np.array_equal(pixels, decode_image(row["path"], 32))
    assert list(seen) == list(row["concepts"][:2])
    assert all(found.shape == (32, 32) and found.min() >= 0 and found.max() <= 1 for found in seen.values())


def test_the_best_weights_are_those_that_explain(run):
    drawn = build_network(run.experiment, len(run.vocabulary)).get_weights()
    kept = trained_network(run).get_weights()
    assert all(np.array_equal(2 * one, other) for one, other in zip(drawn, kept, strict=True))


def test_a_concept_without_a_sigmoid_is_refused(run, sample_dataset):
    with pytest.raises(ValueError, match="C9999999: no concept of "):
        explain(run, sample_dataset.images["path"][0], ["C9999999"])
