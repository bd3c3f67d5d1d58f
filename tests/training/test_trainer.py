import inspect
import shutil

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from benchmarks.killing import EVERYTHING, train_anew, train_in_part
from sklearn.metrics import f1_score
from sklearn.preprocessing import MultiLabelBinarizer
from tensorflow.python.framework.config import disable_op_determinism

from nblib.data import METHODS, decode_image, read_dataset, write_split
from nblib.evaluation import RULES, f1_by_threshold, sample_f1
from nblib.experiments import Experiment, Run, open_run, paper_experiment, read_half, table_3
from nblib.training.losses import LOSSES
from nblib.training.metrics import THRESHOLDS
from nblib.training.models import build_network, with_preprocessing
from nblib.training.optimizers import NadamWithDecay
from nblib.training.trainer import compile_model, fit, predict_test
from nblib.training.training_data import load_training_data, prepare, shared_pixels

EPOCHS = 12
KILLED_AFTER = 5


def small(sample, runs, **conditions):
    """An experiment that trains in seconds and uses everything that a killed run must restore."""
    defaults = dict(
        experiment_name="small",
        backbone="small_plain",
        weights=None,
        image_size=32,
        flipped_copies=True,
        fc_units=32,
        dropout=0.25,
        loss="f1_times_bce",
        batch_size=8,
        learning_rate=2e-3,
        lr_reduction_factor=0.8,
        lr_reduction_patience=1,
        epochs=EPOCHS,
        limit_images=40,
        data=str(sample),
        runs=str(runs),
    )
    return Experiment(**{**defaults, **conditions})


@pytest.fixture(scope="module")
def run(sample, tmp_path_factory):
    """A run without kills."""
    return train_anew(small(sample, tmp_path_factory.mktemp("whole")))


def measured(run):
    return run.history.drop(columns="seconds")


def scored(run):
    return {name: value for name, value in run.scores.items() if name != "seconds"}


def best_model(run):
    model = with_preprocessing(build_network(run.experiment, len(run.vocabulary)), run.experiment.backbone)
    model.load_weights(run.folder / "best.weights.h5")
    return model


