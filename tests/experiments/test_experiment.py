import hashlib
import json
import math

import pytest

from nblib.experiments.experiment import ADDED, NOT_CONDITIONS, Experiment, notebook_of, paper_experiment
from nblib.experiments.paper import table_3

# One other value for each parameter that decides the numbers.
OTHER_CONDITIONS = {
    "experiment_name": "mine",
    "backbone": "ResNet50",
    "small_relative": True,
    "weights": "vgg16.weights.h5",
    "image_size": 224,
    "flipped_copies": False,
    "pooling": "avg",
    "fc_layers": 3,
    "fc_units": 2048,
    "dropout": 0.25,
    "min_images": 5,
    "top_concepts": 100,
    "concepts": "chosen.txt",
    "semantic_types": "T023",
    "sigmoids": 3047,
    "loss": "f1_times_bce",
    "batch_size": 24,
    "learning_rate": 2e-5,
    "resize": "bilinear",
    "augmentation": "light",
    "sampling": "rarest",
    "backbone_learning_rate_factor": 0.1,
    "label_smoothing": 0.1,
    "optimizer": "adamw",
    "schedule_decay": 1.0,
    "weight_decay": 1e-4,
    "clipnorm": 1.0,
    "gradient_accumulation_steps": 2,
    "use_ema": True,
    "ema_momentum": 0.999,
    "schedule": "cosine",
    "monitor": "tuned_f1",
    "lr_reduction_factor": None,
    "lr_reduction_patience": 3,
    "lr_reduction_monitor": "loss",
    "early_stopping_patience": 5,
    "epochs": 10,
    "train_on": "all",
    "validation_half": "val2",
    "limit_images": 100,
    "seed": 1,
    "precision": "mixed_float16",
    "jit_compile": True,
    "devices": 2,
    "trainable_from": "block5",
}


def message_of(**parameters):
    with pytest.raises(ValueError) as caught:
        Experiment(**parameters)
    return str(caught.value)


def test_the_defaults_are_row_3_of_table_3():
    row = table_3().loc["03_vgg16_flipped"]
    shared = [name for name in row.index if name in Experiment.model_fields]
    assert len(shared) == 11
    assert {name: getattr(Experiment(), name) for name in shared} == row[shared].to_dict()
    assert (Experiment().experiment_name, Experiment().learning_rate, Experiment().schedule_decay) == (
        "03_vgg16_flipped", 1e-5, 0.9
    )  # fmt: skip


def test_what_the_paper_leaves_open_has_the_documented_defaults():
    experiment = Experiment()
    assert (experiment.early_stopping_patience, experiment.epochs) == (10, 50)
    assert (experiment.pooling, experiment.weights, experiment.sigmoids) == ("flatten", "imagenet", None)


@pytest.mark.parametrize("name", table_3().index)
def test_every_row_of_table_3_is_an_experiment(name):
    experiment, row = paper_experiment(name), table_3().loc[name]
    assert experiment.experiment_name == name
    for condition in ("backbone", "image_size", "flipped_copies", "fc_layers", "fc_units", "batch_size", "loss"):
        assert getattr(experiment, condition) == row[condition]
    if math.isnan(row["lr_reduction_factor"]):
        assert experiment.lr_reduction_factor is None
    else:
        assert experiment.lr_reduction_factor == row["lr_reduction_factor"]
        assert experiment.lr_reduction_monitor == row["lr_reduction_monitor"]


def test_an_experiment_that_is_not_in_table_3_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match=r"unknown experiment '05_resnet': did you mean '05_resnet50'\?"):
        paper_experiment("05_resnet")


def test_a_mistyped_parameter_is_refused_with_the_nearest_name():
    assert message_of(learning_rates=1e-4) == "unknown parameter 'learning_rates': did you mean 'learning_rate'?"


def test_every_unknown_parameter_has_its_own_line():
    first, second = message_of(backbon="VGG16", qqq=1).splitlines()
    assert first == "unknown parameter 'backbon': did you mean 'backbone'?"
    assert second.startswith("unknown parameter 'qqq': known are experiment_name, small_relative, backbone, ")


