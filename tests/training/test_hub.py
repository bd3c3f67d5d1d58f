import shutil
import sys

import keras_hub
import numpy as np
import pytest
from benchmarks.killing import assert_same_run, small_experiment, train_anew, train_in_part

from nblib.data import decode_image
from nblib.experiments import Experiment
from nblib.training.export import export_model
from nblib.training.hub import hub_backbone
from nblib.training.models import build_network, describe_network, trained_network, with_preprocessing
from nblib.training.trainer import load_model, predict_batch

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """Folder with three tiny presets: a transformer with four registers, one with windows, a convolutional network."""
    folder, hub = tmp_path_factory.mktemp("presets"), keras_hub.models
    of_image = {"image_shape": (64, 64, 3), "hidden_dim": 16, "num_layers": 1, "num_heads": 2}
    backbones = {
        "dino": hub.DINOV2Backbone(patch_size=8, intermediate_dim=32, num_register_tokens=4, **of_image),
        "swin": hub.SwinTransformerBackbone(
            image_shape=(64, 64, 3), embed_dim=8, depths=(1, 1), num_heads=(2, 2), window_size=2
        ),
        "resnet": hub.ResNetBackbone([64], [3], [64, 64], [1, 1], [1, 2], "basic_block", image_shape=(64, 64, 3)),
    }
    converters = [each for each in vars(keras_hub.layers).values() if hasattr(each, "backbone_cls")]
    for name, backbone in backbones.items():
        backbone.save_to_preset(folder / name)
        (converter,) = (each for each in converters if each.backbone_cls is type(backbone))
        converter(image_size=(64, 64), scale=[0.01, 0.02, 0.03], offset=[-1, -2, -3]).save_to_preset(folder / name)
    return folder


def of_hub(preset, **conditions):
    defaults = {"image_size": 32, "pooling": "avg", "fc_layers": 0}
    return Experiment(backbone=f"hub:{preset}", **{**defaults, **conditions})


def features_of_keras_hub(preset):
    backbone = keras_hub.models.Backbone.from_preset(preset, image_shape=(32, 32, 3))
    images = PIXELS * np.array([0.01, 0.02, 0.03], "float32") - np.array([1, 2, 3], "float32")
    return np.asarray(backbone({"images": images} if isinstance(backbone.input, dict) else images))


@pytest.mark.parametrize(
    ("name", "pooling", "pool"),
    [
        ("dino", "avg", lambda tokens: tokens[:, 5:].mean(axis=1)),
        ("dino", "token", lambda tokens: tokens[:, 0]),
        ("dino", "token_avg", lambda tokens: np.hstack([tokens[:, 0], tokens[:, 5:].mean(axis=1)])),
        ("swin", "flatten", lambda features: features.reshape(3, -1)),
        ("resnet", "avg", lambda maps: maps.mean(axis=(1, 2))),
    ],
)
def test_the_head_gets_what_keras_hub_computes_of_the_same_pixels(name, pooling, pool, presets):
    experiment = of_hub(presets / name, pooling=pooling)
    network = build_network(experiment, 7)
    whole = with_preprocessing(network, experiment.backbone)
    kernel, bias = network.get_layer("predictions").get_weights()
    expected = 1 / (1 + np.exp(-(pool(features_of_keras_hub(str(presets / name))) @ kernel + bias)))
    np.testing.assert_allclose(whole(PIXELS), expected, rtol=0, atol=1e-5)
    described = describe_network(experiment, 7)
    assert described["head inputs"] == len(kernel) and described["all parameters"] == network.count_params()


@pytest.fixture(scope="module")
def run(presets, sample, tmp_path_factory):
    """A run of the transformer whose preset is gone since."""
    runs = tmp_path_factory.mktemp("runs")
    preset = shutil.copytree(presets / "dino", runs / "preset")
    conditions = dict(backbone=f"hub:{preset}", weights="imagenet", pooling="token_avg", fc_layers=0, limit_images=20)
    train_in_part(small_experiment(sample, runs / "killed", epochs=2, **conditions), 1)
    killed = train_anew(small_experiment(sample, runs / "killed", epochs=2, **conditions))
    run = train_anew(small_experiment(sample, runs / "whole", epochs=2, **conditions))
    assert_same_run(killed, run)
    shutil.rmtree(preset)
    return run


def test_a_run_predicts_without_the_preset_what_it_predicted_with_it(run):
    image_ids, probabilities = run.probabilities("val1")
    paths = run.experiment.read_data().images.set_index("image_id")["path"][image_ids]
    decoded = np.stack([decode_image(path, 32) for path in paths])
    np.testing.assert_allclose(predict_batch(load_model(run), decoded), probabilities, rtol=0, atol=1e-5)


def test_what_onnx_can_not_hold_is_exported_as_saved_model(run, tmp_path):
    with pytest.raises(ValueError, match=r"onnx can't hold all operations of this network .* as saved_model"):
        export_model(run, tmp_path, "onnx")
    assert export_model(run, tmp_path, "saved_model") < 1e-5


def test_a_backbone_starts_from_the_weights_of_a_run(run, presets):
    file = str(run.folder / "best.weights.h5")
    ours = build_network(of_hub(presets / "dino", weights=file, pooling="token_avg"), len(run.vocabulary))
    head = len(ours.get_layer("predictions").weights)
    for mine, theirs in zip(ours.get_weights()[:-head], trained_network(run).get_weights()[:-head], strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_only_the_layers_from_the_one_named_on_are_trained(presets):
    network = build_network(of_hub(presets / "dino", trainable_from="layernorm"), 7)
    trained = {weight.path.split("/")[0] for weight in network.trainable_weights}
    assert "layernorm" in trained and "embeddings" not in trained and "encoder" not in trained


def test_a_pooling_that_does_not_fit_is_refused(presets):
    for name, pooling in (("dino", "gem"), ("resnet", "token"), ("swin", "token")):
        with pytest.raises(ValueError, match=rf"pooling {pooling} does not fit .* avg and flatten fit all backbones"):
            build_network(of_hub(presets / name, pooling=pooling), 7)


def test_what_is_no_preset_is_refused_with_what_would_be_one(presets, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"can't read the preset .*/absent: .* Expected a folder with config"):
        hub_backbone(f"hub:{tmp_path}/absent")
    (shutil.copytree(presets / "swin", tmp_path / "swin") / "image_converter.json").unlink()
    with pytest.raises(ValueError, match=r"can't read the preset .*swin: .* image_converter.json"):
        hub_backbone(f"hub:{tmp_path}/swin")


def test_without_keras_hub_the_error_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(ValueError, match=r"need the package keras-hub: .*pip install -e '.\[hub\]'"):
        hub_backbone(f"hub:{tmp_path}")


def test_a_real_preset_of_efficientnet_is_read_with_its_preprocessing(real_data):
    preset = real_data.parent / "weights" / "efficientnet_lite0"
    if not preset.is_dir():
        pytest.skip(f"there is no {preset}")
    described = describe_network(of_hub(preset, image_size=224), 100)
    assert (described["feature map"], described["backbone parameters"]) == ("7 x 7 x 1280", 3_413_024)
    assert hub_backbone(f"hub:{preset}").preprocess(np.float32([[[[0, 127, 255]]]])).numpy().ravel().tolist() == [
        -127 / 128, 0, 1
    ]  # fmt: skip