def assert_same_numbers(run, other):
    pd.testing.assert_frame_equal(measured(run), measured(other), check_exact=True)
    assert scored(run) == scored(other)
    for half in ("val1", "val2"):
        for ours, theirs in zip(run.probabilities(half), other.probabilities(half), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_finished_run_has_all_its_files_and_no_other(run):
    files = {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file()}
    results = {
        "probabilities/val1.npz",
        "probabilities/val2.npz",
        "scores.json",
        "concept_scores.csv",
        "category_scores.csv",
    }
    results |= {f"rules/{name}.json" for name in RULES if name != "threshold"}
    assert files == {"experiment.json", "vocabulary.txt", "concepts.csv", "history.csv", "best.weights.h5", *results}


def test_history_has_one_row_per_epoch_and_the_loss_falls(run):
    history = run.history
    measured = ["loss", "f1", "accuracy", "val_loss", "val_f1", "val_accuracy"]
    columns = ["epoch", *measured, "learning_rate", "seconds"]
    assert list(history) == columns and history["epoch"].tolist() == list(range(1, EPOCHS + 1))
    assert history["loss"].iloc[-1] < history["loss"].iloc[0] / 2


@pytest.mark.parametrize(("half", "score"), [("val1", "validation_f1"), ("val2", "test_f1")])
def test_scores_are_those_of_scikit_learn_on_the_saved_probabilities(run, half, score, sample):
    image_ids, probabilities = run.probabilities(half)
    concepts = load_training_data(run.experiment).dataset.images.set_index("image_id")["concepts"]
    labels = MultiLabelBinarizer(classes=run.vocabulary.concepts).fit_transform(concepts[image_ids])
    expected = f1_score(labels, probabilities > 0.5, average="samples", zero_division=0)
    assert run.scores[score] == pytest.approx(expected)
    assert 0 < expected < 1
    if score == "test_f1":
        low, high = run.scores["test_f1_interval"]
        assert low < expected < high < low + 0.5


def test_the_best_epoch_is_the_one_with_the_best_f1_and_is_not_the_last(run):
    history = run.history.set_index("epoch")["val_f1"]
    assert 1 < run.scores["best_epoch"] == history.idxmax() < run.scores["epochs"] == len(history)
    assert run.scores["validation_f1"] == pytest.approx(history.max(), abs=1e-6)


def test_accuracy_is_the_share_of_right_sigmoids(run):
    labels = load_training_data(run.experiment).val1.labels
    best = run.history.set_index("epoch").loc[run.scores["best_epoch"]]
    right = (run.probabilities("val1")[1] > 0.5) == labels.toarray()
    assert best["val_accuracy"] == pytest.approx(right.mean(), abs=1e-6)


@pytest.mark.parametrize("half", ["val1", "val2"])
def test_the_saved_probabilities_are_those_of_the_best_weights(run, half):
    examples = load_training_data(run.experiment).half(half)
    image_ids, probabilities = run.probabilities(half)
    assert image_ids.tolist() == examples.image_ids.tolist()
    np.testing.assert_allclose(probabilities, best_model(run)(examples.pixels[:]), rtol=0, atol=1e-5)


def test_a_run_on_val2_is_validated_on_val2_while_training_and_tested_on_val1(sample, tmp_path):
    swapped = train_anew(small(sample, tmp_path, validation_half="val2", limit_images=None, epochs=4))
    data = load_training_data(swapped.experiment)
    val1, val2 = (sample_f1(data.half(half).labels, swapped.probabilities(half)[1] > 0.5) for half in ("val1", "val2"))
    assert abs(val1 - val2) > 1e-3
    assert (swapped.scores["test_f1"], swapped.scores["validation_f1"]) == (pytest.approx(val1), pytest.approx(val2))
    assert swapped.history["val_f1"].max() == pytest.approx(val2, abs=1e-6)


@pytest.mark.parametrize(("flipped_copies", "steps"), [(False, 3), (True, 5)])
def test_an_epoch_of_10_images_in_batches_of_4_takes_3_steps_or_5_with_flipped_copies(
    flipped_copies, steps, sample, tmp_path
):
    experiment = small(sample, tmp_path, flipped_copies=flipped_copies, batch_size=4, limit_images=10, epochs=1)
    data = load_training_data(experiment)
    model = with_preprocessing(build_network(experiment, len(data.vocabulary)), experiment.backbone)
    open_run(experiment, data.dataset, data.vocabulary)
    fit(compile_model(model, experiment), experiment, data, model, show=None)
    assert int(model.optimizer.iterations) == steps


@pytest.mark.parametrize("name", table_3().index)
def test_a_model_is_compiled_with_the_loss_of_table_3_and_the_optimiser_of_section_4(name):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="sigmoid")])
    compile_model(model, paper_experiment(name))
    assert inspect.unwrap(model.loss) is LOSSES[table_3().loc[name, "loss"]]
    assert type(model.optimizer) is NadamWithDecay and model.optimizer.schedule_decay == 0.9
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-5)


def test_the_same_seed_gives_the_same_bits(run, sample, tmp_path):
    assert_same_numbers(run, train_anew(small(sample, tmp_path)))


def test_a_killed_run_resumes_and_ends_as_if_it_had_not_been_killed(run, sample, tmp_path):
    experiment = small(sample, tmp_path)
    train_in_part(experiment, KILLED_AFTER)
    killed = pd.read_csv(experiment.run_folder / "history.csv")
    assert len(killed) == KILLED_AFTER and not (experiment.run_folder / "scores.json").exists()

    finished = train_anew(experiment)
    assert_same_numbers(finished, run)
    assert finished.history["seconds"].iloc[: len(killed)].tolist() == killed["seconds"].tolist()
    assert not (finished.folder / "state.npz").exists()
    rates = run.history["learning_rate"]
    assert rates.iloc[0] > rates.iloc[len(killed) - 1] > rates.iloc[-1]  # cut before and after the kill


def test_a_finished_run_is_returned_untouched(run):
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    assert train_anew(run.experiment) == run
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before


def test_training_stops_early_and_a_run_killed_before_its_scores_trains_no_further(sample, tmp_path):
    """At a rate this low nothing changes: the first epoch stays the best, and training stops after two more."""
    experiment = small(sample, tmp_path, learning_rate=1e-12, early_stopping_patience=2, lr_reduction_factor=None)
    data = load_training_data(experiment)
    unscored = open_run(experiment, data.dataset, data.vocabulary)
    network = build_network(experiment, len(data.vocabulary))
    model = with_preprocessing(network, experiment.backbone)
    fit(compile_model(model, experiment), experiment, data, model, show=None)
    assert unscored.history["val_f1"].gt(0).all() and unscored.history["epoch"].tolist() == [1, 2, 3]
    assert (unscored.folder / "state.npz").exists() and not unscored.finished

    finished = train_anew(experiment)
    pd.testing.assert_frame_equal(finished.history, unscored.history, check_exact=True)
    assert (finished.scores["best_epoch"], finished.scores["epochs"]) == (1, 3)


