import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.kernels import get_registered_kernels_for_op

from nblib.experiments import SMALL_RELATIVES, Experiment, paper_experiment, table_3
from nblib.training.models import GeM, build_network, describe_network, with_flip_augmentation, with_preprocessing

CONCEPTS = 3_047

PARAMETERS = {
    "01_vgg16_fc2048": 76_536_615,
    "02_vgg16_fc4096": 146_744_103,
    "03_vgg16_flipped": 146_744_103,
    "04_vgg16_450px": 455_025_447,
    "05_resnet50": 463_898_471,
    "06_densenet169": 375_883_303,
    "07_densenet169_flipped": 375_883_303,
    "08_vgg16_3fc": 163_525_415,
    "09_vgg16_f1_times_bce": 146_744_103,
    "10_vgg16_f1_plus_bce": 146_744_103,
}
STATISTICS_OF_BATCH_NORMALISATION = {"VGG16": 0, "ResNet50": 53_120, "DenseNet169": 158_400}

# Name, shape of the output and parameters of each layer that the listing prints.
LISTING_1_1 = [
    ("block1_conv1", (None, 227, 227, 64), 1_792),
    ("block1_conv2", (None, 227, 227, 64), 36_928),
    ("block1_pool", (None, 113, 113, 64), 0),
    ("block5_conv3", (None, 14, 14, 512), 2_359_808),
    ("block5_pool", (None, 7, 7, 512), 0),
    ("flatten", (None, 25_088), 0),
    ("fc1", (None, 4096), 102_764_544),
    ("dropout_1", (None, 4096), 0),
    ("fc2", (None, 4096), 16_781_312),
    ("dropout_2", (None, 4096), 0),
    ("predictions", (None, 3047), 12_483_559),
]


@pytest.fixture
def without_values():
    """Networks built inside are whole, only the numbers in their weights are never drawn: the largest needs 2 GB."""
    with keras.StatelessScope(initialize_variables=False):
        yield
    keras.backend.clear_session()


def random_start(experiment):
    return experiment.model_copy(update={"weights": None})


def small(**conditions):
    defaults = {"backbone": "small_plain", "weights": None, "image_size": 32, "fc_units": 16}
    return Experiment(**{**defaults, **conditions})


