import hashlib
import json
import os
import shutil
from pathlib import Path

import keras
import pytest
import tensorflow as tf
import yaml
from typer.testing import CliRunner

from nblib.__main__ import app
from nblib.data import cache_pixels
from nblib.experiments import Experiment, paper_experiment
from nblib.training.callbacks import save_weights, write_state
from nblib.training.doctor import (
    STATE,
    TRAINING,
    Needs,
    check_devices,
    check_disk,
    check_imagenet,
    check_memory,
    check_weights,
    examine,
    further_slots,
    graphics_cards,
    needs,
    read_experiment,
    workload,
)
from nblib.training.models import build_network, count_activations, with_preprocessing
from nblib.training.trainer import compile_model
from nblib.training.training_data import load_training_data
from nblib.training.weights import IMAGENET, ImagenetFile

TABLE_3 = Path(__file__).parents[2] / "params" / "table3"


def small(**conditions):
    defaults = {"backbone": "small_plain", "weights": None, "image_size": 32, "fc_units": 64, "batch_size": 8}
    return Experiment(**{**defaults, **conditions})


def levels(findings):
    return [finding.level for finding in findings]


@pytest.fixture
def doctor(tmp_path):
    """Runs `nblib doctor` on parameters written to files; returns exit code and output, JSON read."""

    def run(*parameters, options=()):
        paths = [tmp_path / f"{number}.yaml" for number in range(len(parameters))]
        for path, values in zip(paths, parameters, strict=True):
            path.write_text(yaml.safe_dump(values))
        result = CliRunner().invoke(app, ["doctor", *map(str, paths), *map(str, options)])
        return result.exit_code, json.loads(result.stdout) if "--json" in options else result.stdout

    return run