def trained_epoch(sample, runs, **conditions):
    """All weights after an epoch of 80 examples in which nothing is random but the order."""
    run = train_anew(small(sample, runs, loss="bce", dropout=0, epochs=1, **conditions))
    return np.concatenate([weights.ravel() for weights in best_model(run).get_weights()])


@pytest.mark.parametrize("optimizer", ["nadam", "sgd"])
def test_two_accumulated_batches_of_8_are_one_of_16(optimizer, sample, tmp_path):
    of_16 = trained_epoch(sample, tmp_path / "16", optimizer=optimizer, batch_size=16)
    two_of_8 = trained_epoch(sample, tmp_path / "8", optimizer=optimizer, batch_size=8, gradient_accumulation_steps=2)
    np.testing.assert_allclose(two_of_8, of_16, rtol=0, atol=2e-5)
    assert np.abs(trained_epoch(sample, tmp_path / "1", optimizer=optimizer, batch_size=8) - of_16).max() > 1e-4


def test_the_averaged_weights_are_evaluated_and_saved_and_survive_a_kill(run, sample, tmp_path):
    conditions = dict(use_ema=True, ema_momentum=0.5, gradient_accumulation_steps=2, clipnorm=1.0, epochs=6)
    whole = train_anew(small(sample, tmp_path / "whole", **conditions))
    assert whole.scores["validation_f1"] == pytest.approx(whole.history["val_f1"].max(), abs=1e-6)

    killed = small(sample, tmp_path / "killed", **conditions)
    train_in_part(killed, 2)
    assert_same_numbers(train_anew(killed), whole)


def test_a_run_with_every_option_that_the_paper_does_not_have_resumes_to_the_same_bits(sample, tmp_path):
    whole = train_anew(small(sample, tmp_path / "whole", epochs=3, **EVERYTHING))
    killed = small(sample, tmp_path / "killed", epochs=3, **EVERYTHING)
    train_in_part(killed, 1)
    assert_same_numbers(train_anew(killed), whole)
    assert whole.history["loss"].is_monotonic_decreasing


@pytest.mark.parametrize("monitor", ["tuned_f1", "loss"])
def test_a_run_by_a_cosine_and_another_monitor_resumes_with_the_rate_and_the_best_epoch(monitor, sample, tmp_path):
    conditions = dict(monitor=monitor, schedule="cosine", warmup_epochs=2, epochs=5, label_smoothing=0.1, loss="bce")
    whole = train_anew(small(sample, tmp_path / "whole", **conditions))
    history, best = whole.history.set_index("epoch"), whole.scores["best_epoch"]
    rates = [0, 1e-3, 2e-3, 2e-3 * 0.75, 2e-3 * 0.25]  # half-way and all the way up; a third and two thirds down
    assert history["learning_rate"].tolist() == pytest.approx(rates)
    assert best == (history["val_loss"].idxmin() if monitor == "loss" else history["val_tuned_f1"].idxmax())
    if monitor == "tuned_f1":
        examples = load_training_data(whole.experiment).val1
        scores = f1_by_threshold(examples.labels, whole.probabilities("val1")[1], np.float32(THRESHOLDS))
        assert history["val_tuned_f1"][best] == pytest.approx(scores.max(), rel=1e-5)

    killed = small(sample, tmp_path / "killed", **conditions)
    train_in_part(killed, 3)
    assert_same_numbers(train_anew(killed), whole)


@pytest.mark.parametrize(("precision", "near"), [("mixed_float16", 0.02), ("mixed_bfloat16", 0.1)])
def test_a_run_in_mixed_precision_resumes_to_the_same_bits_and_is_near_the_one_in_float32(
    run, sample, tmp_path, precision, near
):
    whole = train_anew(small(sample, tmp_path / "whole", precision=precision))
    experiment = small(sample, tmp_path / "parts", precision=precision)
    train_in_part(experiment, KILLED_AFTER)
    assert_same_numbers(train_anew(experiment), whole)

    ours, exact = measured(whole), measured(run)
    assert ours["learning_rate"].iloc[0] == exact["learning_rate"].iloc[0] > ours["learning_rate"].iloc[-1]
    np.testing.assert_allclose(ours["loss"].iloc[:3], exact["loss"].iloc[:3], rtol=near)
    assert not ours["loss"].equals(exact["loss"])
    predict_test(whole)
    assert whole.probabilities("test")[1].dtype == np.float32


