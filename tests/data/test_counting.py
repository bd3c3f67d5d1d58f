"""Counting: numbers worked out by hand on six images, and pandas or scikit-learn as the other implementation."""

import numpy as np
import pandas as pd
import pytest
from label_sets import long_tailed_images
from sklearn.metrics import f1_score

from nblib.data.counting import (
    co_occurrences,
    co_occurring_concepts,
    concept_counts,
    concept_counts_by,
    concept_pairs,
    drift,
    f1_ceiling,
    figure_anchors,
    images_with,
    indicative_concepts,
    lift_table,
    most_frequent,
)
from nblib.data.examples import Examples
from nblib.data.label_space import choose_concepts
from nblib.data.vocabulary import ConceptVocabulary

A, B, C, D = (f"C000000{number}" for number in range(1, 5))
SIX = pd.DataFrame(
    {
        "image_id": list("uvwxyz"),
        "split": ["train", "train", "train", "train", "val", "val"],
        "category": ["DRCT", "DRCT", "DRXR", None, "DRCT", "DRXR"],
        "concepts": [(A, B), (A,), (B, C), (), (A, B, D), (C,)],
    }
)


@pytest.fixture
def six():
    return Examples.of(SIX)


@pytest.fixture(scope="module")
def generated():
    return Examples.of(long_tailed_images(images=600, concepts=80, occurrences=4_000))


@pytest.fixture(scope="module")
def exploded(generated):
    return generated.images.explode("concepts")


def test_counts_worked_out_by_hand(six):
    assert concept_counts(six).to_dict() == {A: 3, B: 3, C: 2, D: 1}
    assert len(six) == 6


def test_the_most_frequent_come_first_ties_by_concept_and_absent_ones_not_at_all(six):
    assert most_frequent(six).to_dict() == {A: 3, B: 3, C: 2, D: 1}
    assert list(most_frequent(six, 2).index) == [A, B]
    assert list(most_frequent(six.where(split="train")).index) == [A, B, C]


def test_what_the_paper_reads_off_its_histograms_is_counted_by_split():
    fifty = tuple(f"C1{number:06}" for number in range(50))
    images = pd.concat([SIX, SIX.assign(split="val", concepts=[fifty, (*fifty, A), (A, C), (A,), fifty[:49], ()])])
    anchors = figure_anchors(Examples.of(images))
    assert anchors["train"].to_dict() == {
        "the most frequent concept": 2,
        "exactly 2 concepts": 2,
        "exactly 50 concepts": 0,
    }
    assert anchors["val"].tolist() == [4, 1, 1]
    assert figure_anchors(Examples.of(SIX[:4]))["val"].tolist() == [0, 0, 0]


def test_counting_in_a_subset_keeps_the_vocabulary(six):
    chosen = six.where(split="train", category="DRCT")
    assert chosen.images["image_id"].tolist() == ["u", "v"]
    assert concept_counts(chosen).to_dict() == {A: 2, B: 1, C: 0, D: 0}
    assert six.where(split=None, category=None) is six


def test_counts_by_category_leave_images_without_one_out(six):
    table = concept_counts_by(six, "category")
    assert table.to_dict() == {"DRCT": {A: 3, B: 2, C: 0, D: 1}, "DRXR": {A: 0, B: 1, C: 2, D: 0}}


@pytest.mark.parametrize("column", ["split", "category"])
def test_counts_equal_crosstab(generated, exploded, column):
    expected = pd.crosstab(exploded["concepts"], exploded[column])
    assert (concept_counts_by(generated, column) == expected).all(axis=None)
    assert (concept_counts(generated) == exploded.groupby("concepts").size()).all()


def test_co_occurrences_worked_out_by_hand(six):
    assert co_occurrences(six).toarray().tolist() == [[3, 2, 0, 1], [2, 3, 1, 1], [0, 1, 2, 0], [1, 1, 0, 1]]
    assert co_occurrences(six, [C, B]).toarray().tolist() == [[2, 1], [1, 3]]


def test_co_occurrences_equal_a_merge_of_all_pairs(generated, exploded):
    pairs = exploded[["image_id", "concepts"]].merge(exploded[["image_id", "concepts"]], on="image_id")
    expected = pairs.groupby(["concepts_x", "concepts_y"]).size().unstack(fill_value=0)
    assert (co_occurrences(generated).toarray() == expected.to_numpy()).all()


def test_co_occurrences_do_not_overflow_a_byte():
    many = Examples.of(pd.DataFrame({"concepts": [(A, B)] * 300}))
    assert co_occurrences(many).toarray().tolist() == [[300, 300], [300, 300]]


def test_images_with_a_concept_are_those_that_have_it(six):
    assert images_with(six, B)["image_id"].tolist() == ["u", "w", "y"]
    assert images_with(six.where(split="val"), D)["image_id"].tolist() == ["y"]
    assert images_with(six.where(split="train"), D).empty