def count(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def random_pixels(size, images=2):
    return np.random.default_rng(0).integers(0, 256, (images, size, size, 3), dtype=np.uint8)


def test_vgg16_has_the_layers_of_listing_1_1(without_values):
    network = build_network(random_start(paper_experiment("03_vgg16_flipped")), CONCEPTS)
    described = [(layer.name, layer.output.shape, layer.count_params()) for layer in network.layers]
    assert described[0][1:] == ((None, 227, 227, 3), 0)
    assert described[1:4] == LISTING_1_1[:3]
    assert len(described[4:-8]) == 13  # "[... 13 more layers ...]"
    assert described[-8:] == LISTING_1_1[3:]


def test_vgg16_has_the_parameter_count_of_listing_1_1_all_trainable(without_values):
    network = build_network(random_start(paper_experiment("03_vgg16_flipped")), CONCEPTS)
    assert network.count_params() == count(network.trainable_weights) == 146_744_103
    assert network.non_trainable_weights == []


@pytest.mark.parametrize("name", table_3().index)
def test_networks_of_table_3_have_the_parameter_counts_that_follow_from_the_paper(name, without_values):
    experiment = random_start(paper_experiment(name))
    network = build_network(experiment, CONCEPTS)
    assert network.count_params() == PARAMETERS[name]
    assert count(network.non_trainable_weights) == STATISTICS_OF_BATCH_NORMALISATION[experiment.backbone]
    assert sum(layer.name.startswith("fc") for layer in network.layers) == experiment.fc_layers


@pytest.mark.parametrize("name", table_3().index)
def test_heads_of_table_3_are_relu_layers_with_dropout_between_flattened_features_and_sigmoids(name, without_values):
    row = table_3().loc[name]
    network = build_network(random_start(paper_experiment(name)), CONCEPTS)
    flatten, *head, predictions = network.layers[-2 - 2 * row["fc_layers"] :]
    assert type(flatten).__name__ == "Flatten" and len(flatten.input.shape) == 4
    assert [type(layer).__name__ for layer in head] == ["Dense", "Dropout"] * row["fc_layers"]
    assert {(layer.units, layer.activation.__name__) for layer in head[::2]} == {(row["fc_units"], "relu")}
    assert {layer.rate for layer in head[1::2]} == {0.5}
    assert (predictions.units, predictions.activation.__name__) == (3047, "sigmoid")


@pytest.mark.parametrize(("name", "parameters"), [("05_resnet50", 61_245_287), ("06_densenet169", 48_727_591)])
def test_averaging_the_features_first_leaves_few_parameters(name, parameters, without_values):
    averaging = random_start(paper_experiment(name)).model_copy(update={"pooling": "avg"})
    assert build_network(averaging, CONCEPTS).count_params() == parameters


@pytest.mark.parametrize("backbone", SMALL_RELATIVES.values())
def test_small_relatives_have_less_than_a_hundredth_of_the_parameters(backbone):
    network = build_network(small(backbone=backbone, image_size=64, fc_units=64), 100)
    assert network.count_params() < PARAMETERS["03_vgg16_flipped"] / 100


@pytest.mark.parametrize(
    ("backbone", "pooling"),
    [("VGG16", "flatten"), ("ResNet50", "avg"), ("small_residual", "flatten"), ("VGG19", "gem")],
)
def test_the_description_counts_what_the_built_network_has(backbone, pooling, without_values):
    experiment = Experiment(backbone=backbone, weights=None, image_size=64, pooling=pooling, fc_layers=3)
    network, described = build_network(experiment, 50), describe_network(experiment, 50)
    assert described["all parameters"] == network.count_params()
    assert described["head inputs"] == network.get_layer("fc1").kernel.shape[0]


def test_vgg16_is_described_with_its_13_convolutions_and_7_by_7_features(without_values):
    described = describe_network(paper_experiment("03_vgg16_flipped"), CONCEPTS)
    assert (described["convolutions"], described["feature map"]) == (13, "7 x 7 x 512")
    assert (described["backbone parameters"], described["all parameters"]) == (14_714_688, 146_744_103)


def test_each_relu_layer_has_its_dropout_and_sigmoids_come_last():
    network = build_network(small(fc_layers=3, dropout=0.25), 7)
    *head, predictions = network.layers[-7:]
    assert [type(layer).__name__ for layer in head] == ["Dense", "Dropout"] * 3
    assert [layer.activation.__name__ for layer in head[::2]] == ["relu"] * 3
    assert [layer.rate for layer in head[1::2]] == [0.25] * 3
    assert (predictions.activation.__name__, predictions.units) == ("sigmoid", 7)


def test_without_fully_connected_layers_the_sigmoids_see_the_features():
    network = build_network(small(fc_layers=0), 7)
    assert network.get_layer("predictions").kernel.shape == (2 * 2 * 128, 7)


@pytest.mark.parametrize("computed", ["float16", "bfloat16"])
@pytest.mark.parametrize("backbone", SMALL_RELATIVES.values())
def test_in_mixed_precision_layers_compute_in_it_and_weights_and_probabilities_are_float32(backbone, computed):
    network = build_network(small(backbone=backbone, precision=f"mixed_{computed}"), 7)
    model = with_preprocessing(network, backbone)
    convolution = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
    assert convolution.compute_dtype == network.get_layer("fc1").compute_dtype == computed
    assert convolution.output.dtype == computed
    assert {weight.dtype for weight in network.weights} == {"float32"}
    assert network.output.dtype == model.output.dtype == "float32"
    assert network.get_layer("predictions").compute_dtype == "float32"


@pytest.mark.parametrize(("precision", "nearness"), [("mixed_float16", 2e-3), ("mixed_bfloat16", 2e-2)])
def test_probabilities_in_mixed_precision_are_nearly_those_in_float32(precision, nearness):
    """The preprocessing is exact in both: pixels reach the first layer in float32."""
    pixels = random_pixels(32, images=4)
    exact, mixed = (
        np.asarray(with_preprocessing(build_network(small(precision=each), 7), "small_plain")(pixels))
        for each in ("float32", precision)
    )
    assert 0 < np.abs(exact - mixed).max() < nearness


def test_a_network_in_mixed_precision_leaves_the_next_one_in_float32():
    build_network(small(precision="mixed_float16"), 7)
    assert keras.config.dtype_policy().name == "float32"
    assert {layer.compute_dtype for layer in build_network(small(), 7).layers} == {"float32"}


def test_a_network_that_can_not_be_built_leaves_the_next_one_in_float32(tmp_path):
    with pytest.raises(FileNotFoundError):
        build_network(small(precision="mixed_float16", weights=str(tmp_path / "absent.weights.h5")), 7)
    assert keras.config.dtype_policy().name == "float32"


# What the ImageNet weights were trained on: BGR less its mean (caffe), or RGB over 255, standardised (torch).
def bgr_less_its_mean(pixels):
    return pixels[..., ::-1] - np.array([103.939, 116.779, 123.68])


def rgb_standardised(pixels):
    return (pixels / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])