@pytest.fixture
def operations_not_deterministic():
    """As in a process in which nothing was trained yet."""
    disable_op_determinism()
    yield
    tf.config.experimental.enable_op_determinism()


@pytest.mark.filterwarnings("ignore:Model doesn't support `jit_compile=True`")
def test_a_compiled_run_resumes_to_the_same_bits_and_after_one_that_is_not_compiled_it_is_refused(
    sample, tmp_path, operations_not_deterministic
):
    whole, killed, exact, refused = (
        small(sample, tmp_path / name, jit_compile=compiled, dropout=0, epochs=2, limit_images=16, fc_layers=0)
        for name, compiled in (("whole", True), ("killed", True), ("exact", False), ("refused", True))
    )
    train_in_part(killed, 1)
    assert_same_numbers(train_anew(whole), train_anew(killed))
    np.testing.assert_allclose(train_anew(exact).history["loss"], Run(whole.run_folder).history["loss"], rtol=1e-3)
    with pytest.raises(ValueError, match="jit_compile needs a process in which nothing was trained without"):
        train_anew(refused)


@pytest.mark.parametrize(("precision", "scaled"), [("mixed_float16", True), ("mixed_bfloat16", False)])
def test_the_loss_is_scaled_in_half_precision(precision, scaled):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="sigmoid")])
    compile_model(model, Experiment(precision=precision))
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == scaled


def test_tensorboard_gets_the_history_and_a_run_that_resumes_adds_to_it(sample, tmp_path):
    experiment = small(sample, tmp_path, tensorboard=True, epochs=3)
    data = load_training_data(experiment)
    open_run(experiment, data.dataset, data.vocabulary)
    model = with_preprocessing(build_network(experiment, len(data.vocabulary)), experiment.backbone)
    fit(compile_model(model, experiment), experiment.model_copy(update={"epochs": 2}), data, model, show=None)
    finished = train_anew(experiment)
    columns = {
        ("train", "loss"): "loss",
        ("train", "f1"): "f1",
        ("train", "learning_rate"): "learning_rate",
        ("validation", "loss"): "val_loss",
        ("validation", "f1"): "val_f1",
    }
    written = {}
    for path in sorted(finished.folder.glob("tensorboard/*/events.*"), key=lambda path: path.stat().st_mtime_ns):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                curve = columns.pop((path.parent.name, value.tag), None) or written[path.parent.name, value.tag][0]
                points = written.setdefault((path.parent.name, value.tag), (curve, []))[1]
                points.append((event.step, float(tf.make_ndarray(value.tensor))))
    assert columns == {}
    for column, points in written.values():
        assert [step for step, _ in points] == [1, 2, 3]
        assert [value for _, value in points] == pytest.approx(finished.history[column].tolist(), rel=1e-6)


def test_padding_gives_that_many_sigmoids(sample, tmp_path):
    padded = train_anew(small(sample, tmp_path, sigmoids=300, epochs=1, limit_images=10))
    assert padded.probabilities("val1")[1].shape == (10, 300)
    assert len(padded.vocabulary) == 300 and padded.vocabulary.concepts[-1].startswith("UNUSED")


@pytest.fixture(scope="module")
def trained_on_all(sample, tmp_path_factory):
    """A run that early stopping and the plateau would have cut short, if it had any."""
    conditions = dict(train_on="all", early_stopping_patience=1, learning_rate=1e-6, epochs=4)
    return train_anew(small(sample, tmp_path_factory.mktemp("all"), **conditions))


def test_a_run_trained_on_all_images_has_its_epochs_at_one_rate_and_claims_no_figure(trained_on_all):
    run = trained_on_all
    assert run.folder.name == "all" and run.finished and run.scores.keys() == {"epochs", "seconds"}
    assert list(run.history) == ["epoch", "loss", "f1", "accuracy", "learning_rate", "seconds"]
    assert len(run.history) == 4 and run.history["learning_rate"].tolist() == [pytest.approx(1e-6)] * 4
    files = {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file()}
    assert files == {
        "experiment.json",
        "vocabulary.txt",
        "concepts.csv",
        "history.csv",
        "best.weights.h5",
        "scores.json",
    }