@pytest.fixture
def no_connection(monkeypatch, tmp_path):
    """Nothing can be fetched, and Keras' cache is the empty folder that comes back."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "keras" / "models").mkdir(parents=True)
    return tmp_path / "keras" / "models"


# ---- what a run needs


def test_layers_of_vgg16_put_out_15_million_numbers_for_one_image_of_the_paper():
    blocks = 227**2 * (3 + 2 * 64) + 113**2 * (64 + 2 * 128) + 56**2 * (128 + 3 * 256) + 28**2 * (256 + 3 * 512)
    features = 14**2 * (512 + 3 * 512) + 7**2 * 512
    head = 25_088 + 4 * 4_096 + 3_047
    assert blocks + features + head == 15_522_178
    assert count_activations(paper_experiment("03_vgg16_flipped"), 3_047) == 15_522_178


def test_the_reference_experiment_needs_what_is_worked_out_by_hand():
    """146,744,103 parameters of 4 bytes, thrice in the state and four times in memory.

    64,753 + 15,970 + 3,534 images of 227 x 227 x 3 bytes, batches of 32.
    """
    experiment = paper_experiment("03_vgg16_flipped")
    load = images, predicted, concepts = workload(experiment, None)
    assert (images, predicted, concepts) == (84_257, 19_504, 3_047)
    need = needs(experiment, *load)
    assert need == Needs(
        pixels=13_025_036_859, weights=586_976_412, probabilities=237_714_752, activations=3_973_677_568
    )
    assert (STATE * need.weights, TRAINING * need.weights) == (1_760_929_236, 2_347_905_648)


def test_averaged_features_and_a_smaller_batch_need_less():
    wide, narrow = small(batch_size=32), small(batch_size=8, pooling="avg")
    more, less = (needs(experiment, 10, 5, 7) for experiment in (wide, narrow))
    assert less.activations < more.activations / 3.9
    # small_plain: 97,440 of the backbone, then 128 or 512 into 64, 64 into 64, 64 into 7.
    assert more.weights - less.weights == 4 * (512 - 128) * 64


@pytest.mark.parametrize(
    ("options", "slots"),
    [({}, 0), ({"optimizer": "sgd"}, -1), ({"use_ema": True, "gradient_accumulation_steps": 2}, 2)],
)
def test_files_of_a_run_are_as_large_as_predicted(options, slots, tmp_path):
    experiment = small(fc_units=512, **options)
    model = compile_model(with_preprocessing(build_network(experiment, 100), "small_plain"), experiment)
    model.optimizer.build(model.trainable_variables)
    save_weights(model, tmp_path / "best.weights.h5")
    write_state(tmp_path / "state.npz", [], model)
    predicted = needs(experiment, 1, 1, 100)
    assert (tmp_path / "best.weights.h5").stat().st_size == pytest.approx(predicted.weights, rel=0.03)
    assert further_slots(experiment) == slots
    assert (tmp_path / "state.npz").stat().st_size == pytest.approx((STATE + slots) * predicted.weights, rel=0.03)


@pytest.mark.parametrize("limit", [None, 10])
def test_images_and_concepts_are_counted_as_training_takes_them(limit, sample, sample_dataset, tmp_path):
    experiment = small(data=str(sample), runs=str(tmp_path), limit_images=limit)
    data = load_training_data(experiment)
    test = sample_dataset.split("test")
    cache_pixels(test, 32, tmp_path / "pixels")
    images, predicted, concepts = workload(experiment, sample_dataset)
    assert predicted == len(data.val1) + len(data.val2) + len(test)
    assert images == len(data.train) + predicted
    assert concepts == len(data.vocabulary)
    grey, colour = (
        sum(path.stat().st_size for path in tmp_path.glob(f"pixels/*/{name}")) for name in ("grey", "colour")
    )
    pixels = needs(experiment, images, predicted, concepts).pixels
    assert grey > 0 and pixels == 3 * grey + colour
    assert needed_disk((experiment, Needs(pixels, 0, 0, 0))) == 0


# ---- disk and memory


def test_what_a_run_writes_must_have_room_and_its_pixels_should(tmp_path):
    experiment = small(runs=str(tmp_path / "not" / "there" / "yet"))
    more = shutil.disk_usage(tmp_path).free + 10**9
    needed = [Needs(1, 1, 1, 0), Needs(more, 1, 1, 0), Needs(1, more, 1, 0)]
    roomy, slow, full = (finding for need in needed for finding in check_disk([(experiment, need)]))
    assert levels([roomy, slow, full]) == ["ok", "warning", "error"]
    assert "image_size" in full.advice and str(tmp_path / "not") in full.what


def test_one_image_more_than_the_disk_has_room_for_is_reported(tmp_path):
    experiment = small(image_size=1024, fc_units=1, runs=str(tmp_path))
    images = shutil.disk_usage(tmp_path).free // (1024 * 1024 * 3) + 1
    (finding,) = check_disk([(experiment, needs(experiment, images, 1, 1))])
    assert finding.level == "warning" and "a third of it for grey ones" in finding.what


def needed_disk(*needed):
    (finding,) = check_disk(list(needed))
    return float(finding.what.split(": ")[1].split(" GB")[0])


def test_pixels_are_cached_once_for_all_experiments_of_one_size_and_not_again(tmp_path):
    need = Needs(3_000_000_000, 0, 0, 0)
    one, other, larger = (small(runs=str(tmp_path), **more) for more in ({}, {"seed": 1}, {"image_size": 64}))
    assert needed_disk((one, need)) == needed_disk((one, need), (other, need)) == 3
    assert needed_disk((one, need), (larger, need)) == 6
    cached = tmp_path / "pixels" / "0123_32px" / "channels"
    cached.parent.mkdir(parents=True)
    with cached.open("wb") as file:
        file.truncate(10**9 // (32 * 32 * 3))  # one byte per image
    assert needed_disk((one, need)) == 2


def test_of_two_runs_the_weights_stay_and_one_state_is_there_at_a_time(tmp_path):
    one, other = small(runs=str(tmp_path)), small(runs=str(tmp_path), experiment_name="other")
    need = Needs(0, 1_000_000_000, 500_000_000, 0)
    assert needed_disk((one, need), (other, need)) == 2 * (1 + 0.5) + 2 * 3


@pytest.mark.parametrize(
    ("weights", "activations", "level"), [(10**8, 1, "ok"), (10**8, 10**18, "warning"), (10**18, 1, "error")]
)
def test_what_is_only_estimated_is_a_warning(weights, activations, level):
    (finding,) = check_memory([(small(), Needs(0, weights, 0, activations))])
    assert finding.level == level
    assert "estimated" in finding.what and bool(finding.advice) == (level != "ok")


# ---- devices


def test_without_a_driver_the_cpu_trains(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert graphics_cards() == []
    cores, gpu = check_devices()
    assert cores.what.startswith(f"{os.cpu_count()} CPU cores, ")
    assert gpu.what == "no GPU: the CPU trains"


def test_a_card_that_tensorflow_does_not_see_lacks_its_libraries(monkeypatch, tmp_path):
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'NVIDIA TITAN RTX, 24576'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert graphics_cards() == [("NVIDIA TITAN RTX", 24_576 * 2**20)]
    if not tf.config.list_physical_devices("GPU"):
        _, gpu = check_devices()
        assert gpu.level == "warning"
        assert gpu.what.startswith("NVIDIA TITAN RTX with 25.77 GB is here, but ") and "[gpu]" in gpu.advice


# ---- weights


def test_imagenet_weights_are_missing_where_an_experiment_wants_them(no_connection):
    vgg16, resnet50, densenet169 = check_imagenet([paper_experiment("03_vgg16_flipped")])
    assert levels([vgg16, resnet50, densenet169]) == ["warning", "ok", "ok"]
    assert str(no_connection / IMAGENET["VGG16"].name) in vgg16.what
    assert IMAGENET["VGG16"].url in vgg16.advice and IMAGENET["VGG16"].md5 in vgg16.advice


def test_imagenet_weights_in_the_cache_are_whole_or_damaged(no_connection, monkeypatch):
    whole = ImagenetFile(IMAGENET["VGG16"].url, hashlib.md5(b"weights").hexdigest())
    monkeypatch.setitem(IMAGENET, "VGG16", whole)
    for backbone in ("VGG16", "ResNet50"):
        (no_connection / IMAGENET[backbone].name).write_bytes(b"weights")
    vgg16, resnet50, _ = check_imagenet([])
    assert (vgg16.level, resnet50.level) == ("ok", "warning")
    assert "damaged" in resnet50.what


def test_a_start_with_the_weights_of_another_backbone_is_an_error(tmp_path):
    other = build_network(small(backbone="small_dense"), 5)
    other.save_weights(tmp_path / "other.weights.h5")
    weights = str(tmp_path / "other.weights.h5")
    assert levels(check_weights(small(backbone="small_dense", weights=weights))) == ["ok"]
    (finding,) = check_weights(small(weights=weights))
    assert finding.level == "error" and "holds no weights of small_plain" in finding.what
    assert list(check_weights(small())) == []


def test_real_imagenet_weights_are_found_fit(real_data):
    weights = real_data.parent / "weights" / "vgg16_imagenet_notop.weights.h5"
    assert levels(check_weights(Experiment(weights=str(weights)))) == ["ok"]
    keras.backend.clear_session()


# ---- the command


def test_doctor_without_experiments_reports_on_the_machine(doctor):
    code, report = doctor(options=["--json"])
    assert (code, report["fit"]) == (0, True)
    assert {"python", "tensorflow", "keras", "numpy", "nblib"} <= report["versions"].keys()
    assert sum("ImageNet weights of" in finding["what"] for finding in report["findings"]) == 3


def test_an_experiment_on_the_sample_can_run(doctor, sample, tmp_path):
    parameters = {**small().model_dump(), "runs": str(tmp_path / "runs"), "data": "elsewhere"}
    code, out = doctor(parameters, options=["--data", sample])
    assert code == 0
    assert f"{sample} has 120 images" in out and "error" not in out


def test_an_experiment_too_large_for_any_machine_ends_with_1_and_says_what_to_do(doctor, sample, tmp_path):
    parameters = {"weights": None, "fc_units": 10_000_000, "runs": str(tmp_path / "runs"), "data": str(sample)}
    code, report = doctor(parameters, options=["--json"])
    errors = [finding for finding in report["findings"] if finding["level"] == "error"]
    assert (code, report["fit"], len(errors)) == (1, False, 2)
    assert all("fc_units" in finding["advice"] for finding in errors)


def test_labels_without_images_and_too_few_sigmoids_are_errors(tmp_path):
    for split in ("train", "val"):
        (tmp_path / f"{split}_concepts.csv").write_text(f"{split}1\tC0000001\n{split}2\tC0000002\n")
    findings = examine([small(data=str(tmp_path), sigmoids=1, runs=str(tmp_path / "runs"))])
    errors = [finding for finding in findings if finding.level == "error"]
    assert len(errors) == 2
    assert errors[0].advice == f"See what is wrong: nblib check {tmp_path}"
    assert "sigmoids must be at least the 2 concepts" in errors[1].what


def test_without_data_the_paper_s_numbers_are_assumed_and_that_is_said(tmp_path):
    findings = examine([small(data=str(tmp_path / "nowhere"), runs=str(tmp_path / "runs"))])
    assert [f for f in findings if f.level == "warning" and "the paper's images and concepts" in f.what]


@pytest.mark.parametrize("path", sorted(TABLE_3.glob("*.yaml")), ids=lambda path: path.stem)
def test_files_of_table_3_make_the_experiments_of_the_paper(path):
    assert read_experiment(path).conditions() == paper_experiment(path.stem).conditions()


@pytest.mark.parametrize(("text", "sentence"), [("- a\n- b\n", "must hold lines"), ("a: [", "is not valid YAML")])
def test_a_file_without_parameters_is_refused_by_name(text, sentence, tmp_path):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ValueError, match=f"mine.yaml {sentence}"):
        read_experiment(tmp_path / "mine.yaml")


def test_a_data_folder_that_is_not_there_is_named(doctor, tmp_path):
    result = CliRunner().invoke(app, ["doctor", "--data", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert str(result.exception).startswith(f"no data folder at {tmp_path / 'nowhere'}")
