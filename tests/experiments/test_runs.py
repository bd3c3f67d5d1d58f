import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from nblib.data import read_dataset
from nblib.experiments.experiment import Experiment
from nblib.experiments.runs import Run, comparable_runs, find_runs, open_finished, open_run, other_code, read_half
from nblib.system import write_json

EPOCH = {"epoch": 1, "loss": 1 / 3, "f1": 0.1, "val_loss": 0.2, "val_f1": 1 / 3, "learning_rate": 1e-5, "seconds": 2.5}
SCORES = {"best_epoch": 4, "epochs": 6, "validation_f1": 0.41, "test_f1": 0.4, "baseline_f1": 0.3, "seconds": 9.5}


def with_other(experiment, **conditions):
    return Experiment(**{**experiment.model_dump(), **conditions})


def test_a_new_run_records_its_parameters_data_and_provenance(run, experiment, sample_dataset, vocabulary, tmp_path):
    assert run.folder == tmp_path / "runs" / "small" / "val1"
    read = Run(run.folder)
    assert (read.experiment, read.vocabulary) == (experiment, vocabulary)
    assert (read.facts["data"], read.facts["data_fingerprint"]) == (sample_dataset.title, sample_dataset.fingerprint)
    assert {"started", "python", "tensorflow", "keras", "numpy", "commit", "machine"} <= set(read.facts["provenance"])
    assert not read.finished and not read.has_probabilities("val1")


def test_a_run_opened_again_is_left_as_it_is(run, experiment, sample_dataset, vocabulary):
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    again = open_run(experiment, sample_dataset, vocabulary)
    assert again == run
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before


def test_a_run_whose_data_were_moved_is_the_same_run(run, experiment, sample_dataset, vocabulary, tmp_path):
    shutil.copytree(sample_dataset.folder, tmp_path / "elsewhere")
    moved = read_dataset(tmp_path / "elsewhere")
    assert open_run(with_other(experiment, data=str(tmp_path / "elsewhere")), moved, vocabulary) == run


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"dropout": 0.25}, r"dropout 0\.5 there, 0\.25 here\. "),
        ({"seed": 1, "loss": "f1_times_bce"}, r"loss 'bce' there, 'f1_times_bce' here; seed 2020 there, 1 here\. "),
        ({"limit_images": 5}, r"limit_images None there, 5 here\. "),
    ],
)
def test_changed_parameters_are_refused_and_named(changed, sentence, run, experiment, sample_dataset, vocabulary):
    with pytest.raises(ValueError, match=rf"small/val1 holds another run: {sentence}Give this one another"):
        open_run(with_other(experiment, **changed), sample_dataset, vocabulary)


def test_a_run_with_another_identity_and_the_same_parameters_is_refused(run, experiment, sample_dataset, vocabulary):
    write_json(run.folder / "experiment.json", {**run.facts, "identity": 16 * "0"})
    with pytest.raises(ValueError, match=r"holds another run: it is of another version of nblib\. Give this one"):
        open_run(experiment, sample_dataset, vocabulary)


def test_a_run_with_other_parameters_is_archived_whole_when_forced(run, experiment, sample_dataset, vocabulary):
    run.write_scores(SCORES)
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    forced = open_run(with_other(experiment, dropout=0.25, force=True), sample_dataset, vocabulary)
    assert forced.folder == run.folder and not forced.finished and forced.experiment.dropout == 0.25
    (archived,) = run.folder.parent.glob("val1_archived_20*")
    assert {path.name: path.read_bytes() for path in archived.iterdir()} == before
    assert find_runs(run.folder.parent.parent) == [forced]


def test_when_forced_a_finished_run_is_archived_and_a_started_one_resumed(run, experiment, sample_dataset, vocabulary):
    forced = with_other(experiment, force=True)
    run.write_history([EPOCH])
    assert len(open_run(forced, sample_dataset, vocabulary).history) == 1
    run.write_scores(SCORES)
    assert not open_run(forced, sample_dataset, vocabulary).finished
    (archived,) = run.folder.parent.glob("val1_archived_20*")
    assert Run(archived).finished and len(Run(archived).history) == 1


