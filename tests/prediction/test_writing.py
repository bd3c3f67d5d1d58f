"""Predictions as files."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from nblib.data import ConceptVocabulary, Problem
from nblib.evaluation import read_submission
from nblib.prediction import print_predictions, write_predictions
from nblib.prediction.predictor import Predictions

VOCABULARY = ConceptVocabulary(("C0000001", "C0000002", "C0000003"))
NAMES = {"C0000001": 'thorax, "AP"', "C0000003": "lung"}


@pytest.fixture
def blocks():
    """Two batches: images a, with two concepts, and b, with none; then c, with one that has no name."""
    problem = Problem("bad.jpg", "can't be read.")
    first = np.array([[0.6, 0.2, 0.9], [0.1, 0.1, 0.1]], np.float32), [[1, 0, 1], [0, 0, 0]]
    second = np.array([[0.1, 0.75, 0.1]], np.float32), [[0, 1, 0]]
    return [
        Predictions(ids, probabilities, sparse.csr_array(selected), VOCABULARY, NAMES, problems)
        for ids, (probabilities, selected), problems in ((("a", "b"), first, ()), (("c",), second, (problem,)))
    ]


def test_csv(blocks, tmp_path):
    images, problems = write_predictions(tmp_path / "p.csv", blocks, "csv")
    assert (images, problems) == (3, [Problem("bad.jpg", "can't be read.")])
    table = pd.read_csv(tmp_path / "p.csv", keep_default_na=False)
    assert table.to_numpy().tolist() == [
        ["a", "C0000003;C0000001", 'lung;thorax, "AP"', "0.900000;0.600000"],
        ["b", "", "", ""],
        ["c", "C0000002", "", "0.750000"],
    ]


def test_json_and_parquet_hold_the_same_lists(blocks, tmp_path):
    write_predictions(tmp_path / "p.json", blocks, "json")
    write_predictions(tmp_path / "p.parquet", blocks, "parquet")
    rows = json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))
    assert rows[0]["concepts"] == ["C0000003", "C0000001"] and rows[1]["concepts"] == []
    table = pd.read_parquet(tmp_path / "p.parquet")
    for row, (_, stored) in zip(rows, table.iterrows(), strict=True):
        assert row["image_id"] == stored["image_id"] and row["names"] == list(stored["names"])
        np.testing.assert_array_equal(np.float32(row["probabilities"]), stored["probabilities"])


def test_submission_is_one_that_can_be_scored(blocks, tmp_path):
    write_predictions(tmp_path / "s.txt", blocks, "submission")
    assert read_submission(tmp_path / "s.txt") == {"a": ("C0000003", "C0000001"), "b": (), "c": ("C0000002",)}


def test_json_of_nothing_is_an_empty_list(tmp_path):
    assert write_predictions(tmp_path / "p.json", [], "json") == (0, [])
    assert json.loads((tmp_path / "p.json").read_text()) == []


def test_an_error_leaves_the_older_file_as_it_was(blocks, tmp_path):
    (tmp_path / "p.csv").write_text("older")

    def broken():
        yield blocks[0]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        write_predictions(tmp_path / "p.csv", broken(), "csv")
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"] and (tmp_path / "p.csv").read_text() == "older"


def test_an_unknown_format_is_refused(blocks, tmp_path):
    with pytest.raises(ValueError, match="format must be one of csv, json, parquet, submission; received 'xml' for"):
        write_predictions(tmp_path / "p.xml", blocks)


def test_printed(blocks, capsys):
    assert print_predictions(blocks)[0] == 3
    assert capsys.readouterr().out.splitlines() == [
        "a",
        "  C0000003  0.900  lung",
        '  C0000001  0.600  thorax, "AP"',
        "b",
        "c",
        "  C0000002  0.750",
    ]
