"""Four images and four concepts, counted by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, precision_recall_fscore_support

from nblib.data import ConceptVocabulary, Dataset, read_dataset
from nblib.evaluation import SECONDARY_2025, error_analysis
from nblib.evaluation.metrics import f1_per_image, sample_f1

A, B, C, D = CONCEPTS = ("C0000001", "C0000002", "C0000003", "C0000004")
VOCABULARY = ConceptVocabulary(CONCEPTS)
#                   A, B, C, D
TRUE = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
KEPT = np.array([[1, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]])
#   F1 of each:    1/2,  1,  2/3,  none


@pytest.fixture(scope="module")
def drawn_by_chance():
    """300 images and 40 concepts, the first ones frequent."""
    rng = np.random.default_rng(0)
    often = np.geomspace(0.5, 0.005, 40)
    return (rng.random((300, 40)) < often).astype(int), (rng.random((300, 40)) < often).astype(int)


def test_f1_by_category_is_the_mean_over_its_images():
    table = error_analysis.f1_by_category(["DRCT", "DRXR", "DRCT", "DRMR"], TRUE, KEPT)
    assert table["images"].to_dict() == {"DRCT": 2, "DRXR": 1}  # DRMR's image has no true concept
    assert table["f1"].to_dict() == pytest.approx({"DRCT": (1 / 2 + 2 / 3) / 2, "DRXR": 1})
    error = 1.96 * (2 / 3 - 1 / 2) / 2  # of two values: half their distance
    assert table.loc["DRCT", ["low", "high"]].tolist() == pytest.approx([7 / 12 - error, 7 / 12 + error])
    assert table.loc["DRXR", ["low", "high"]].isna().all()


def test_concept_scores_compare_the_mean_probability_where_a_concept_is_selected_with_how_often_it_is_right():
    probabilities = np.where(KEPT, [[0.6], [0.8], [0.9], [1.0]], 0.25).astype(np.float32)
    table = error_analysis.concept_scores(TRUE, probabilities, VOCABULARY)
    assert table.loc[A, ["true", "right", "wrong"]].tolist() == [2, 2, 1]
    assert table.loc[A, ["precision", "recall", "f1"]].tolist() == pytest.approx([2 / 3, 1, 4 / 5])
    mean = [(0.6 + 0.8 + 1) / 3, np.nan, (0.6 + 0.9) / 2, np.nan]
    assert table["predicted"].tolist() == pytest.approx(mean, nan_ok=True)
    assert table.loc[[B, D], "precision"].isna().all() and table.loc[B, "recall"] == 0


def test_images_without_a_category_are_unknown():
    table = error_analysis.f1_by_category([None, "DRXR", None, None], TRUE, KEPT)
    assert list(table.index) == ["DRXR", "unknown"]


def test_f1_by_number_of_concepts_goes_in_bands():
    assert error_analysis.f1_by_number_of_concepts(TRUE, KEPT)["f1"].to_dict() == pytest.approx({"1": 1, "2": 7 / 12})
    assert error_analysis.f1_by_number_of_concepts(TRUE, KEPT)["images"].to_dict() == {"1": 1, "2": 2}
    twenty, none = np.ones((3, 20)), np.zeros((3, 20))
    assert error_analysis.f1_by_number_of_concepts(twenty, none)["images"].to_dict() == {"20+": 3}


def test_groups_weighted_by_their_images_give_the_score(drawn_by_chance):
    true, kept = drawn_by_chance
    for table in (
        error_analysis.f1_by_number_of_concepts(true, kept),
        error_analysis.f1_by_category(np.arange(300) % 7, true, kept),
    ):
        assert np.average(table["f1"], weights=table["images"]) == pytest.approx(sample_f1(true, kept))


def test_concepts_are_counted_as_true_right_missed_and_wrong():
    table = error_analysis.count_by_concept(TRUE, KEPT, VOCABULARY)
    counts = {concept: tuple(row) for concept, row in zip(CONCEPTS, table.to_numpy()[:, :4], strict=True)}
    assert counts == {A: (2, 2, 0, 1), B: (2, 0, 2, 0), C: (1, 1, 0, 1), D: (0, 0, 0, 0)}
    assert table.loc[A, ["precision", "recall", "f1"]].tolist() == pytest.approx([2 / 3, 1, 4 / 5])
    assert table.loc[B, "recall"] == 0 and np.isnan(table.loc[B, "precision"])
    assert table.loc[D, ["precision", "recall", "f1"]].isna().all()


def test_rates_of_concepts_are_those_of_scikit_learn(drawn_by_chance):
    table = error_analysis.count_by_concept(*drawn_by_chance)
    theirs = precision_recall_fscore_support(*drawn_by_chance, average=None, zero_division=np.nan)
    for name, values in zip(("precision", "recall", "f1"), theirs, strict=False):
        assert table[name].to_numpy() == pytest.approx(values, nan_ok=True)


def test_concepts_are_pooled_by_how_many_train_images_they_have(drawn_by_chance):
    table = error_analysis.f1_by_frequency(TRUE, KEPT, train_counts=[500, 2, 1, 0])
    assert list(table.index) == ["1-2", "300+"]  # D is nowhere true or selected
    assert table.loc["1-2", ["concepts", "true", "right", "wrong"]].tolist() == [2, 3, 1, 1]
    assert table.loc["1-2", "f1"] == pytest.approx(2 / 5)

    true, kept = drawn_by_chance
    train_counts = np.arange(40)
    table = error_analysis.f1_by_frequency(true, kept, train_counts)
    rare = (train_counts >= 3) & (train_counts < 10)
    assert table.loc["3-9", "f1"] == pytest.approx(f1_score(true[:, rare].ravel(), kept[:, rare].ravel()))
    assert table["true"].sum() == true.sum()


def test_the_most_missed_come_first():
    assert error_analysis.most_missed(TRUE, KEPT, VOCABULARY)["missed"].to_dict() == {B: 2}


def test_a_missed_and_a_wrong_concept_of_one_image_are_confused():
    table = error_analysis.most_confused(TRUE, KEPT, VOCABULARY)
    assert table.to_dict("records") == [{"missed": B, "wrong": C, "images": 1, "share": 0.5}]


def test_confusions_are_those_of_a_walk_over_the_images(drawn_by_chance):
    true, kept = drawn_by_chance
    vocabulary = ConceptVocabulary(tuple(f"C{number:07}" for number in range(40)))
    table = error_analysis.most_confused(true, kept, vocabulary, top=30)
    for row in table.itertuples():
        missed, wrong = vocabulary.index[row.missed], vocabulary.index[row.wrong]
        lost = (true[:, missed] == 1) & (kept[:, missed] == 0)
        assert row.images == (lost & (true[:, wrong] == 0) & (kept[:, wrong] == 1)).sum()
        assert row.share == pytest.approx(row.images / lost.sum())
    assert table["images"].is_monotonic_decreasing


def test_images_come_best_first_with_right_missed_and_wrong_concepts():
    images = pd.DataFrame({"image_id": list("abcd")})
    table = error_analysis.errors_per_image(images, TRUE, KEPT, VOCABULARY)
    assert table["image_id"].tolist() == ["b", "c", "a"]
    assert table["f1"].tolist() == pytest.approx([1, 2 / 3, 1 / 2])
    assert table.loc[2, ["right", "missed", "wrong"]].tolist() == [(A,), (B,), (C,)]


def test_calibration_counts_how_often_concepts_are_true():
    truth = np.array([[1, 0, 0, 1], [0, 0, 0, 1]])
    probabilities = np.array([[0.9, 0.1, 0.1, 0.9], [0.9, 0.1, 0.2, 0.9]])
    table = error_analysis.calibration_table(truth, probabilities, bins=2)
    assert table["predicted"].tolist() == pytest.approx([0.125, 0.9])
    assert table["observed"].tolist() == [0, 0.75]
    assert table["decisions"].tolist() == [4, 4]


def test_labels_drawn_from_probabilities_are_calibrated():
    probabilities = np.random.default_rng(1).random((200, 100)) ** 2
    truth = np.random.default_rng(2).random((200, 100)) < probabilities
    table = error_analysis.calibration_table(truth, probabilities)
    assert len(table) == 10 and table["decisions"].sum() == 20_000
    assert expected_calibration_error(table) < 0.02
    assert expected_calibration_error(error_analysis.calibration_table(truth, probabilities**2)) > 0.1


def expected_calibration_error(table):
    return np.average((table["predicted"] - table["observed"]).abs(), weights=table["decisions"])


def test_the_secondary_score_counts_curated_concepts_alone():
    """Image a: {A, B} are curated and true, {A, C} answered: C was never curated, so F1 is 2 / (2 + 1)."""
    dataset = Dataset(Path("by_hand"), "rocov2", pd.DataFrame(), manual_concepts={"a": (A, B), "b": (B,), "c": ()})
    answers = [(A, C), (D,), (A,)]
    assert error_analysis.secondary_f1(dataset, ["a", "b", "c"], answers) == pytest.approx((2 / 3 + 0) / 2)
    assert error_analysis.secondary_f1(dataset, ["a", "b", "c"], answers, counted=[A]) == 1


def test_without_curated_concepts_there_is_no_secondary_score(sample_dataset):
    assert error_analysis.secondary_f1(sample_dataset, ["a"], [(A,)]) is None


def test_the_secondary_score_on_rocov2_is_1_for_what_was_curated(real_data):
    """The concepts that captions add to the curated ones count where they are of the counted kinds."""
    dataset = read_dataset(real_data / "rocov2")
    images = dataset.split("val")
    image_ids = images["image_id"]

    def score(answers):
        return error_analysis.secondary_f1(dataset, image_ids, answers, SECONDARY_2025)

    assert score([dataset.manual_concepts.get(image_id, ()) for image_id in image_ids]) == 1
    assert 0.9 < score(images["concepts"]) < 1
    assert score([()] * len(images)) == 0


def test_a_validation_set_of_thousands_of_images_is_counted_at_once():
    rng = np.random.default_rng(3)
    true, kept = (np.argsort(rng.random((2_000, 300)), axis=1)[:, :11] for _ in range(2))
    matrices = [VOCABULARY_OF_300.encode([[f"C{each:07}" for each in row] for row in rows]) for rows in (true, kept)]
    table = error_analysis.count_by_concept(*matrices)
    hits = sum(len({*one} & {*other}) for one, other in zip(true.tolist(), kept.tolist(), strict=True))
    assert table["right"].sum() == hits
    assert np.nanmean(f1_per_image(*matrices)) == pytest.approx(hits / 11 / 2_000)


VOCABULARY_OF_300 = ConceptVocabulary(tuple(f"C{number:07}" for number in range(300)))


def test_f1_in_parts_is_that_of_the_images_and_concepts_of_each_part():
    vocabulary = ConceptVocabulary(("C0000001", "C0040405", "C0043299", "C9999999"))  # two of them modalities
    table = error_analysis.f1_in_parts(TRUE, KEPT, vocabulary, [0, 1, 5, 2], related=np.array([1, 0, 0, 0], bool))
    f1 = table["f1"].to_dict()
    assert f1.pop("all") == pytest.approx((1 / 2 + 1 + 2 / 3) / 3)
    assert f1 == pytest.approx({
        "with a relative in train": 1 / 2, "without a relative in train": (1 + 2 / 3) / 2,
        "without modality concepts": 1, "concepts with 0 train images": 1, "concepts with 1-2 train images": 0,
        "concepts with 3-9 train images": 1,
    })  # fmt: skip
    assert table["images"].tolist() == [3, 1, 2, 2, 2, 2, 1]
    assert table.loc[table["images"] == 1, ["low", "high"]].isna().all(axis=None)
    clustered = error_analysis.f1_in_parts(TRUE, KEPT, vocabulary, [0, 1, 5, 2], groups=np.array([0, 1, 1, 2]))
    assert clustered.loc["all", "f1"] == table.loc["all", "f1"]
    assert clustered.loc["all", "low"] != table.loc["all", "low"]