def test_a_number_that_yaml_read_as_text_is_a_number():
    assert Experiment(learning_rate="1e-5").learning_rate == 1e-5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_size", 31),
        ("image_size", 1025),
        ("fc_layers", -1),
        ("fc_units", 0),
        ("dropout", 1),
        ("dropout", -0.1),
        ("batch_size", 0),
        ("learning_rate", 0),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("learning_rate", "fast"),
        ("schedule_decay", -1),
        ("optimizer", "adam"),
        ("weight_decay", -1e-4),
        ("clipnorm", 0),
        ("gradient_accumulation_steps", 0),
        ("ema_momentum", 1),
        ("schedule", "step"),
        ("warmup_epochs", -1),
        ("monitor", "accuracy"),
        ("label_smoothing", 1),
        ("resize", "bicubic"),
        ("augmentation", "some"),
        ("sampling", "all"),
        ("backbone_learning_rate_factor", 0),
        ("lr_reduction_factor", 1),
        ("lr_reduction_patience", 0),
        ("lr_reduction_monitor", "accuracy"),
        ("epochs", 1.5),
        ("backbone", "VGG17"),
        ("loss", "f1"),
        ("pooling", "max"),
        ("validation_half", "val3"),
        ("limit_images", 0),
        ("seed", 2**32),
        ("precision", "float16"),
        ("jit_compile", "perhaps"),
        ("devices", 0),
        ("devices", 1.5),
        ("flipped_copies", "perhaps"),
        ("experiment_name", "../elsewhere"),
        ("experiment_name", ""),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name, value):
    message = message_of(**{name: value})
    assert message.startswith(f"parameter '{name}': ")
    assert f"; received {value!r}." in message


def test_all_wrong_values_are_named_at_once():
    assert [line.split(":")[0] for line in message_of(epochs=0, seed=-1).splitlines()] == [
        "parameter 'epochs'", "parameter 'seed'"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("backbone", "relative"), [("VGG16", "small_plain"), ("ResNet50", "small_residual"), ("DenseNet169", "small_dense")]
)
def test_small_relative_swaps_the_backbone(backbone, relative):
    assert Experiment(backbone=backbone, small_relative=True, weights=None).backbone == relative


def test_small_relative_off_keeps_the_backbone():
    assert Experiment(small_relative=False).backbone == Experiment(small_relative="false").backbone == "VGG16"


def test_small_backbones_have_no_imagenet_weights():
    assert message_of(small_relative=True) == (
        "small_plain has no ImageNet weights: set weights to null (random start)."
    )


def test_compilation_and_several_devices_exclude_each_other():
    assert message_of(jit_compile=True, devices=2) == (
        "XLA compiles for one device only: set jit_compile to False or devices to 1."
    )


@pytest.mark.parametrize("wrong", [{"warmup_epochs": 1}, {"schedule": "cosine", "epochs": 3, "warmup_epochs": 3}])
def test_a_warm_up_is_the_beginning_of_a_cosine(wrong):
    assert message_of(**wrong) == "warmup_epochs must be less than epochs, and needs schedule cosine."
    cosine, warm = (Experiment(schedule="cosine", warmup_epochs=epochs) for epochs in (0, 0.5))
    assert cosine.identity("data") != warm.identity("data")


@pytest.mark.parametrize("option", [{"gradient_accumulation_steps": 2}, {"clipnorm": 1.0}])
def test_several_devices_neither_accumulate_nor_clip_gradients(option):
    assert message_of(devices=2, **option) == (
        "gradients are accumulated and clipped on one device only: set devices to 1."
    )


def test_augmentation_is_not_compiled():
    assert message_of(jit_compile=True, augmentation="light") == (
        "XLA does not compile augmentation: set jit_compile to False or augmentation to none."
    )