def test_all_images_are_those_of_train_and_of_both_halves(trained_on_all):
    data = load_training_data(trained_on_all.experiment)
    parts = load_training_data(trained_on_all.experiment.model_copy(update={"train_on": "train"}))
    expected = [image_id for part in (parts.train, parts.val1, parts.val2) for image_id in part.image_ids]
    assert data.train.image_ids.tolist() == expected
    last = parts.val2
    np.testing.assert_array_equal(data.train.pixels[-len(last) :], last.pixels[:])
    assert (data.train.labels[-len(last) :] != last.labels).nnz == 0
    assert data.summary(trained_on_all.experiment).startswith(
        f"synthetic phantoms: {len(expected)} images to train on, none"
    )


def test_a_run_trained_on_all_images_predicts_the_test_images_with_its_last_weights(trained_on_all):
    predict_test(trained_on_all)
    dataset = load_training_data(trained_on_all.experiment).dataset
    predicted = read_half(trained_on_all, dataset, "test")
    pixels = np.stack([decode_image(path, 32) for path in predicted.images["path"]])
    np.testing.assert_allclose(predicted.probabilities, best_model(trained_on_all)(pixels), rtol=0, atol=1e-5)


def test_the_head_of_a_frozen_backbone_is_trained_on_the_features_of_all_images(sample, tmp_path):
    run = train_anew(small(sample, tmp_path, train_on="all", trainable_from="head", epochs=2, limit_images=10))
    assert run.finished and len(run.history) == 2


def test_concepts_left_out_have_no_sigmoid_and_are_misses_in_every_score(run, sample, tmp_path):
    cut = train_anew(small(sample, tmp_path, min_images=15, top_concepts=8, epochs=6, limit_images=None))
    dataset = load_training_data(cut.experiment).dataset
    counts = dataset.split("train")["concepts"].explode().value_counts()
    assert len(cut.vocabulary) == 8 and counts[list(cut.vocabulary.concepts)].min() >= 15 and len(counts) > 20

    image_ids, probabilities = cut.probabilities("val2")
    truth = dataset.images.set_index("image_id")["concepts"][image_ids].tolist()
    f1 = []
    for concepts, row in zip(truth, probabilities, strict=True):
        found = {concept for concept, value in zip(cut.vocabulary.concepts, row, strict=True) if value > 0.5}
        f1.append(2 * len(found & set(concepts)) / (len(found) + len(concepts)))
    assert cut.scores["test_f1"] == pytest.approx(np.mean(f1)) and 0.1 < np.mean(f1) < 1
    assert cut.history["val_f1"].max() == pytest.approx(cut.scores["validation_f1"], abs=1e-6)

    half = read_half(cut, dataset, "val2")
    assert len(half.vocabulary) == len(counts) or set(counts.index) < set(half.vocabulary.concepts)
    assert half.probabilities.shape == half.labels.shape and half.labels.sum() == sum(map(len, truth))
    predict_test(cut)
    assert read_half(cut, dataset, "test").vocabulary == half.vocabulary


def test_a_run_whose_file_of_concepts_has_changed_is_refused(sample, tmp_path):
    path = tmp_path / "concepts.txt"
    path.write_text("C0040405\nC0041618\n", encoding="utf-8")
    experiment = small(sample, tmp_path, concepts=str(path), epochs=1, limit_images=5)
    assert len(train_anew(experiment).vocabulary) == 2
    path.write_text("C0040405\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has 2 concepts, and not the 1 that are chosen now: restore the file"):
        train_anew(experiment)
    path.write_text("C9999999\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"no concept of .* is left in the label space; loosen min_images"):
        train_anew(experiment)


def test_test_images_keep_their_order_and_are_predicted_with_the_best_weights(run, tmp_path):
    run = Run(shutil.copytree(run.folder, tmp_path / "copy"))
    predict_test(run)
    image_ids, probabilities = run.probabilities("test")
    images = load_training_data(run.experiment).dataset.split("test")
    assert image_ids.tolist() == images["image_id"].tolist() and len(images) == 12
    assert run.has_predicted_test(load_training_data(run.experiment).dataset)

    expected = best_model(run)(np.stack([decode_image(path, 32) for path in images["path"]]))
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-5)
    neighbours = np.abs(np.diff(probabilities, axis=0)).max(axis=1)
    assert neighbours.min() > 1e-3  # else a change of order would not show


