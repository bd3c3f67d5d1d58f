import json
import shutil
from dataclasses import replace

import pytest

from nblib.data import read_dataset
from nblib.experiments.experiment import Experiment
from nblib.experiments.run_folders import comparable_runs, find_runs, open_finished, open_run, other_code
from nblib.experiments.runs import Run
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


def test_an_unfinished_run_is_not_opened_and_the_finished_ones_are_named(run, experiment, sample_dataset, vocabulary):
    done = finished(with_other(experiment, experiment_name="done"), sample_dataset, vocabulary)
    assert open_finished(done.folder) == done
    with pytest.raises(FileNotFoundError, match=f"finished are: {done.folder}"):
        open_finished(run.folder)
