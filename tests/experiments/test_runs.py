import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from nblib.experiments.runs import Run, read_half, read_own_data
from nblib.system import write_json

EPOCH = {"epoch": 1, "loss": 1 / 3, "f1": 0.1, "val_loss": 0.2, "val_f1": 1 / 3, "learning_rate": 1e-5, "seconds": 2.5}
SCORES = {"best_epoch": 4, "epochs": 6, "validation_f1": 0.41, "test_f1": 0.4, "baseline_f1": 0.3, "seconds": 9.5}


def test_a_history_is_read_as_it_was_written(run):
    rows = [EPOCH, {**EPOCH, "epoch": 2, "val_f1": 0.1, "learning_rate": 2e-6}]
    run.write_history(rows[:1])
    run.write_history(rows)
    assert run.history.to_dict("records") == rows


def test_scores_mark_a_run_as_finished(run):
    run.write_scores(SCORES)
    assert run.finished and run.scores == SCORES


def test_probabilities_are_read_as_they_were_written(run, vocabulary):
    image_ids = np.array(["first", "the_second", "3"], dtype=object)
    probabilities = np.random.default_rng(0).random((3, len(vocabulary))).astype("float32")
    run.write_probabilities("val2", image_ids, probabilities)
    read_ids, read = run.probabilities("val2")
    assert run.has_probabilities("val2") and not run.has_probabilities("val1")
    assert read_ids.tolist() == image_ids.tolist() and read.dtype == np.float32
    np.testing.assert_array_equal(read, probabilities)


def test_probabilities_are_read_without_pickle(run):
    run.write_probabilities("test", np.array(["a"], dtype=object), np.ones((1, 2), "float32"))
    with np.load(run.folder / "probabilities" / "test.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"image_ids", "probabilities", "test_fingerprint"}
        assert arrays["image_ids"].dtype.kind == arrays["test_fingerprint"].dtype.kind == "U"


def test_absent_probabilities_are_an_error_that_says_what_to_do(run):
    with pytest.raises(FileNotFoundError, match=r"no probabilities of test in .*small/val1: .*predict_test"):
        run.probabilities("test")


def test_a_half_is_read_with_labels_and_probabilities_in_the_order_of_the_predictions(run, sample_dataset, vocabulary):
    half = sample_dataset.split("val").iloc[[5, 2, 9]]
    probabilities = np.random.default_rng(0).random((3, len(vocabulary))).astype("float32")
    run.write_probabilities("val1", half["image_id"], probabilities)
    examples = read_half(run, sample_dataset, "val1")
    assert examples.image_ids.tolist() == half["image_id"].tolist()
    assert examples.vocabulary.decode(examples.labels) == [tuple(sorted(concepts)) for concepts in half["concepts"]]
    np.testing.assert_array_equal(examples.probabilities, probabilities)
    with pytest.raises(ValueError, match="was trained on data"):
        read_half(run, replace(sample_dataset, images=sample_dataset.images.iloc[1:]), "val1")


def test_a_run_is_refused_with_other_data_than_it_was_trained_on(run, sample_dataset):
    run.require(sample_dataset)
    with pytest.raises(ValueError, match="was trained on data"):
        run.require(replace(sample_dataset, images=sample_dataset.images.iloc[1:]))


def test_a_runs_own_data_are_read_where_they_are_still_there_and_still_the_same(run, sample_dataset):
    assert read_own_data(run).fingerprint == sample_dataset.fingerprint
    facts = {**run.facts, "data_fingerprint": "0123456789abcdef"}
    write_json(run.folder / "experiment.json", facts)
    assert read_own_data(Run(run.folder)) is None
    facts["experiment"]["data"] += "/gone"
    write_json(run.folder / "experiment.json", facts)
    assert read_own_data(Run(run.folder)) is None


def test_a_run_is_kept_when_test_images_come_and_go_and_knows_which_ones_it_predicted(run, sample_dataset):
    images = sample_dataset.images
    without = replace(sample_dataset, images=images[images["split"] != "test"])
    fewer = replace(sample_dataset, images=images.drop(images[images["split"] == "test"].index[0]))
    for dataset in (without, fewer):
        run.require(dataset)
    assert not run.has_predicted_test(sample_dataset)
    probabilities = np.ones((1, len(run.vocabulary)), "float32")
    run.write_probabilities("test", np.array(["a"]), probabilities, sample_dataset.test_fingerprint)
    assert run.has_predicted_test(sample_dataset) and not run.has_predicted_test(fewer)
    run.write_probabilities("test", np.array(["a"]), probabilities)  # as older versions did
    assert not run.has_predicted_test(sample_dataset)


def test_a_run_is_locked_by_one_process_at_a_time(run):
    setup = f"from pathlib import Path; from nblib.experiments.runs import Run; run = Run(Path({str(run.folder)!r}))"
    hold = f"{setup}\nwith run.lock(): "
    with run.lock():
        second = subprocess.run([sys.executable, "-c", hold + "pass"], capture_output=True, text=True)
    assert second.returncode != 0 and "small/val1 is being trained by another process; wait for it" in second.stderr
    killed = [sys.executable, "-c", hold + "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
    assert subprocess.run(killed).returncode == -signal.SIGKILL
    with run.lock():
        pass
