"""Files of a run folder that are damaged: by hand, and by seeded mutations."""

import json
import os
import re
import shutil

import numpy as np
import pytest
from benchmarks.mutations import mutated

from nblib.data import validation_halves
from nblib.evaluation import concept_scores, f1_by_category, select
from nblib.experiments import Run, comparable_runs, find_runs, read_half
from nblib.experiments.experiment import Experiment
from nblib.experiments.run_files import read_arrays
from nblib.experiments.run_folders import conflicting_run, open_run

EPOCH = {"epoch": 1, "loss": 0.5, "f1": 0.1, "val_loss": 0.6, "val_f1": 0.2, "learning_rate": 1e-3, "seconds": 2.0}
SCORES = {"best_epoch": 1, "epochs": 1, "validation_f1": 0.2, "test_f1": 0.3, "test_f1_interval": [0.2, 0.4],
          "baseline_f1": 0.1, "seconds": 2.0}  # fmt: skip
MUTATIONS = 200


@pytest.fixture
def finished(run, sample_dataset):
    """A finished run of one epoch, with all files but its weights."""
    images = validation_halves(sample_dataset.images)
    for name in ("val1", "val2"):
        values = np.random.default_rng(0).random((len(images[name]), len(run.vocabulary)), np.float32)
        run.write_probabilities(name, images[name]["image_id"], values)
    run.write_history([EPOCH])
    run.write_scores(SCORES)
    half = read_half(run, sample_dataset, "val2")
    run.write_concept_scores(concept_scores(half.labels, half.probabilities, half.vocabulary))
    run.write_category_scores(f1_by_category(half.categories, half.labels, select(half.probabilities)))
    return run


def edited(change):
    """Turns a change of the content of a JSON file into a change of its text."""
    return lambda text: json.dumps(change(json.loads(text)))


def without(name):
    return edited(lambda content: {key: value for key, value in content.items() if key != name})


def with_value(name, value):
    return edited(lambda content: {**content, name: value})


DAMAGES = [
    ("experiment.json", lambda text: "", "EOF while parsing"),
    ("experiment.json", lambda text: text[: len(text) // 2], "Invalid JSON"),
    ("experiment.json", lambda text: "null", "Input should be an object"),
    ("experiment.json", lambda text: 10_000 * "[", "recursion limit"),
    ("experiment.json", lambda text: 70_000 * " ", "70,000 bytes, more than any whole one has"),
    ("experiment.json", without("provenance"), "provenance: Field required"),
    ("experiment.json", with_value("identity", 7), "identity: Input should be a valid string, received 7"),
    ("experiment.json", with_value("experiment", {"self": 1}), "unknown parameter 'self'"),
    ("experiment.json", with_value("experiment", {"dropout": 7}), "parameter 'dropout': Input should be less than 1"),
    ("experiment.json", lambda text: text.replace("0.5", "NaN"), "parameter 'dropout': Input should be"),
    ("experiment.json", lambda text: text.replace("0.5", "9" * 5000), "number out of range"),
    ("vocabulary.txt", lambda text: "", "empty"),
    ("vocabulary.txt", lambda text: text[:9] + text, "each concept once, sorted"),
    ("history.csv", lambda text: "", "epochs are not 1, 2, 3"),
    ("history.csv", lambda text: text.splitlines()[0], "epochs are not 1, 2, 3"),
    ("history.csv", lambda text: text[:-5], "line 2 has 6 columns, not 7|line 2, seconds"),
    ("history.csv", lambda text: text.replace("0.2", "high"), "line 2, val_f1: .*, received 'high'"),
    ("history.csv", lambda text: text.replace("0.5", "nan"), "line 2, loss: Input should be a finite number"),
    ("history.csv", lambda text: text.replace("0.5", "-inf"), "line 2, loss: Input should be a finite number"),
    ("history.csv", lambda text: text.replace("val_f1", "other"), "val_f1 missing"),
    ("history.csv", lambda text: text.replace("\n1,", "\n7,"), "epochs are not 1, 2, 3"),
    ("concept_scores.csv", lambda text: "", "No columns to parse"),
    ("concept_scores.csv", lambda text: text.replace("wrong", "worse"), "columns expected but not found: .'wrong'"),
    ("concept_scores.csv", lambda text: text.replace("\nC", "\nC1,many,0,0,1,1,1,1\nC", 1), "invalid literal for int"),
    ("concept_scores.csv", lambda text: text.replace("\nC", "\nC1,inf,0,0,1,1,1,1\nC", 1), "cannot safely convert"),
    ("category_scores.csv", lambda text: text.replace("images", "pictures"), "not found: .'images'"),
    ("category_scores.csv", lambda text: text + "DRXX,1,many,0,1\n", "could not convert string to float"),
    ("scores.json", lambda text: "{}", "epochs: Field required"),
    ("scores.json", without("test_f1"), "test_f1 missing"),
    ("scores.json", with_value("test_f1", "0.3"), "test_f1: Input should be a valid number, received '0.3'"),
    ("scores.json", with_value("test_f1", float("nan")), "test_f1: Input should be a finite number"),
    ("scores.json", with_value("validation_f1", float("inf")), "validation_f1: Input should be a finite number"),
    ("scores.json", with_value("baseline_f1", 1.5), "baseline_f1: Input should be less than or equal to 1"),
    ("scores.json", with_value("test_f1_interval", [0.1]), "test_f1_interval, .*Field required"),
]


@pytest.mark.parametrize(("name", "damage", "reason"), DAMAGES)
def test_a_damaged_file_is_named_in_a_sentence_with_the_reason_and_what_to_do(finished, name, damage, reason, caplog):
    path = finished.folder / name
    path.write_text(damage(path.read_text()))
    sentence = Run(finished.folder).damage
    assert sentence.startswith(f"{path} is damaged (") and sentence.endswith(".") and "\n" not in sentence
    assert re.search(reason, sentence)
    assert any(advice in sentence for advice in ("): move its folder away, or", " execute the notebook that trains"))
    root = finished.folder.parent.parent
    assert find_runs(root) == [] and [run.folder for run in find_runs(root, damaged=True)] == [finished.folder]
    assert caplog.messages == [f"A run is left out: {sentence}"]


@pytest.mark.parametrize("name", ["vocabulary.txt", "history.csv", "scores.json"])
def test_a_pipe_or_a_folder_in_place_of_a_file_is_named_and_not_waited_for(finished, name):
    (finished.folder / name).unlink()
    os.mkfifo(finished.folder / name)
    assert "is damaged (not a file)" in Run(finished.folder).damage
    (finished.folder / name).unlink()
    (finished.folder / name).mkdir()
    assert "is damaged (not a file)" in Run(finished.folder).damage


def test_files_of_a_run_trained_on_all_images_have_no_figure_of_a_half(finished):
    finished.write_history([{name: value for name, value in EPOCH.items() if not name.startswith("val_")}])
    finished.write_scores({"epochs": 1, "seconds": 2.0})
    assert finished.damage is None and finished.scores == {"epochs": 1, "seconds": 2.0}
    assert "val_f1" not in finished.history


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((1, 102), np.nan, np.float32), "not from 0 to 1"),
        (np.full((1, 102), 1.5, np.float32), "not from 0 to 1"),
        (np.zeros((1, 101), np.float32), r"expected \(1, 102\) probabilities, received \(1, 101\)"),
        (np.array([[object()]]), "Object arrays cannot be loaded"),
    ],
)
def test_probabilities_that_are_none_are_refused_and_so_are_pickled_objects(finished, values, reason):
    finished.write_probabilities("val1", np.array(["a"]), values)
    with pytest.raises(ValueError, match=rf"val1\.npz is damaged \(.*{reason}.*: execute the notebook that trains"):
        finished.probabilities("val1")