def test_co_occurring_concepts_worked_out_by_hand(six):
    """B is on 3 of 6 images, 2 of them with A (on 3): lift 2/3 * 6/3; one with C (on 2), one with D (on 1)."""
    table = co_occurring_concepts(six, B)
    assert table["images"].to_dict() == {A: 2, C: 1, D: 1}
    assert table["share"].to_dict() == {A: pytest.approx(2 / 3), C: pytest.approx(1 / 3), D: pytest.approx(1 / 3)}
    assert table["lift"].to_dict() == {A: pytest.approx(4 / 3), C: pytest.approx(1), D: pytest.approx(2)}


def test_nothing_co_occurs_with_a_concept_without_images(six):
    assert co_occurring_concepts(six.where(split="train"), D).empty


def test_lift_worked_out_by_hand(six):
    """A and B: 6 * 2 / (3 * 3); A and C never; B and C: 6 * 1 / (3 * 2); on the diagonal 6 over its images."""
    table = lift_table(six, [A, B, C])
    assert table.to_numpy() == pytest.approx(np.array([[2, 4 / 3, 0], [4 / 3, 2, 1], [0, 1, 3]]))
    assert list(table.index) == list(table.columns) == [A, B, C]


def test_pairs_are_those_that_share_an_image_highest_lift_first(six):
    table = concept_pairs(six, [A, B, C, D])
    rows = list(table[["concept", "other", "images"]].itertuples(index=False, name=None))
    assert rows == [(A, D, 1), (B, D, 1), (A, B, 2), (B, C, 1)]
    assert table["lift"].tolist() == pytest.approx([2, 2, 4 / 3, 1])


def test_drift_worked_out_by_hand(six):
    table = drift(six, top=4)
    assert table["train"].to_dict() == {A: 0.5, B: 0.5, C: 0.25, D: 0}
    assert table["val"].to_dict() == {A: 0.5, B: 0.5, C: 0.5, D: 0.5}
    assert table["ratio"].tolist()[:3] == [1, 1, 2]
    assert np.isnan(table.loc[D, ["ratio", "low", "high"]].astype(float)).all()
    error = np.sqrt(1 / 1 - 1 / 4 + 1 / 1 - 1 / 2)  # of log(ratio) of C: 1 of 4 in train, 1 of 2 in validation
    assert table.loc[C, "low"] == pytest.approx(2 * np.exp(-1.96 * error))
    assert table.loc[C, "high"] == pytest.approx(2 * np.exp(1.96 * error))


def test_without_validation_nothing_drifts(six):
    assert drift(six.where(split="train"))["ratio"].isna().all()


def test_indicative_concepts_worked_out_by_hand(six):
    """DRCT (3 images): A is on all three and nowhere else. DRXR (2 images): C is on both and nowhere else."""
    table = indicative_concepts(six, each=1)
    assert table.T.to_dict() == {A: {"DRCT": 1, "DRXR": 0}, C: {"DRCT": 0, "DRXR": 1}}
    assert indicative_concepts(six, each=2).loc[B].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_indicative_concepts_have_the_highest_f1_as_a_detector(generated):
    dense = generated.labels.toarray()
    for category in ("DRCT", "DRPE"):
        belongs = generated.images["category"] == category
        f1 = pd.Series([f1_score(belongs, column) for column in dense.T], concept_counts(generated).index)
        best = f1.sort_values(ascending=False, kind="stable").index[0]
        assert best in indicative_concepts(generated, each=1).index


def test_the_ceiling_worked_out_by_hand(six):
    """Train has A 2, B 2, C 1, D 0. Validation: y = {A, B, D}, z = {C}; with A and B alone y scores 4/5, z 0."""
    table = f1_ceiling(six.where(split="val"), {n: choose_concepts(six.images, n) for n in (0, 1, 2, 3)})
    assert table["concepts"].tolist() == [4, 3, 2, 0]
    assert table["occurrences"].tolist() == [1, 0.75, 0.5, 0]
    assert table["f1"].tolist() == pytest.approx([1, (0.8 + 1) / 2, 0.8 / 2, 0])


def test_the_ceiling_is_the_score_of_perfect_predictions_without_the_rare_concepts(generated):
    dense = generated.labels.toarray()
    counts = concept_counts(generated)
    spaces = {minimum: ConceptVocabulary(tuple(counts.index[counts >= minimum])) for minimum in (1, 20, 60, 200)}
    for minimum, row in f1_ceiling(generated, spaces).iterrows():
        predicted = dense * (counts.to_numpy() >= minimum)
        assert row["f1"] == pytest.approx(f1_score(dense, predicted, average="samples", zero_division=0))


def test_images_without_a_concept_are_left_out_of_the_ceiling(six):
    assert f1_ceiling(six, {"all": six.vocabulary}).loc["all", "f1"] == 1


def test_a_generated_label_set_has_the_requested_size(generated):
    assert (len(generated), len(generated.vocabulary), generated.labels.nnz) == (600, 80, 4_000)