def between_minus_one_and_one(pixels):
    return pixels / 127.5 - 1


PREPROCESSING = {
    "VGG16": bgr_less_its_mean,
    "ResNet50": bgr_less_its_mean,
    "DenseNet169": rgb_standardised,
    "small_plain": between_minus_one_and_one,
    "small_residual": between_minus_one_and_one,
    "small_dense": between_minus_one_and_one,
}
KERAS_OWN = {
    "VGG16": keras.applications.vgg16.preprocess_input,
    "ResNet50": keras.applications.resnet50.preprocess_input,
    "DenseNet169": keras.applications.densenet.preprocess_input,
}


@pytest.fixture
def unchanged():
    """A network that gives back what reaches it."""
    return keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Identity()])


@pytest.mark.parametrize("backbone", PREPROCESSING)
def test_pixels_reach_a_network_as_its_backbone_expects_them(backbone, unchanged):
    pixels = random_pixels(16)
    reached = with_preprocessing(unchanged, backbone)(pixels)
    np.testing.assert_allclose(reached, PREPROCESSING[backbone](pixels.astype("float64")), rtol=0, atol=1e-4)


@pytest.mark.parametrize("grey", [[], [1, 3], [0, 1, 2, 3]], ids=["colour", "mixed", "grey"])
def test_a_network_sees_the_same_whether_a_batch_is_by_colour_or_not(grey, unchanged):
    pixels = random_pixels(16, images=4)
    pixels[grey] = pixels[grey][..., :1]
    coloured = [row for row in range(4) if row not in grey]
    places = np.argsort([*grey, *coloured]).astype(np.int32)
    by_colour = with_preprocessing(unchanged, "VGG16", by_colour=True)(
        [places, pixels[grey][..., :1], pixels[coloured]]
    )
    np.testing.assert_array_equal(by_colour, with_preprocessing(unchanged, "VGG16")(pixels))


@pytest.mark.parametrize("by_colour", [False, True])
def test_all_that_comes_before_the_network_can_be_done_on_a_gpu(by_colour, unchanged):
    """TensorFlow would do what no kernel of a GPU can on the CPU, and send the pixels back and forth."""
    model = with_preprocessing(unchanged, "VGG16", by_colour)
    signature = [tf.TensorSpec(each.shape, each.dtype) for each in model.inputs]
    graph = tf.function(model).get_concrete_function(signature if by_colour else signature[0]).graph
    pixels = [each for each in graph.get_operations() if each.type in PIXEL_OPERATIONS]
    assert {"Cast", "BroadcastTo"} <= {each.type for each in pixels}
    for operation in pixels:
        assert has_gpu_kernel(operation), f"{operation.type} of {operation.inputs[0].dtype.name}"


PIXEL_OPERATIONS = {"Cast", "BroadcastTo", "ConcatV2", "GatherV2", "ReverseV2", "Sub", "AddV2", "Mul", "RealDiv"}


