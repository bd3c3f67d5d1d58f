"""Finished runs as members: only where their halves are those of a fold."""

from dataclasses import replace

import numpy as np
import pytest
from labelled import labelled
from scipy import sparse

from nblib.data import ConceptVocabulary
from nblib.ensembles.ensembles import EVALUATED_ON, TEST, TUNED_ON
from nblib.ensembles.runs import add_runs, finished_runs, run_as_member
from nblib.experiments import Experiment, open_run

SECOND = ConceptVocabulary(("C0000002",))


@pytest.fixture
def run(sample_dataset, tmp_path):
    """Validated on val1; it predicted two images of each half."""
    vocabulary = ConceptVocabulary(("C0000001", "C0000002", "UNUSED0001"))
    run = open_run(Experiment(runs=str(tmp_path)), sample_dataset, vocabulary)
    for name in ("val1", "val2"):
        probabilities = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], np.float32)
        run.write_probabilities(name, np.array([f"{name}_a", f"{name}_b"]), probabilities)
    return run


def parts(tuned_on, evaluated_on, test=False, vocabulary=SECOND):
    """The images of a fold, the second of each pair first."""
    names = {TUNED_ON: tuned_on, EVALUATED_ON: evaluated_on} | ({TEST: "test"} if test else {})
    labels = sparse.csr_array(np.ones((2, len(vocabulary)), np.uint8))
    return {part: labelled([f"{name}_b", f"{name}_a"], vocabulary, labels) for part, name in names.items()}


def test_a_run_as_a_member_has_the_rows_and_columns_of_the_examples(run):
    member = run_as_member(run, parts("val1", "val2"))
    assert list(member) == [TUNED_ON, EVALUATED_ON]
    assert member[TUNED_ON].probabilities == pytest.approx(np.array([[0.5], [0.2]]))
    two = ConceptVocabulary(("C0000002", "C0000009"))  # the run has no sigmoid for the second
    member = run_as_member(run, parts("val1", "val2", vocabulary=two))
    assert member[EVALUATED_ON].probabilities == pytest.approx(np.array([[0.5, 0], [0.2, 0]]))


def test_a_run_is_no_member_of_a_fold_that_evaluates_on_images_it_was_tuned_on(run):
    assert run_as_member(run, parts("val2", "val1")) is None
    assert run_as_member(run, parts("val1", "val1")) is None
    some = {part: each.take(np.array([0])) for part, each in parts("val1", "val2").items()}
    assert run_as_member(run, some) is None


def test_a_run_must_have_predicted_the_test_images(run):
    with pytest.raises(FileNotFoundError, match="no probabilities of test"):
        run_as_member(run, parts("val1", "val2", test=True))
    run.write_probabilities("test", np.array(["test_a"]), np.zeros((1, 3), np.float32))
    with pytest.raises(ValueError, match="did not predict 1 images of test"):
        run_as_member(run, parts("val1", "val2", test=True))


def test_a_run_joins_its_fold_and_one_trained_on_all_images_joins_it_for_test_only(run, sample_dataset, tmp_path):
    seen = open_run(Experiment(runs=str(tmp_path), train_on="all"), sample_dataset, run.vocabulary)
    for each, shift in ((run, 0), (seen, 0.5)):
        probabilities = np.array([[0, 0.1, 0], [0, 0.3, 0]], np.float32) + shift
        each.write_probabilities("test", np.array(["test_b", "test_a"]), probabilities)
    members = {"one": {"other": parts("val2", "val1", True)}, "two": {"other": parts("val1", "val2", True)}}
    assert [list(of_fold) for of_fold in add_runs(members, [seen]).values()] == [["other"], ["other"]]
    name, added = run.experiment.experiment_name, add_runs(members, [seen, run])
    assert [list(of_fold) for of_fold in added.values()] == [["other"], ["other", name]]
    assert added["two"][name][TEST].probabilities == pytest.approx(np.array([[0.35], [0.55]]))
    assert added["two"][name][EVALUATED_ON].probabilities == pytest.approx(np.array([[0.5], [0.2]]))


def test_finished_runs_on_these_data_are_found(run, sample_dataset):
    assert finished_runs(run.folder.parent.parent, sample_dataset) == []
    run.write_scores({"epochs": 1, "seconds": 9.5})
    assert [found.folder for found in finished_runs(run.folder.parent.parent, sample_dataset)] == [run.folder]
    other = replace(sample_dataset, images=sample_dataset.images.head(3))
    assert finished_runs(run.folder.parent.parent, other) == []
