import json

import numpy as np
import pandas as pd
import pytest

from nblib.data import ConceptVocabulary, Examples
from nblib.evaluation import saved_rules
from nblib.evaluation.calibration import CALIBRATIONS
from nblib.evaluation.decision_rules import RULES, Threshold
from nblib.evaluation.metrics import as_csr
from nblib.evaluation.saved_rules import fit_or_read_rule, read_rule, read_saved_rule, rule_as_json, rule_file
from nblib.system import write_json


@pytest.fixture(scope="module")
def examples():
    """200 images with 30 concepts, of which the probabilities know something."""
    rng = np.random.default_rng(4)
    labels = rng.uniform(size=(200, 30)) < rng.uniform(0.02, 0.5, size=30)
    probabilities = np.clip(0.6 * labels + rng.uniform(size=labels.shape) / 2, 0, 1).astype(np.float32)
    concepts = ConceptVocabulary(tuple(f"C{number:07}" for number in range(30)))
    images = pd.DataFrame({"image_id": np.arange(200).astype(str)})
    return Examples(images, concepts, as_csr(labels), probabilities=probabilities)


def selections(rule, probabilities):
    return [rule.select(probabilities, cap, nomissing).toarray() for cap in (3, 100) for nomissing in (False, True)]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_was_saved_selects_what_the_fitted_one_did(examples, tmp_path, name, monkeypatch):
    fitted = fit_or_read_rule(tmp_path, name, examples)
    monkeypatch.setattr(saved_rules, "fit_rule", None)  # reading it fits nothing
    read = fit_or_read_rule(tmp_path, name, examples)
    assert type(read) is type(fitted) is RULES[name]
    assert json.loads((tmp_path / "rules" / f"{name}.json").read_text())["name"] == name
    np.testing.assert_array_equal(*(selections(rule, examples.probabilities) for rule in (fitted, read)))


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_a_calibration_that_was_saved_gives_the_same_probabilities(examples, tmp_path, calibration):
    fitted = RULES["expected_f1"].fit(examples.probabilities, examples.labels, calibration=calibration)
    write_json(tmp_path / "rule.json", rule_as_json(fitted))
    read = read_rule(tmp_path / "rule.json")
    assert type(read.calibration) is CALIBRATIONS[calibration]
    np.testing.assert_array_equal(*(rule.calibration.apply(examples.probabilities) for rule in (fitted, read)))


def test_a_threshold_is_saved_as_its_number():
    assert rule_as_json(Threshold(0.25)) == {"name": "threshold", "threshold": 0.25}


DAMAGED = {
    "cut short": '{"name": "top_k", "k"',
    "not a mapping": "[1, 2]",
    "no name": '{"k": 3}',
    "no rule": '{"name": "isotonic", "steps": [0], "values": [0]}',
    "another number": '{"name": "top_k", "k": "three"}',
    "not a number": '{"name": "threshold", "threshold": NaN}',
    "another field": '{"name": "top_k", "n": 3}',
    "nested without end": "[" * 100_000,
    "no number at all": '{"name": "top_k", "k": []}',
    "a list in a list": '{"name": "tuned_threshold", "threshold": [[]]}',
    "no probability": '{"name": "concept_thresholds", "threshold": [0.5, 1.5]}',
    "a number for a calibration": '{"name": "plugin_f1", "calibration": 0}',
    "a rule for a calibration": '{"name": "plugin_f1", "calibration": {"name": "top_k", "k": 3}}',
    "a step too many": '{"name": "plugin_f1", "calibration": {"name": "isotonic", "steps": [0, 1], "values": [0]}}',
    "steps that fall": '{"name": "plugin_f1", "calibration": {"name": "isotonic", "steps": [1, 0], "values": [0, 1]}}',
    "a weight too few": '{"name": "conformal_number", "common_threshold": 0.5, "weights": [1, 1], "radius": 1}',
    "no temperature": '{"name": "plugin_f1", "calibration": {"name": "platt", "temperature": 0, "shift": 0}}',
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_named_and_replaced_by_fitting_again(examples, tmp_path, kind):
    path = tmp_path / "rules" / "top_k.json"
    path.parent.mkdir()
    path.write_text(DAMAGED[kind])
    with pytest.raises(
        ValueError, match=r"top_k\.json holds no decision rule \(.*\); remove it, and fit the rule again"
    ):
        read_rule(path)
    fitted = fit_or_read_rule(tmp_path, "top_k", examples)
    assert read_rule(path) == fitted


@pytest.mark.parametrize("threshold", [[0.5] * 29, [0.5] * 31])
def test_thresholds_of_another_number_of_concepts_and_another_rule_are_replaced(examples, tmp_path, threshold):
    path = rule_file(tmp_path, "concept_thresholds")
    write_json(path, {"name": "concept_thresholds", "threshold": threshold})
    assert fit_or_read_rule(tmp_path, "concept_thresholds", examples).threshold.shape == (30,)
    path.rename(rule_file(tmp_path, "top_k"))
    with pytest.raises(ValueError, match=r"top_k\.json holds the rule 'concept_thresholds'; remove it"):
        read_saved_rule(tmp_path, "top_k", 30)
    assert type(fit_or_read_rule(tmp_path, "top_k", examples)) is RULES["top_k"]


def test_a_saved_rule_is_read_by_name_for_the_same_number_of_concepts(examples, tmp_path):
    fitted = fit_or_read_rule(tmp_path, "concept_thresholds", examples)
    np.testing.assert_array_equal(read_saved_rule(tmp_path, "concept_thresholds", 30).threshold, fitted.threshold)
    with pytest.raises(
        ValueError, match=r"a threshold for each of 30 concepts of the data, and the run predicts 29 of"
    ):
        read_saved_rule(tmp_path, "concept_thresholds", 29)
    fit_or_read_rule(tmp_path, "tuned_threshold", examples)
    read_saved_rule(tmp_path, "tuned_threshold", 29)


def test_a_rule_that_is_not_saved_says_what_saves_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"top_k\.json: .* execute the notebook that trains it again") as no:
        read_saved_rule(tmp_path, "top_k", 30)
    assert str(rule_file(tmp_path, "top_k")) in str(no.value)
    with pytest.raises(ValueError, match=r"rule must be one of threshold, .*; received 'best'"):
        read_saved_rule(tmp_path, "best", 30)
