"""Two members, tuned on either half: what was tuned on val1 is tested on val2, and nothing else is."""

import numpy as np
import pytest
from scipy import sparse

from nblib.concepts import ConceptVocabulary
from nblib.deciding import TunedThreshold
from nblib.experiment import Experiment
from nblib.ideas import decide, decide_test, in_one_table, measure_ideas, probabilities_of
from nblib.metrics import f1_by_image, sample_f1
from nblib.runs import open_run

IMAGES = {"val1": 40, "val2": 41, "test": 30}
IDEAS = {"as it is": ("sure", "threshold"), "tuned": ("unsure", "tuned_threshold"), "chance": ("chance", "threshold")}


@pytest.fixture(scope="module")
def labels():
    rng = np.random.default_rng(0)
    return {name: sparse.csr_array((rng.random((n, 12)) < 0.3).astype(np.uint8)) for name, n in IMAGES.items()}


@pytest.fixture(scope="module")
def members(labels):
    """`sure` knows the truth; `unsure` too, but is never above 0.4, or 0.2 where it was tuned on val2."""
    rng = np.random.default_rng(1)
    sure = {name: labels[name].toarray() * 0.9 for name in IMAGES}
    unsure = {name: each * 0.4 for name, each in sure.items()}
    chance = {name: rng.random((n, 12)) for name, n in IMAGES.items()}
    halved = {name: each / 2 for name, each in unsure.items()}
    return {
        "val1": {"sure": sure, "unsure": unsure, "chance": chance},
        "val2": {"sure": sure, "unsure": halved},
    }


def test_an_idea_is_tuned_on_one_half_and_answers_on_the_other(members, labels):
    kept = decide(members, labels, "val1", ("unsure", "tuned_threshold"))
    assert kept.shape[0] == IMAGES["val2"]
    assert sample_f1(labels["val2"], kept) == 1


def test_ideas_are_measured_both_ways_where_their_member_is_there(members, labels):
    table = measure_ideas(IDEAS, members, labels).set_index(["half", "idea"])
    assert table.loc[("val1", "as it is"), "f1"] == table.loc[("val2", "tuned"), "f1"] == 1
    assert ("val1", "chance") not in table.index  # there when tuned on val1 alone
    row = table.loc[("val2", "chance")]
    chosen = f1_by_image(labels["val2"], decide(members, labels, "val1", IDEAS["chance"]))
    assert row["f1"] == pytest.approx(np.nanmean(chosen)) and row["low"] < row["f1"] < row["high"]
    assert row["gain"] == pytest.approx(row["f1"] - 1) and row["gain_high"] < 0


def test_the_truth_of_the_half_that_tests_changes_nothing(members, labels):
    other = {**labels, "val2": sparse.csr_array(1 - labels["val2"].toarray())}
    one, same = (decide(members, truth, "val1", ("chance", "concept_thresholds")) for truth in (labels, other))
    assert (one != same).nnz == 0


def test_the_test_images_are_decided_with_all_of_validation(members, labels):
    kept = decide_test(members, labels, ("unsure", "tuned_threshold"))
    mean = 0.75 * members["val1"]["unsure"]["test"]
    unseen = np.concatenate([members["val1"]["unsure"]["val2"], members["val2"]["unsure"]["val1"]])
    rule = TunedThreshold.fit(unseen, sparse.vstack([labels["val2"], labels["val1"]]))
    assert (kept != rule.select(mean, nomissing=True)).nnz == 0
    assert sample_f1(labels["test"], decide_test(members, labels, ("chance", "threshold"))) > 0  # of one half alone


def test_one_table_has_a_row_an_idea_and_the_halves_side_by_side(members, labels):
    table = in_one_table(measure_ideas(IDEAS, members, labels))
    assert list(table.index) == list(IDEAS)
    assert [*table.columns] == [("val1", "F1"), ("val1", "gain"), ("val2", "F1"), ("val2", "gain")]
    assert table.loc["as it is", ("val1", "F1")] == "1.000 (1.000 to 1.000)"
    assert table.loc["as it is", ("val1", "gain")] == "+0.000 (+0.000 to +0.000)"
    assert table.loc["chance", ("val1", "F1")] == ""


def test_a_run_gives_its_probabilities_in_the_rows_and_columns_that_are_asked_for(sample_dataset, tmp_path):
    experiment = Experiment(runs=str(tmp_path))
    run = open_run(experiment, sample_dataset, ConceptVocabulary(("C0000001", "C0000002", "UNUSED0001")))
    run.keep_probabilities("val1", np.array(["a", "b"]), np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], np.float32))
    second = ConceptVocabulary(("C0000002",))
    found = probabilities_of(run, second, {"val1": ["b", "a"]})
    assert found["val1"] == pytest.approx(np.array([[0.5], [0.2]]))
    with pytest.raises(FileNotFoundError, match="no probabilities of test"):
        probabilities_of(run, second, {"test": ["a"]})
    with pytest.raises(ValueError, match="no sigmoid for 1 concepts"):
        probabilities_of(run, ConceptVocabulary(("C0000002", "C0000009")), {"val1": ["a"]})
    with pytest.raises(ValueError, match="did not predict 1 images of val1"):
        probabilities_of(run, second, {"val1": ["a", "c"]})