def has_gpu_kernel(operation):
    """Whether TensorFlow, where it is built with GPUs, has a kernel for the types of this operation."""
    kernels = get_registered_kernels_for_op(operation.type).kernel
    return any(
        kernel.device_type == "GPU"
        and all(operation.get_attr(each.name) in each.allowed_values.list.type for each in kernel.constraint)
        for kernel in kernels
    )


@pytest.mark.parametrize("backbone", KERAS_OWN)
def test_preprocessing_is_keras_own_on_the_same_pixels(backbone, unchanged):
    pixels = random_pixels(16)
    reached = with_preprocessing(unchanged, backbone)(pixels)
    np.testing.assert_allclose(reached, KERAS_OWN[backbone](pixels.astype("float32")), rtol=0, atol=1e-5)


def test_the_seed_decides_the_weights():
    first, again, other = (build_network(small(seed=seed), 5).get_weights() for seed in (1, 1, 2))
    for ours, theirs in zip(first, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(first[0], other[0])


# ---- not of the paper: pooling, frozen blocks, other backbones, test-time flipping


def test_gem_is_the_mean_for_1_and_nears_the_maximum_for_a_large_p():
    features = np.random.default_rng(0).uniform(0.1, 1, (3, 4, 5, 6)).astype("float32")
    for p in (1.0, 3.0, 30.0):
        expected = (features.astype("float64") ** p).mean(axis=(1, 2)) ** (1 / p)
        np.testing.assert_allclose(GeM(p)(features), expected, rtol=1e-4)
    np.testing.assert_allclose(GeM(1.0)(features), features.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(GeM(30.0)(features), features.max(axis=(1, 2)), rtol=0.1)


def test_gem_learns_its_p_and_is_built_again_from_its_description():
    network = build_network(small(pooling="gem"), 7)
    (p,) = network.get_layer("gem").trainable_weights
    assert (p.shape, float(p)) == ((), 3.0)
    again = keras.Model.from_config(network.get_config())
    again.set_weights(network.get_weights())
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(again(images), network(images), rtol=1e-6)


@pytest.mark.parametrize(
    ("first", "frozen", "trained"),
    [
        (None, [], ["block1_conv", "block4_conv", "fc1"]),
        ("block3", ["block1_conv", "block2_conv"], ["block3_conv", "block4_conv", "fc1"]),
        ("block4_conv", ["block1_conv", "block3_conv"], ["block4_conv", "fc1"]),
        ("head", ["block1_conv", "block4_conv"], ["fc1", "predictions"]),
    ],
)
def test_training_starts_at_the_block_or_layer_that_is_named(first, frozen, trained):
    network = build_network(small(trainable_from=first), 7)
    assert [bool(network.get_layer(name).trainable_weights) for name in frozen] == [False] * len(frozen)
    assert [bool(network.get_layer(name).trainable_weights) for name in trained] == [True] * len(trained)


def test_a_block_that_the_backbone_does_not_have_is_refused_with_the_names_of_its_layers():
    message = r"block or a layer of small_plain; received 'block6'\. Its layers are block1_conv, block2_conv, "
    with pytest.raises(ValueError, match=message):
        build_network(small(trainable_from="block6"), 7)


@pytest.mark.parametrize("backbone", ["MobileNetV2", "EfficientNetV2B0", "EfficientNetB0"])
def test_another_backbone_of_keras_makes_a_network(backbone, without_values):
    network = build_network(Experiment(backbone=backbone, weights=None, image_size=64, pooling="avg", fc_layers=0), 5)
    assert network.output_shape == (None, 5)
    assert network.get_layer("predictions").input.shape == (None, 1280)


def test_flip_augmentation_is_the_mean_of_the_image_and_its_mirror_image():
    model = with_preprocessing(build_network(small(), 7), "small_plain")
    pixels = random_pixels(32)
    plain, flipped = model(pixels), model(np.ascontiguousarray(pixels[:, :, ::-1]))
    np.testing.assert_allclose(with_flip_augmentation(model)(pixels), (plain + flipped) / 2, atol=1e-6)
    assert np.abs(np.asarray(plain) - np.asarray(flipped)).max() > 1e-4
