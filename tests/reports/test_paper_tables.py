"""Tables 3 and 4 filled with a few runs and submissions, compared with the cells of the paper."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nblib.data import Examples
from nblib.evaluation import RULES, Threshold, evaluate, read_submission
from nblib.experiments import table_3, table_4
from nblib.reports.paper_tables import PAPER_RULE, fill_table_3, fill_table_4, scored_submissions
from nblib.reports.submissions import enter_online_score, submit
from nblib.reports.tables import differences_from_paper

COLUMNS = ["run", "experiment_name", "validation_half", "data", "file", "year", "rule", "nomissing", "f1"]
NONE = pd.DataFrame(columns=COLUMNS)


def submission(f1, name="09_vgg16_f1_times_bce", half="val1", run="somewhere", **others):
    as_the_paper = {"rule": PAPER_RULE, "nomissing": False, "data": "phantoms", "year": 2020}
    return {"run": run, "experiment_name": name, "validation_half": half, "f1": f1, **as_the_paper, **others}


def test_table_4_has_ours_only_where_it_was_made_as_the_papers():
    """Plain and nomissing apart, only from the run of val1, only by the paper's rule, only for its year."""
    ours = [
        submission(0.1), submission(0.2, nomissing=True), submission(0.3, half="val2"), submission(0.4, rule="another"),
        submission(0.5, year=2026),
        submission(0.8, name="05_resnet50", nomissing=True), submission(0.9, name="mine"),
    ]  # fmt: skip
    filled = fill_table_4(pd.DataFrame(ours)).set_index("submission")
    assert filled["f1_here"].dropna().to_dict() == {"vgg16-f1-bce-nomissing": 0.2, "vgg16-f1-bce": 0.1}
    assert filled["f1_paper"].tolist() == table_4()["f1"].tolist() and filled["rank"].tolist() == [12, 13, 17, 18, 19]


@pytest.mark.parametrize(
    ("rule", "cap", "named"),
    [
        (Threshold(0.5), 100, PAPER_RULE),
        (Threshold(0.4), 100, "threshold 0.4, at most 100 concepts"),
        (Threshold(0.5), 10, "threshold 0.5, at most 10 concepts"),
        (RULES["top_k"](3), 100, "top_k, at most 100 concepts"),
    ],
)
def test_a_submission_is_the_papers_only_by_its_rule(run, sample_dataset, rule, cap, named):
    test = Examples.of(sample_dataset.split("test"), run.vocabulary)
    probabilities = np.random.default_rng(5).uniform(0, 0.6, test.labels.shape).astype(np.float32)
    test = replace(test, probabilities=probabilities)
    paths = [submit(run, test, test.image_ids, rule, cap, nomissing) for nomissing in (False, True)]
    assert len(scored_submissions([run])) == 0  # the run is not finished
    run.write_scores({"test_f1": 0.5})
    table = scored_submissions([run])
    assert table[["file", "nomissing", "rule"]].to_numpy().tolist() == [
        [paths[0].name, False, named],
        [paths[1].name, True, named],
    ]
    truth = sample_dataset.test_concepts
    assert table["f1"].tolist() == [evaluate(truth, read_submission(path))[0] for path in paths]
    enter_online_score(run.folder, str(paths[1]), 0.375)
    assert scored_submissions([run])["f1"].tolist() == [table["f1"][0], 0.375]
    run.facts["data_fingerprint"] = "of data that have changed since"
    assert scored_submissions([run])["f1"].fillna(0).tolist() == [0, 0.375]


def test_table_4_has_a_row_for_each_data_set_and_is_the_papers_without_ours():
    ours = [submission(0.1), submission(0.2, data="openrad")]
    assert fill_table_4(pd.DataFrame(ours))["f1_here"].dropna().tolist() == [0.1, 0.2]
    assert len(fill_table_4(NONE)) == 5 and fill_table_4(NONE)["f1_here"].isna().all()


def test_table_3_has_ours_beside_the_papers_half_by_half(leave_run):
    first = leave_run("03_vgg16_flipped", scored=0.31)
    runs = [first, leave_run("03_vgg16_flipped", half="val2", scored=0.32), leave_run("mine"),
            leave_run("09_vgg16_f1_times_bce", scored=None)]  # fmt: skip
    ours = [submission(0.2, "03_vgg16_flipped", run=str(first.folder), nomissing=True),
            submission(0.3, "03_vgg16_flipped", run=str(first.folder)),
            submission(0.4, "03_vgg16_flipped", run="another")]  # fmt: skip
    filled = fill_table_3(runs, pd.DataFrame(ours))
    assert list(filled.index) == list(table_3().index)
    differing = len(differences_from_paper(first.experiment))
    assert filled.loc["03_vgg16_flipped"].to_dict() == {
        "val1 epoch, paper": 9, "val1 epoch, here": 2, "val1 F1, paper": 0.3475, "val1 F1, here": 0.31,
        "val2 epoch, paper": 9, "val2 epoch, here": 2, "val2 F1, paper": 0.3455, "val2 F1, here": 0.32,
        "online F1, paper": 0.363, "online F1, here": 0.3,
        "data": "phantoms", "conditions": f"{differing} differ",
    }  # fmt: skip
    others = filled.drop(index="03_vgg16_flipped")
    assert others.filter(like="here").isna().all(axis=None) and others["data"].isna().all()


def test_runs_of_two_folders_are_two_rows_and_never_one_mean(leave_run, tmp_path):
    runs = [leave_run("05_resnet50", scored=0.1), leave_run("05_resnet50", scored=0.3, runs=str(tmp_path / "others"))]
    filled = fill_table_3(runs, NONE)
    assert filled.loc["05_resnet50", "val1 F1, here"].tolist() == [0.1, 0.3] and len(filled) == 11


def test_what_crashed_says_so_and_what_is_not_legible_is_blank(leave_run):
    filled = fill_table_3([], NONE)
    assert filled.loc["04_vgg16_450px", ["val1 F1, paper", "val2 F1, paper"]].tolist() == ["crash", 0.3417]
    assert pd.isna(filled.loc["04_vgg16_450px", "val1 epoch, paper"])
    assert filled["online F1, paper"].dropna().tolist() == [0.363, 0.365, 0.36, 0.374]


@pytest.mark.parametrize("other", [{}, {"precision": "mixed_float16"}])
def test_conditions_are_the_papers_only_if_those_of_both_halves_are(leave_run, other):
    small = {"backbone": "VGG16", "weights": "imagenet"}
    runs = [leave_run("03_vgg16_flipped", **small), leave_run("03_vgg16_flipped", half="val2", **small, **other)]
    says = "1 differ" if other else "the paper's"
    assert fill_table_3(runs, NONE).loc["03_vgg16_flipped", "conditions"] == says
