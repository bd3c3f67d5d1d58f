"""Two members, tuned on either half: what was tuned on val1 is tested on val2, and nothing else is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from nblib.concepts import ConceptVocabulary
from nblib.deciding import TunedThreshold
from nblib.experiment import Experiment
from nblib.ideas import (
    Idea,
    decide,
    decide_test,
    in_one_table,
    measure_ideas,
    member_of,
    pool_members,
    probabilities_of,
)
from nblib.metrics import f1_by_image, sample_f1
from nblib.runs import open_run

IDEAS = {
    "as it is": Idea(("sure",)),
    "tuned": Idea(("unsure",), "tuned_threshold"),
    "chance": Idea(("chance",)),
    "all of them": Idea(("sure", "unsure"), "tuned_threshold", "union"),
}
VOCABULARY = ConceptVocabulary(tuple(f"C{number:07}" for number in range(12)))


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    numbers = {"val1": 40, "val2": 41, "test": 30}

    def drawn(name, number):
        concepts = [tuple(np.array(VOCABULARY.concepts)[rng.random(12) < 0.3]) for _ in range(number)]
        return pd.DataFrame({"image_id": [f"{name}_{each}" for each in range(number)], "concepts": concepts})

    return {name: drawn(name, number) for name, number in numbers.items()}


@pytest.fixture(scope="module")
def members(images):
    """`sure` knows the truth; `unsure` too, but is never above 0.4, or 0.2 where it was tuned on val2."""
    rng = np.random.default_rng(1)
    truth = {name: VOCABULARY.encode(each["concepts"]).toarray() for name, each in images.items()}

    def knowing(height):
        return member_of(images, VOCABULARY, {name: height * labels for name, labels in truth.items()})

    chance = member_of(images, VOCABULARY, {name: rng.random(labels.shape) for name, labels in truth.items()})
    return {
        "val1": {"sure": knowing(0.9), "unsure": knowing(0.4), "chance": chance},
        "val2": {"sure": knowing(0.9), "unsure": knowing(0.2)},
    }


def test_an_idea_is_tuned_on_one_half_and_answers_on_the_other(members):
    kept = decide(members, "val1", IDEAS["tuned"])
    assert sample_f1(members["val1"]["sure"]["val2"].labels, kept) == 1
    assert sample_f1(members["val1"]["sure"]["val2"].labels, decide(members, "val1", Idea(("unsure",)))) < 1


def test_ideas_are_measured_both_ways_where_their_members_are_there(members):
    table = measure_ideas(IDEAS, members).set_index(["half", "idea"])
    assert table.loc[("val1", "as it is"), "f1"] == table.loc[("val2", "tuned"), "f1"] == 1
    assert ("val1", "chance") not in table.index  # there when tuned on val1 alone
    row = table.loc[("val2", "chance")]
    scores = f1_by_image(members["val1"]["chance"]["val2"].labels, decide(members, "val1", IDEAS["chance"]))
    assert row["f1"] == pytest.approx(np.nanmean(scores)) and row["low"] < row["f1"] < row["high"]
    assert row["gain"] == pytest.approx(row["f1"] - 1) and row["gain_high"] < 0


def test_the_truth_of_the_half_that_tests_changes_nothing(members):
    idea = Idea(("chance",), "concept_thresholds")
    chance = members["val1"]["chance"]
    lie = replace(chance["val2"], labels=sparse.csr_array(1 - chance["val2"].labels.toarray()))
    lied_to = {"val1": {"chance": {**chance, "val2": lie}}}
    assert (decide(members, "val1", idea) != decide(lied_to, "val1", idea)).nnz == 0


def test_several_members_vote(members):
    both = decide(members, "val1", Idea(("sure", "chance"), vote="intersection")).toarray()
    one, other = (decide(members, "val1", Idea((name,))).toarray() for name in ("sure", "chance"))
    assert np.array_equal(both, one & other)


def test_no_image_need_go_without_a_concept(members):
    for nomissing in (False, True):
        kept = decide(members, "val2", Idea(("unsure",), nomissing=nomissing))  # none of its probabilities is above 0.5
        assert set(np.diff(kept.indptr)) == {int(nomissing)}


def test_pooled_members_are_their_mean(members):
    pooled = pool_members(members, ["sure", "chance"])
    mean = (members["val1"]["sure"]["test"].probabilities + members["val1"]["chance"]["test"].probabilities) / 2
    assert pooled["val1"]["test"].probabilities == pytest.approx(mean)
    alone = members["val2"]["sure"]["val1"].probabilities
    assert pooled["val2"]["val1"].probabilities == pytest.approx(alone)  # chance is not there


def test_members_are_chosen_on_the_half_that_is_tuned_on(members):
    pooled = pool_members(members, ["sure", "chance"], choose=True)["val1"]
    assert pooled["val2"].probabilities == pytest.approx(members["val1"]["sure"]["val2"].probabilities)


def test_the_test_images_are_decided_with_all_of_validation(members):
    kept = decide_test(members, IDEAS["tuned"])
    one, other = members["val1"]["unsure"], members["val2"]["unsure"]
    unseen = np.concatenate([one["val2"].probabilities, other["val1"].probabilities])
    rule = TunedThreshold.fit(unseen, sparse.vstack([one["val2"].labels, other["val1"].labels]))
    mean = (one["test"].probabilities + other["test"].probabilities) / 2
    assert (kept != rule.select(mean)).nnz == 0
    assert decide_test(members, IDEAS["chance"]).nnz > 0  # of a member of one half alone


def test_one_table_has_a_row_an_idea_and_the_halves_side_by_side(members):
    table = in_one_table(measure_ideas(IDEAS, members))
    assert list(table.index) == list(IDEAS)
    assert [*table.columns] == [("val1", "F1"), ("val1", "gain"), ("val2", "F1"), ("val2", "gain")]
    assert table.loc["as it is", ("val1", "F1")] == "1.000 (1.000 to 1.000)"
    assert table.loc["as it is", ("val1", "gain")] == "+0.000 (+0.000 to +0.000)"
    assert table.loc["chance", ("val1", "F1")] == ""


def test_a_run_gives_its_probabilities_in_the_rows_and_columns_that_are_asked_for(sample_dataset, tmp_path):
    run = open_run(
        Experiment(runs=str(tmp_path)), sample_dataset, ConceptVocabulary(("C0000001", "C0000002", "UNUSED1"))
    )
    run.keep_probabilities("val1", np.array(["a", "b"]), np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], np.float32))
    second, asked = ConceptVocabulary(("C0000002",)), pd.DataFrame({"image_id": ["b", "a"]})
    assert probabilities_of(run, second, {"val1": asked})["val1"] == pytest.approx(np.array([[0.5], [0.2]]))
    with pytest.raises(FileNotFoundError, match="no probabilities of test"):
        probabilities_of(run, second, {"test": asked})
    with pytest.raises(ValueError, match="no sigmoid for 1 concepts"):
        probabilities_of(run, ConceptVocabulary(("C0000002", "C0000009")), {"val1": asked})
    with pytest.raises(ValueError, match="did not predict 1 images of val1"):
        probabilities_of(run, second, {"val1": pd.DataFrame({"image_id": ["a", "c"]})})