def test_test_images_may_come_after_training_and_be_replaced_and_a_changed_label_is_refused(sample, tmp_path):
    folder = shutil.copytree(sample, tmp_path / "data", ignore=shutil.ignore_patterns("test", "withheld"))
    experiment = small(folder, tmp_path, epochs=1, limit_images=10)
    trained = train_anew(experiment)
    shutil.copytree(sample / "test", folder / "test")
    predict_test(trained)
    first, other = sorted((folder / "test").iterdir())[:2]
    assert first.stem in trained.probabilities("test")[0] and trained.has_predicted_test(read_dataset(folder))

    shutil.copy(other, first)
    assert not trained.has_predicted_test(read_dataset(folder))
    before = trained.probabilities("test")[1][0]
    predict_test(trained)
    assert trained.has_predicted_test(read_dataset(folder))
    assert np.abs(trained.probabilities("test")[1][0] - before).max() > 0

    labels = next(folder.rglob("DRCT_CLEF_Train.csv"))
    labels.write_text(labels.read_text(encoding="utf-8").replace(",C", ",C0000000,C", 1), encoding="utf-8")
    for act in (predict_test, lambda run: train_anew(experiment)):
        with pytest.raises(ValueError, match=r"was trained on data|holds another run: data"):
            act(trained)


def test_without_test_images_there_is_nothing_to_predict(sample, tmp_path):
    folder = shutil.copytree(sample, tmp_path / "data", ignore=shutil.ignore_patterns("test"))
    experiment = small(folder, tmp_path)
    data = load_training_data(experiment)
    with pytest.raises(ValueError, match="has no test images"):
        predict_test(open_run(experiment, data.dataset, data.vocabulary))


def test_what_is_in_quarantine_is_not_trained_on(sample, sample_dataset, tmp_path):
    train, val = (sample_dataset.split(split)["image_id"][0] for split in ("train", "val"))
    (tmp_path / "quarantine.txt").write_text(f"{train}\ttoo dark\n{val}\n")
    conditions = {"limit_images": None, "quarantine": str(tmp_path / "quarantine.txt")}
    data = load_training_data(small(sample, tmp_path / "runs", **conditions))
    assert (len(data.train), len(data.val1) + len(data.val2)) == (83, 23)
    assert train not in data.train.image_ids
    assert val not in {*data.val1.image_ids, *data.val2.image_ids}
    assert data.dataset.fingerprint != sample_dataset.fingerprint


# ---- splits from files


@pytest.fixture(scope="module")
def splits(sample, tmp_path_factory):
    """Three files of a split of the sample into folds."""
    dataset = read_dataset(sample)
    images = dataset.split("train", "val")
    made = METHODS["kfold"](dataset, np.arange(len(images)) // 2, 3, 0)
    folder = tmp_path_factory.mktemp("splits")
    return {folder / f"{number}.csv": write_split(folder / f"{number}.csv", parts) and parts
            for number, parts in enumerate(made)}  # fmt: skip


def on_split(sample, runs, path, **conditions):
    return small(sample, runs, **{"split": str(path), "limit_images": None, "epochs": 3, **conditions})


def test_splits_of_a_file_share_pixels_that_are_those_of_their_images(splits, sample, tmp_path):
    experiments = [on_split(sample, tmp_path, path) for path in splits]
    prepare(experiments)
    assert len(list((tmp_path / "pixels").glob("*px/grey"))) == 1
    for experiment, parts in zip(experiments, splits.values(), strict=True):
        data = load_training_data(experiment)
        assert {image_id for image_id, part in parts.items() if part == "val2"} == set(data.val2.image_ids)
        for row in (0, len(data.val2) - 1):
            assert np.array_equal(data.val2.pixels[row], decode_image(data.val2.images["path"].iloc[row], 32))
    assert len(set(map(shared_pixels, experiments))) == 1


def test_a_run_on_a_split_file_resumes_to_the_same_bits_and_refuses_another_file(splits, sample, tmp_path):
    first, second, _ = splits
    whole = train_anew(on_split(sample, tmp_path / "whole", first))
    killed = on_split(sample, tmp_path / "killed", first)
    train_in_part(killed, 1)
    with pytest.raises(ValueError, match=r"another run: data .* there, .* here, split .*0.csv there, .*1.csv here"):
        train_anew(on_split(sample, tmp_path / "killed", second))
    resumed = train_anew(killed)
    assert measured(resumed).equals(measured(whole)) and scored(resumed) == scored(whole)
    test = read_half(resumed, killed.read_data(), "val2")
    assert set(test.image_ids) == {image_id for image_id, part in splits[first].items() if part == "val2"}
    assert resumed.facts["split_fingerprint"] == killed.read_data().split_fingerprint
    with pytest.raises(ValueError, match="was trained on data"):
        resumed.require(read_dataset(sample))
