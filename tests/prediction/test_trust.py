"""What a run knows of the concepts that it finds."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from nblib.data import ConceptVocabulary
from nblib.evaluation import rule_as_json, rule_file
from nblib.evaluation.calibration import PlattScaling
from nblib.evaluation.decision_rules import ExpectedF1
from nblib.prediction import trust_table
from nblib.prediction.predictor import Predictions
from nblib.system import write_json

A, B, C = "C0000001", "C0000002", "C0000003"
PROBABILITIES = np.array([[0.9, 0.6, 0.1], [0.2, 0.8, 0.3]], np.float32)


@pytest.fixture
def predictions():
    """Of two images: A and B in the first one, B in the second; C in none."""
    selected = sparse.csr_array(PROBABILITIES > 0.5).astype(np.uint8)
    return Predictions(("one", "two"), PROBABILITIES, selected, ConceptVocabulary((A, B, C)), {A: "Thorax"})


@pytest.fixture
def finished(run):
    (run.folder / "vocabulary.txt").write_text(f"{A}\n{B}\n{C}\n")
    (run.folder / "concepts.csv").write_text(f"concept,name,images\n{A},Thorax,7\n{B},,1\n{C},,2\n")
    scores = {"true": [4, 2, 0], "right": [3, 0, 0], "wrong": [1, 0, 0], "precision": [0.75, np.nan, np.nan],
              "recall": [0.75, 0, np.nan], "f1": [0.75, 0, np.nan], "predicted": [0.8, np.nan, np.nan]}  # fmt: skip
    run.write_concept_scores(pd.DataFrame(scores, index=pd.Index([A, B, C], name="concept")))
    write_json(rule_file(run.folder, "expected_f1"), rule_as_json(ExpectedF1(PlattScaling(temperature=2.0, shift=0.0))))
    return type(run)(run.folder)


def test_what_is_known_of_each_concept_found_stands_beside_it(finished, predictions):
    table = trust_table(finished, predictions)
    assert table.index.tolist() == [B, A]
    assert table["name"].tolist() == ["", "Thorax"]
    assert table["selected"].tolist() == [2, 1]
    np.testing.assert_allclose(table["probability"], [0.7, 0.9], atol=1e-6)
    calibrated = [1 / (1 + ((1 - p) / p) ** 0.5) for p in (0.6, 0.8, 0.9)]  # half the log odds: temperature 2
    np.testing.assert_allclose(table["calibrated"], [(calibrated[0] + calibrated[1]) / 2, calibrated[2]], atol=1e-6)
    assert table["train"].tolist() == [1, 7] and table["true"].tolist() == [2, 4]
    assert table["precision"].tolist()[1] == 0.75 and np.isnan(table["precision"].iloc[0])


def test_a_run_of_an_older_version_knows_less(finished, predictions):
    rule_file(finished.folder, "expected_f1").unlink()
    for name in ("concepts.csv", "concept_scores.csv"):
        (finished.folder / name).unlink()
    table = trust_table(type(finished)(finished.folder), predictions)
    assert "calibrated" not in table and table["selected"].tolist() == [2, 1]
    assert table[["train", "true", "f1"]].isna().all(axis=None)
