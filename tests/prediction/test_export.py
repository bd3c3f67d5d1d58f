"""A run as a folder that works without nblib."""

import shutil

import numpy as np
import pandas as pd
import pytest
from finished import finished_run

from nblib.evaluation import rule_as_json, rule_file
from nblib.evaluation.calibration import Isotonic
from nblib.evaluation.decision_rules import ConceptThresholds, ExpectedF1, TopK
from nblib.prediction import export_run
from nblib.system import write_json

STEPS = Isotonic(np.array([-2.0, 0.0, 2.0]), np.array([0.1, 0.4, 0.8]))


@pytest.fixture
def run(sample, tmp_path):
    """A finished run whose data are gone, with some rules."""
    shutil.copytree(sample, tmp_path / "data")
    run = finished_run(tmp_path / "data", tmp_path / "runs")
    shutil.rmtree(tmp_path / "data")
    thresholds = ConceptThresholds(np.linspace(0.1, 0.9, len(run.vocabulary)))
    for name, rule in {"concept_thresholds": thresholds, "expected_f1": ExpectedF1(STEPS), "top_k": TopK(3)}.items():
        write_json(rule_file(run.folder, name), rule_as_json(rule))
    return run


def test_the_folder_holds_concepts_in_the_order_of_the_outputs_thresholds_and_calibration(run, tmp_path):
    assert export_run(run.folder, tmp_path / "to", "saved_model", "concept_thresholds") < 1e-4
    names = {path.name for path in (tmp_path / "to").iterdir()}
    assert names == {"saved_model", "concepts.csv", "calibration.csv", "predict.py", "README.md"}
    assert (tmp_path / "to" / "README.md").read_text().startswith("---\nlibrary_name: keras\n")
    table = pd.read_csv(tmp_path / "to" / "concepts.csv")
    assert list(table) == ["concept", "name", "images", "threshold"]
    assert tuple(table["concept"]) == run.vocabulary.concepts
    assert table["name"].tolist() == run.concepts["name"].tolist()
    np.testing.assert_allclose(table["threshold"], np.linspace(0.1, 0.9, len(table)))
    steps = pd.read_csv(tmp_path / "to" / "calibration.csv")
    assert (steps["log_odds"].tolist(), steps["calibrated"].tolist()) == (STEPS.steps.tolist(), STEPS.values.tolist())


def test_an_older_run_has_neither_names_nor_calibration(run, tmp_path):
    shutil.rmtree(run.folder / "rules")
    (run.folder / "concepts.csv").unlink()
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "calibration.csv").write_text("of another run")
    (tmp_path / "to" / "README.md").write_text("stays")
    export_run(run.folder, tmp_path / "to", "saved_model")
    names = {path.name for path in (tmp_path / "to").iterdir()}
    assert names == {"saved_model", "concepts.csv", "predict.py", "README.md"}
    assert (tmp_path / "to" / "README.md").read_text() == "stays"
    table = pd.read_csv(tmp_path / "to" / "concepts.csv")
    assert tuple(table["concept"]) == run.vocabulary.concepts
    assert table["name"].isna().all() and (table["threshold"] == 0.5).all()


def test_rules_that_are_no_threshold_or_not_fitted_are_refused(run, tmp_path):
    with pytest.raises(ValueError, match="selects by thresholds, which the rule 'top_k' has not: choose threshold, "):
        export_run(run.folder, tmp_path / "to", rule="top_k")
    with pytest.raises(FileNotFoundError, match=r"no file .*tuned_threshold\.json: "):
        export_run(run.folder, tmp_path / "to", rule="tuned_threshold")
    with pytest.raises(FileNotFoundError, match=r"no finished run in .*nowhere"):
        export_run(run.folder.parent / "nowhere", tmp_path / "to")
    assert not (tmp_path / "to").exists()
