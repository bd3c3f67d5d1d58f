import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from labelled import labelled
from scipy import sparse
from scipy.special import expit, logit

from nblib.data import ConceptVocabulary
from nblib.evaluation.conformal import NumberInterval, number_features
from nblib.evaluation.decision_rules import (
    RULES,
    THRESHOLDS,
    ConceptThresholds,
    ConformalNumber,
    ExpectedF1,
    Threshold,
    TopK,
    TunedThreshold,
    compare_rules,
    fit_rule,
)
from nblib.evaluation.metrics import f1_per_image, sample_f1
from nblib.evaluation.selection import select
from nblib.experiments import Run, read_half
from nblib.system import write_json


def made_half(name, seed, images=150, concepts=12, doubt=0.8):
    """Images whose concepts were drawn from probabilities; the predicted logits are 1.5 too low, with noise `doubt`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.5, 1.5, (images, concepts)) + np.linspace(1, -1, concepts)
    labels = sparse.csr_array((rng.random(logits.shape) < expit(logits)).astype(np.uint8))
    predicted = expit(logits - 1.5 + rng.normal(0, doubt, logits.shape)).astype(np.float32)
    vocabulary = ConceptVocabulary(tuple(f"C{number:07}" for number in range(concepts)))
    return labelled([f"{name}_{number}" for number in range(images)], vocabulary, labels, probabilities=predicted)


VAL1, VAL2 = made_half("val1", 1), made_half("val2", 2)


def test_without_an_unseen_half_there_is_no_rule_to_fit():
    with pytest.raises(
        ValueError,
        match="rule 'top_k' is tuned on an unseen half; a run trained on all images has none: use the rule 'threshold'",
    ):
        fit_rule("top_k", None)


def test_the_rule_of_the_paper_is_not_tuned():
    rule = Threshold.fit(VAL1.probabilities, VAL1.labels)
    assert rule == Threshold(0.5)
    assert (rule.select(VAL2.probabilities) != select(VAL2.probabilities)).nnz == 0


def test_the_tuned_threshold_is_the_best_of_all_thresholds():
    rule = TunedThreshold.fit(VAL1.probabilities, VAL1.labels)
    scores = [sample_f1(VAL1.labels, select(VAL1.probabilities, float(threshold))) for threshold in THRESHOLDS]
    assert rule.threshold == THRESHOLDS[np.argmax(scores)]
    assert sample_f1(VAL1.labels, rule.select(VAL1.probabilities)) == pytest.approx(max(scores), abs=1e-12)


def test_thresholds_are_the_same_numbers_in_single_precision():
    assert np.array_equal(THRESHOLDS.astype(np.float32), THRESHOLDS)


def test_k_is_the_best_one():
    rule = TopK.fit(VAL1.probabilities, VAL1.labels)
    scores = [sample_f1(VAL1.labels, TopK(k).select(VAL1.probabilities)) for k in range(1, 13)]
    assert rule.k == np.argmax(scores) + 1


def test_the_threshold_of_a_concept_is_the_best_there_is_for_it():
    """With one concept to tune, its threshold scores as well as the best between any two probabilities."""
    rng = np.random.default_rng(0)
    probabilities, labels = rng.random((80, 2)), np.ones((80, 2), dtype=np.uint8)
    probabilities[:, 0] = 0.9  # always true, always selected: beside it the other one is tuned
    labels[:, 1] = rng.random(80) < probabilities[:, 1]
    rule = ConceptThresholds.fit(probabilities, labels, weight=0)
    between = np.concatenate([[0], np.sort(probabilities[:, 1])])
    best = max(sample_f1(labels, select(probabilities, np.array([0.5, threshold]))) for threshold in between)
    assert sample_f1(labels, rule.select(probabilities)) == pytest.approx(best, abs=1e-12)


def test_thresholds_per_concept_beat_the_common_one_where_they_were_tuned():
    for weight in (0, 0.5):
        own = ConceptThresholds.fit(VAL1.probabilities, VAL1.labels, weight=weight)
        one = TunedThreshold.fit(VAL1.probabilities, VAL1.labels)
        gain = f1_per_image(VAL1.labels, own.select(VAL1.probabilities)) - f1_per_image(
            VAL1.labels, one.select(VAL1.probabilities)
        )
        assert np.nanmean(gain) > 0


def dense_concept_thresholds(probabilities, true, start, weight):
    """The same coordinate ascent in the plainest way: all images sorted for each concept, everything dense."""
    thresholds, selected = np.full(true.shape[1], start), probabilities > start
    for concept in [*range(true.shape[1])] * 2:
        if not (number := true[:, concept].sum()):
            continue
        f1 = {}
        for chosen in (False, True):
            selected[:, concept] = chosen
            hits = (selected & true).sum(axis=1)
            f1[chosen] = 2 * hits / np.maximum(selected.sum(axis=1) + true.sum(axis=1), 1)
        edges = np.concatenate([[1], np.sort(probabilities[:, concept])[::-1], [0]])
        gains = (f1[True] - f1[False])[np.argsort(-probabilities[:, concept], kind="stable")]
        cut = np.argmax(np.where(edges[:-1] > edges[1:], np.concatenate([[0], np.cumsum(gains)]), -np.inf))
        own, share = np.clip(edges[cut : cut + 2].mean(), 1e-7, 1 - 1e-7), number / (number + weight)
        thresholds[concept] = expit(share * logit(own) + (1 - share) * logit(start))
        selected[:, concept] = probabilities[:, concept] > thresholds[concept]
    return thresholds


@pytest.mark.parametrize("digits", [1, 2, 9])  # many equal probabilities, a few, none
def test_thresholds_per_concept_equal_those_of_the_plainest_way(digits):
    half = made_half("val1", 3, images=1_200, concepts=40)
    labels = half.labels.toarray().astype(bool)
    labels[:, 7] = False
    probabilities = half.probabilities.astype(np.float64).round(digits)
    start = TunedThreshold.fit(probabilities, labels).threshold
    expected = dense_concept_thresholds(probabilities, labels, start, weight=10)
    assert ConceptThresholds.fit(probabilities, labels, weight=10).threshold == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_probabilities_in_half_precision_are_used_as_they_are(name):
    half = made_half("val1", 4, images=1_500)
    half = replace(half, probabilities=half.probabilities.astype(np.float16))
    same = replace(half, probabilities=half.probabilities.astype(np.float64))
    fitted, expected = (fit_rule(name, each) for each in (half, same))
    assert repr(fitted) == repr(expected)
    assert (fitted.select(half.probabilities) != expected.select(same.probabilities)).nnz == 0


@pytest.mark.parametrize("name", RULES)
def test_no_rule_copies_all_probabilities(name):
    half = made_half("val1", 5, images=8_000, concepts=1_000)
    frequent = half.labels[:, :8]  # so that labels are sparse, as they are of real images
    half = replace(half, labels=sparse.hstack([frequent, sparse.csr_array((8_000, 992), dtype=np.uint8)], format="csr"))
    tracemalloc.start()
    fit_rule(name, half).select(half.probabilities)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.8 * half.probabilities.nbytes, "one copy in single precision; in double precision it would be two"


def test_the_rarer_a_concept_the_nearer_its_threshold_to_the_common_one():
    labels = VAL1.labels.tolil()
    labels[:, 11] = 0
    one = TunedThreshold.fit(VAL1.probabilities, labels.tocsr()).threshold
    free, shrunk, most = (
        ConceptThresholds.fit(VAL1.probabilities, labels.tocsr(), weight=weight).threshold for weight in (0, 10, 1e9)
    )
    assert free[11] == shrunk[11] == pytest.approx(one), "a concept without images has the common threshold"
    assert most == pytest.approx(np.full(12, one), abs=1e-6)
    assert np.abs(shrunk - one).mean() < np.abs(free - one).mean()


def test_a_rule_is_printed_in_one_line():
    shown = [repr(fit_rule(name, VAL1)) for name in RULES]
    assert shown[0] == "Threshold(threshold=0.5)"
    assert shown[2].startswith("ConceptThresholds(12 from 0.")
    assert shown[4] == "ExpectedF1(calibration=Isotonic())"


def test_expected_f1_corrects_probabilities_that_are_too_low():
    plain = sample_f1(VAL2.labels, select(VAL2.probabilities))
    for name in ("expected_f1", "plugin_f1"):
        kept = fit_rule(name, VAL1).select(VAL2.probabilities)
        assert np.diff(kept.indptr).min() >= 1
        assert sample_f1(VAL2.labels, kept) > plain + 0.1
    assert sample_f1(VAL2.labels, ExpectedF1.fit(VAL1.probabilities, VAL1.labels, "platt").select(
        VAL2.probabilities)) > plain + 0.1  # fmt: skip


def test_a_conformal_number_fills_and_prunes_what_the_threshold_selects():
    rule = ConformalNumber(0.5, np.array([1.5, 0, 0, 0, 0]), 0.5)  # expects 1.5: from 0.9 to 2.1, that is 1 or 2
    probabilities = np.array([[0.2, 0.4, 0.1], [0.9, 0.7, 0.8], [0.9, 0.1, 0.6], [0.1, 0.6, 0.2]])
    assert rule.select(probabilities).toarray().tolist() == [[0, 1, 0], [1, 0, 1], [1, 0, 1], [0, 1, 0]]
    fitted = ConformalNumber.fit(VAL1.probabilities, VAL1.labels)
    low, high = NumberInterval(fitted.weights, fitted.radius).bounds(
        number_features(VAL2.probabilities, fitted.common_threshold)
    )
    number = np.diff(fitted.select(VAL2.probabilities).indptr)
    assert ((number >= low) & (number <= np.maximum(high, low))).all()


@pytest.mark.parametrize("name", RULES)
def test_cap_and_nomissing_go_with_every_rule(name):
    rule = fit_rule(name, VAL1)
    capped = rule.select(VAL2.probabilities, cap=2)
    assert capped.shape == VAL2.labels.shape and capped.dtype == np.uint8
    assert np.diff(capped.indptr).max() <= 2
    unlikely = VAL2.probabilities * np.float32(1e-3)
    assert np.diff(rule.select(unlikely, nomissing=True).indptr).min() >= 1


@pytest.mark.parametrize("name", RULES)
def test_a_rule_fitted_twice_selects_the_same_and_leaves_its_arguments_unchanged(name):
    before = VAL1.probabilities.copy(), VAL2.probabilities.copy()
    first, second = (fit_rule(name, VAL1).select(VAL2.probabilities) for _ in range(2))
    assert (first != second).nnz == 0
    assert np.array_equal(before[0], VAL1.probabilities) and np.array_equal(before[1], VAL2.probabilities)


def test_rules_are_evaluated_on_the_half_they_were_not_tuned_on():
    table = compare_rules(VAL1, VAL2)
    assert table.index.tolist() == list(RULES)
    for name, row in table.iterrows():
        kept = fit_rule(name, VAL1).select(VAL2.probabilities)
        assert row["f1"] == pytest.approx(sample_f1(VAL2.labels, kept), abs=1e-12)
        assert row["low"] < row["f1"] < row["high"]
        assert row["gain"] == pytest.approx(row["f1"] - table.loc["threshold", "f1"], abs=1e-12)
        assert row["concepts per image"] == kept.sum() / 150
    assert (table["gain_low"].iloc[1:] > 0).all(), "probabilities too low by 1.5: every rule gains over 0.5"


def test_limits_of_the_challenge_hold_in_the_comparison():
    table = compare_rules(VAL1, VAL2, rules=["threshold", "top_k"], cap=1, nomissing=True)
    assert table["concepts per image"].tolist() == [1, 1]
    assert table["images without concepts"].tolist() == [0, 0]


def test_a_rule_is_not_evaluated_on_images_it_was_tuned_on():
    with pytest.raises(ValueError, match="tuned_on and evaluated_on share 150 images, such as val1_0"):
        compare_rules(VAL1, VAL1)


def test_halves_of_two_label_spaces_are_not_compared():
    other = replace(VAL2, vocabulary=ConceptVocabulary(tuple(f"D{number:07}" for number in range(12))))
    with pytest.raises(ValueError, match="different vocabularies"):
        compare_rules(VAL1, other)


def test_an_unknown_rule_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"rule must be one of threshold, tuned_threshold, .* received 'best'"):
        fit_rule("best", VAL1)


def test_examples_need_a_row_per_image_and_a_column_per_concept():
    with pytest.raises(ValueError, match="expected labels and probabilities of 150 images and 12 concepts"):
        replace(VAL1, probabilities=VAL1.probabilities[:, 1:])


def kept_run(folder, dataset, name, image_ids, probabilities, vocabulary):
    """A run folder with what reading a half needs."""
    run = Run(folder)
    run.write_probabilities(name, image_ids, probabilities)
    (folder / "vocabulary.txt").write_text("\n".join(vocabulary.concepts))
    write_facts(folder, dataset.fingerprint)
    return run


def write_facts(folder, data_fingerprint):
    facts = {"experiment": {}, "identity": "", "data": "", "data_fingerprint": data_fingerprint, "provenance": {}}
    write_json(folder / "experiment.json", facts)


def test_a_half_is_read_from_a_run_with_the_truth_of_its_images(sample_dataset, tmp_path):
    images = sample_dataset.split("val").iloc[::-1]
    vocabulary = ConceptVocabulary.of(sample_dataset.images["concepts"])
    probabilities = np.random.default_rng(0).random((len(images), len(vocabulary)), dtype=np.float32)
    run = kept_run(tmp_path, sample_dataset, "val1", images["image_id"], probabilities, vocabulary)
    half = read_half(run, sample_dataset, "val1")
    assert half.image_ids.tolist() == images["image_id"].tolist()
    assert vocabulary.decode(half.labels) == [tuple(sorted(concepts)) for concepts in images["concepts"]]
    assert np.array_equal(half.probabilities, probabilities)


def test_other_data_than_the_run_s_are_refused(sample_dataset, tmp_path):
    write_facts(tmp_path, "other")
    with pytest.raises(ValueError, match="was trained on data other"):
        read_half(Run(tmp_path), sample_dataset, "val1")