def test_a_preset_of_keras_hub_is_a_backbone():
    experiment = Experiment(backbone="hub:dinov2_small", pooling="token")
    assert Experiment(**experiment.model_dump()) == experiment
    assert notebook_of(experiment) == "04_deeper_backbones"
    assert message_of(backbone="hub:").startswith("parameter 'backbone': ")


def test_an_experiment_is_itself_again_after_a_round_trip():
    experiment = Experiment(small_relative=True, weights=None, dropout=0.25)
    assert Experiment(**experiment.model_dump()) == experiment


@pytest.mark.parametrize(("validation_half", "test_half"), [("val1", "val2"), ("val2", "val1")])
def test_the_test_half_is_the_other_one(validation_half, test_half):
    assert Experiment(validation_half=validation_half).test_half == test_half


def test_what_is_trained_on_all_images_has_one_run_whatever_the_half():
    first, second = (Experiment(train_on="all", validation_half=half) for half in ("val1", "val2"))
    assert first.run_folder == second.run_folder and first.run_folder.name == "all"
    assert first.identity("data") == second.identity("data")
    assert Experiment(**first.model_dump()) == first


def test_the_other_conditions_above_leave_nothing_out():
    assert {*OTHER_CONDITIONS, *NOT_CONDITIONS, "warmup_epochs", "imported"} == set(Experiment.model_fields)


@pytest.mark.parametrize("name", OTHER_CONDITIONS)
def test_identity_changes_with_every_condition(name):
    reference = Experiment(weights=None)
    changed = Experiment(**{"weights": None, name: OTHER_CONDITIONS[name]})
    assert changed.identity("data") != reference.identity("data")


def test_identity_does_not_change_with_the_places_of_data_and_runs_and_what_is_written_beside_them():
    moved = Experiment(data="/elsewhere/data", quarantine="/elsewhere/q.txt", runs="/elsewhere/runs", tensorboard=True)
    assert moved.identity("data") == Experiment().identity("data")


def test_identity_does_not_change_with_what_to_do_with_an_earlier_run():
    assert Experiment(force=True).identity("data") == Experiment().identity("data")


def test_an_identity_is_that_of_versions_that_had_fewer_parameters():
    experiment = Experiment(backbone="ResNet50", experiment_name="mine")
    conditions = {name: value for name, value in experiment.conditions().items() if name not in ADDED}
    digest = hashlib.sha256(json.dumps([conditions, "data"], sort_keys=True).encode()).hexdigest()
    assert experiment.identity("data") == digest[:16]
    assert Experiment(weights=None).identity("data") == "bfaca1ecb84e0a62"
    older = {name: value for name, value in experiment.model_dump().items() if name not in ADDED}
    assert Experiment(**older) == experiment


def test_identity_changes_with_the_data():
    assert Experiment().identity("data") != Experiment().identity("other data")


def test_data_quarantine_and_runs_are_found_from_a_folder_of_the_project(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert Experiment().data_folder == tmp_path / "data" / "sample"
    assert Experiment().quarantine_file is None
    assert Experiment(quarantine="runs/q.txt").quarantine_file == tmp_path / "runs" / "q.txt"
    assert Experiment(validation_half="val2").run_folder == tmp_path / "runs" / "03_vgg16_flipped" / "val2"


@pytest.mark.parametrize(
    ("backbone", "loss", "notebook"),
    [
        ("VGG16", "bce", "03_baseline_vgg16"),
        ("VGG19", "bce", "03_baseline_vgg16"),
        ("small_plain", "bce", "03_baseline_vgg16"),
        ("small_dense", "bce", "04_deeper_backbones"),
        ("Xception", "bce", "04_deeper_backbones"),
        ("Xception", "focal", "04_deeper_backbones"),
        ("VGG19", "focal", "05_soft_f1_losses"),
        ("hub:dinov2_small", "bce", "04_deeper_backbones"),
    ],
)
def test_the_notebook_of_an_experiment_is_that_of_its_loss_or_of_its_backbone(backbone, loss, notebook):
    assert notebook_of(Experiment(backbone=backbone, loss=loss, weights=None)) == notebook