def test_damaged_probabilities_of_the_test_images_count_as_not_predicted(finished, sample_dataset):
    values = np.zeros((1, len(finished.vocabulary)), np.float32)
    finished.write_probabilities("test", np.array(["a"]), values, sample_dataset.test_fingerprint)
    assert finished.has_predicted_test(sample_dataset)
    os.truncate(finished.folder / "probabilities" / "test.npz", 100)
    assert not finished.has_predicted_test(sample_dataset)


def test_a_damaged_run_is_a_conflict_until_it_is_archived(run, experiment, sample_dataset, vocabulary):
    (run.folder / "experiment.json").write_text("{")
    assert "experiment.json is damaged" in conflicting_run(experiment, sample_dataset.fingerprint)
    with pytest.raises(ValueError, match=r"experiment\.json is damaged .*: move its folder away, or archive it with"):
        open_run(experiment, sample_dataset, vocabulary)
    forced = Experiment(**{**experiment.model_dump(), "force": True})
    assert open_run(forced, sample_dataset, vocabulary).damage is None
    (archived,) = run.folder.parent.glob("val1_archived_20*")
    assert (archived / "experiment.json").read_text() == "{"


def sentence_of(read):
    """The error of reading, which is no other than a ValueError; None without one."""
    try:
        read()
    except ValueError as error:
        return str(error)


FILES = ("experiment.json", "vocabulary.txt", "history.csv", "scores.json", "probabilities/val1.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("name", FILES)
def test_whatever_a_file_holds_all_other_runs_are_read_and_the_error_is_a_sentence(finished, sample_dataset, name):
    whole = Run(shutil.copytree(finished.folder, finished.folder.with_name("val2")))
    path, root, rng = finished.folder / name, finished.folder.parent.parent, np.random.default_rng(15)
    content, refused = path.read_bytes(), 0
    for _ in range(MUTATIONS):
        path.write_bytes(mutated(content, rng))
        runs, damaged = find_runs(root), Run(finished.folder).damage
        assert whole in runs and len(find_runs(root, damaged=True)) == 2
        assert whole in comparable_runs(runs, whole, [])
        sentences = [damaged, sentence_of(lambda: read_half(Run(finished.folder), sample_dataset, "val1"))]
        for sentence in filter(None, sentences):
            assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 1000
        refused += any(sentences)
    assert refused > MUTATIONS / 3


def test_arrays_are_read_by_name_and_a_cut_archive_is_named(tmp_path):
    np.savez(tmp_path / "state.npz", first=np.arange(3), second=np.array("text"))
    assert read_arrays(tmp_path / "state.npz")["first"].tolist() == [0, 1, 2]
    os.truncate(tmp_path / "state.npz", 50)
    with pytest.raises(ValueError, match=r"state\.npz is damaged \(File is not a zip file\)"):
        read_arrays(tmp_path / "state.npz")
    with pytest.raises(FileNotFoundError, match=r"no file .*absent\.npz"):
        read_arrays(tmp_path / "absent.npz")
