"""What a finished run keeps for those who use it without its data."""

import numpy as np
import pandas as pd
import pytest

from nblib.data import validation_halves
from nblib.evaluation import RULES, concept_scores, f1_by_category, fit_rule, rule_as_json, select
from nblib.evaluation.saved_rules import read_rule
from nblib.experiments import Run, read_half
from nblib.training.rules import save_rules_and_concept_scores

FITTED = sorted(set(RULES) - {"threshold"})


@pytest.fixture
def predicted(run, sample_dataset):
    """The run with probabilities of both halves."""
    images = validation_halves(sample_dataset.images)
    for name in ("val1", "val2"):
        values = np.random.default_rng(3).random((len(images[name]), len(run.vocabulary)), np.float32)
        run.write_probabilities(name, images[name]["image_id"], values)
    return run


def test_rules_are_fitted_on_the_validation_half_and_concepts_scored_on_the_test_half(predicted, sample_dataset):
    save_rules_and_concept_scores(predicted, sample_dataset)
    assert sorted(path.stem for path in (predicted.folder / "rules").iterdir()) == FITTED
    validation, test = (read_half(predicted, sample_dataset, name) for name in ("val1", "val2"))
    for name in FITTED:
        saved = read_rule(predicted.folder / "rules" / f"{name}.json")
        assert rule_as_json(saved) == rule_as_json(fit_rule(name, validation))
    expected = concept_scores(test.labels, test.probabilities, test.vocabulary)
    pd.testing.assert_frame_equal(
        Run(predicted.folder).concept_scores, expected, check_index_type=False, check_dtype=False
    )
    by_category = f1_by_category(test.categories, test.labels, select(test.probabilities))
    pd.testing.assert_frame_equal(Run(predicted.folder).category_scores, by_category, check_index_type=False)


def test_only_what_is_missing_is_saved(predicted, sample_dataset):
    save_rules_and_concept_scores(predicted, sample_dataset)
    before = {path: path.stat().st_mtime_ns for path in predicted.folder.rglob("*.*")}
    lost = predicted.folder / "rules" / "top_k.json"
    content = lost.read_text()
    lost.unlink()
    save_rules_and_concept_scores(Run(predicted.folder), sample_dataset)
    assert lost.read_text() == content
    after = {path: path.stat().st_mtime_ns for path in predicted.folder.rglob("*.*")}
    assert {path for path in after if after[path] != before[path]} <= {lost}
