import hashlib
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from nblib.data import Examples
from nblib.evaluation import RULES, Threshold, evaluate, read_submission
from nblib.evaluation.challenge import YEARS
from nblib.evaluation.submission_check import check_submission
from nblib.reports.submissions import enter_online_score, remaining_budget, score_submissions, submissions, submit


@pytest.fixture(scope="module")
def answered_ids(sample_dataset):
    return sample_dataset.split("test")["image_id"].tolist()


@pytest.fixture(scope="module")
def predicted(sample_dataset, vocabulary):
    """The test images in another order than that of a submission, with probabilities."""
    images = Examples.of(sample_dataset.split("test")[::-1], vocabulary)
    probabilities = np.random.default_rng(5).uniform(size=images.labels.shape).astype(np.float32) ** 4
    return replace(images, probabilities=probabilities)


@pytest.fixture
def write(run, predicted, answered_ids):
    """Submits what a rule selects for them."""
    return partial(submit, run, predicted, answered_ids)


@pytest.mark.parametrize("year", YEARS)
def test_a_submission_has_the_concepts_of_each_image_in_the_challenges_order(write, predicted, answered_ids, year):
    path = write(Threshold(0.9), 100, year=year)
    assert not any(problem.serious for problem in check_submission(path, answered_ids, year))
    concepts = np.array(predicted.vocabulary.concepts)
    rows = zip(predicted.image_ids, predicted.probabilities, strict=True)
    expected = {image_id: set(concepts[row > 0.9]) for image_id, row in rows}
    answered = read_submission(path, year)
    assert list(answered) == answered_ids
    assert {image_id: set(answer) for image_id, answer in answered.items()} == expected


def test_each_submission_is_a_file_of_its_own_with_a_record(write, run):
    rules = [(Threshold(0.9), False, 2020), (Threshold(0.9), True, 2020), (RULES["top_k"](4), False, 2026)]
    paths = [write(rule, 50, nomissing, year) for rule, nomissing, year in rules]
    folder = run.folder / "submissions"
    assert paths == [folder / "1_threshold.txt", folder / "2_threshold_nomissing.txt", folder / "3_top_k.zip"]
    record = json.loads((folder / "2_threshold_nomissing.json").read_text())
    date = record.pop("date")
    assert pd.Timestamp(date).tzinfo
    assert record == {
        "file": "2_threshold_nomissing.txt", "experiment_name": "small", "validation_half": "val1",
        "identity": run.facts["identity"], "rule": "threshold", "thresholds": {"threshold": 0.9}, "cap": 50,
        "nomissing": True, "year": 2020, "images": 12, "sha256": hashlib.sha256(paths[1].read_bytes()).hexdigest(),
        "online_f1": None,
    }  # fmt: skip


def test_what_is_there_is_neither_overwritten_nor_written_again(write, run):
    first = write(Threshold(0.9), 100)
    enter_online_score(run.folder, str(first), 0.5)
    files = {path.name: path.read_bytes() for path in first.parent.iterdir()}
    assert write(Threshold(0.9), 100) == first
    assert {path.name: path.read_bytes() for path in first.parent.iterdir()} == files
    assert write(Threshold(0.8), 100).name == "2_threshold.txt"
    assert files.items() <= {path.name: path.read_bytes() for path in first.parent.iterdir()}.items()


def test_an_image_without_probabilities_is_submitted_without_concepts(predicted, write):
    answered = read_submission(write.func(*write.args[:2], ["not predicted", *write.args[2]], Threshold(0.1), 100))
    assert [image_id for image_id, concepts in answered.items() if not concepts] == ["not predicted"]


def test_the_ledger_lists_all_submissions_and_scores_those_of_the_truths_images(write, run):
    paths = [write(RULES["top_k"](k), 100) for k in range(1, 12)]
    table = submissions(run.folder.parent.parent)
    assert table["path"].tolist() == paths  # 2 before 10
    assert table["thresholds"].tolist() == [{"k": k} for k in range(1, 12)]
    truth = read_submission(paths[4])
    scored = score_submissions(run.folder, truth)
    assert scored["f1"].tolist() == [evaluate(truth, read_submission(path))[0] for path in paths]
    assert scored["f1"][4] == 1 and scored["f1"][3] < 1
    assert score_submissions(run.folder, {"other": ()})["f1"].isna().all()


def test_the_budget_counts_what_has_an_online_score(write, run):
    runs = run.folder.parent.parent
    for k in (1, 2, 3):
        write(RULES["top_k"](k), 100)
    write(RULES["top_k"](1), 100, year=2026)
    assert enter_online_score(runs, "small/val1/submissions/2_top_k.txt", 0.25).name == "2_top_k.txt"
    table = submissions(runs)
    assert table["online_f1"].fillna(-1).tolist() == [-1, 0.25, -1, -1]
    assert remaining_budget(table) == {
        2020: "1 of 3 submissions have an online score; 9 of 10 are left",
        2026: "0 of 1 submissions have an online score; the budget is not known",
    }


def test_an_online_score_needs_one_unchanged_file_and_an_f1(write, run):
    path = write(Threshold(0.9), 100)
    with pytest.raises(ValueError, match=r"'2_top_k.txt' must name one submission below .*; there are: .*1_threshold"):
        enter_online_score(run.folder, "2_top_k.txt", 0.5)
    with pytest.raises(ValueError, match="an online score is an F1 from 0 to 1; received 37"):
        enter_online_score(run.folder, "1_threshold.txt", 37)
    path.write_text("changed")
    with pytest.raises(ValueError, match="has changed since it was written"):
        enter_online_score(run.folder, "1_threshold.txt", 0.37)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"file": 3}', "\ud83d"])
def test_a_damaged_record_hides_no_other(write, run, content):
    path = write(Threshold(0.9), 100)
    path.with_name("2_top_k.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    table = submissions(run.folder)
    assert table["path"].tolist() == [path, path.with_name("2_top_k.json")]
    assert "2_top_k.json is no record of a submission" in table["damaged"][1]
    assert write(RULES["top_k"](2), 100).name == "3_top_k.txt"
    assert score_submissions(run.folder, {})["path"].tolist() == [path, path.with_name("3_top_k.txt")]
    assert remaining_budget(table) == {2020: "0 of 1 submissions have an online score; 10 of 10 are left"}