def test_a_run_that_is_being_trained_is_not_archived(run, experiment, sample_dataset, vocabulary):
    with run.lock(), pytest.raises(RuntimeError, match="is being trained by another process"):
        open_run(with_other(experiment, seed=1, force=True), sample_dataset, vocabulary)
    assert open_run(experiment, sample_dataset, vocabulary) == run


@pytest.mark.parametrize(("name", "value"), [("nblib", "0.0.9"), ("commit", "1234567")])
def test_a_run_made_with_other_code_says_so(run, name, value):
    assert other_code(run) is None
    facts = {**run.facts, "provenance": {**run.facts["provenance"], name: value}}
    write_json(run.folder / "experiment.json", facts)
    warning = other_code(Run(run.folder))
    assert value in warning and warning.endswith("; force=True trains it again.")


def test_changed_data_are_refused_and_named(run, experiment, sample_dataset, vocabulary, tmp_path):
    shutil.copytree(sample_dataset.folder, tmp_path / "changed")
    labels = next((tmp_path / "changed").rglob("DRCT_CLEF_Train.csv"))
    first, rest = labels.read_text(encoding="utf-8").split("\n", maxsplit=1)
    labels.write_text(f"{first.rpartition(',')[0]}\n{rest}", encoding="utf-8")
    changed = read_dataset(tmp_path / "changed")
    sentence = rf"holds another run: data {sample_dataset.fingerprint} there, {changed.fingerprint} here\. "
    with pytest.raises(ValueError, match=sentence):
        open_run(experiment, changed, vocabulary)


def test_the_halves_of_an_experiment_are_two_runs(run, experiment, sample_dataset, vocabulary, tmp_path):
    other = open_run(with_other(experiment, validation_half="val2"), sample_dataset, vocabulary)
    assert find_runs(tmp_path / "runs") == [run, other]
    assert [found.experiment.validation_half for found in find_runs(tmp_path)] == ["val1", "val2"]


def test_a_folder_without_runs_has_none(tmp_path):
    assert find_runs(tmp_path) == find_runs(tmp_path / "absent") == []


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


def test_experiment_json_is_plain_json(run):
    facts = json.loads((run.folder / "experiment.json").read_text(encoding="utf-8"))
    assert facts["experiment"]["backbone"] == "small_plain" and len(facts["identity"]) == 16


def finished(experiment, dataset, vocabulary):
    run = open_run(experiment, dataset, vocabulary)
    run.write_scores(SCORES)
    return run


def test_comparable_are_finished_runs_on_the_same_data_that_vary_in_nothing_else(
    experiment, sample_dataset, vocabulary, tmp_path
):
    run = finished(experiment, sample_dataset, vocabulary)
    other_loss = finished(with_other(experiment, experiment_name="l", loss="f1_plus_bce"), sample_dataset, vocabulary)
    finished(with_other(experiment, experiment_name="d", dropout=0.1), sample_dataset, vocabulary)
    open_run(with_other(experiment, experiment_name="unfinished"), sample_dataset, vocabulary)
    other_data = replace(sample_dataset, images=sample_dataset.images.iloc[1:])
    finished(with_other(experiment, experiment_name="other_data"), other_data, vocabulary)
    assert comparable_runs(find_runs(tmp_path), run, varying=["loss"]) == [other_loss, run]


def test_a_run_is_refused_with_other_data_than_it_was_trained_on(run, sample_dataset):
    run.require(sample_dataset)
    with pytest.raises(ValueError, match="was trained on data"):
        run.require(replace(sample_dataset, images=sample_dataset.images.iloc[1:]))


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


def test_an_unfinished_run_is_not_opened_and_the_finished_ones_are_named(run, experiment, sample_dataset, vocabulary):
    done = finished(with_other(experiment, experiment_name="done"), sample_dataset, vocabulary)
    assert open_finished(done.folder) == done
    with pytest.raises(FileNotFoundError, match=f"finished are: {done.folder}"):
        open_finished(run.folder)


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
