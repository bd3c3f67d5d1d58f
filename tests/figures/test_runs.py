"""Figures of runs show their numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from nblib import figures
from nblib.data import ConceptVocabulary, validation_halves
from nblib.experiments import Experiment, open_run
from nblib.reports import against_paper


@pytest.fixture(scope="module")
def labelled(sample_dataset):
    return sample_dataset.split("train", "val")


def test_predictions_are_shown_as_right_missed_and_wrong(sample_dataset, labelled, tmp_path):
    """A run that always predicts the first image's concepts: all right there, as many wrong as not shared elsewhere."""
    experiment = Experiment(runs=str(tmp_path))
    vocabulary = ConceptVocabulary.of(labelled["concepts"])
    half = validation_halves(sample_dataset.images)[experiment.test_half]
    predicted = half["concepts"][0]
    run = open_run(experiment, sample_dataset, vocabulary)
    probabilities = np.repeat(vocabulary.encode([predicted]).toarray().astype(np.float32), len(half), axis=0)
    run.write_probabilities(experiment.test_half, half["image_id"].to_numpy(str), probabilities)

    figure = figures.draw_predictions(sample_dataset, run, number=len(half), size=32)
    concepts_of = half.set_index("image_id")["concepts"]
    assert sorted(ax.get_title().split()[0] for ax in figure.axes) == sorted(concepts_of.index)
    for ax in figure.axes:
        true = set(concepts_of[ax.get_title().split()[0]])
        shown = [text.get_text().split(":")[0] for text in ax.texts]
        expected = [len(true & {*predicted}), len(true - {*predicted}), len({*predicted} - true)]
        words = ["right"] * expected[0] + ["missed"] * expected[1] + ["wrong"] * expected[2]
        assert shown[:12] == words[:12]


HISTORY = pd.DataFrame(
    {"epoch": [1, 2, 3], "loss": [0.3, 0.2, 0.1], "f1": [0.1, 0.3, 0.5], "val_loss": [0.4, 0.3, 0.35],
     "val_f1": [0.1, 0.4, 0.2]}
)  # fmt: skip


def points_of(line):
    return list(zip(line.get_xdata(), line.get_ydata(), strict=True))


def test_curves_of_one_run_show_training_too_and_mark_the_best_epoch():
    left, right = figures.draw_training_curves({"mine": HISTORY}).axes
    assert [points_of(line) for line in left.lines] == [
        [(1, 0.4), (2, 0.3), (3, 0.35)], [(2, 0.3)], [(1, 0.3), (2, 0.2), (3, 0.1)]
    ]  # fmt: skip
    assert [points_of(line) for line in right.lines] == [
        [(1, 0.1), (2, 0.4), (3, 0.2)], [(2, 0.4)], [(1, 0.1), (2, 0.3), (3, 0.5)]
    ]  # fmt: skip
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["mine", "training images"]


def test_curves_of_two_runs_show_their_validation_halves_only():
    left, right = figures.draw_training_curves({"mine": HISTORY, "yours": HISTORY.head(2)}).axes
    assert [len(line.get_xdata()) for line in left.lines] == [3, 1, 2, 1]
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["mine", "yours"]


def test_loss_slices_have_a_panel_per_loss_and_a_line_per_label_space():
    rows = [(loss, sigmoids, margin, margin * sigmoids)
            for loss in ("bce", "one_minus_f1") for sigmoids in (10, 3047) for margin in (0.0, 5.0, 10.0)]  # fmt: skip
    figure = figures.draw_loss_slices(pd.DataFrame(rows, columns=["loss", "sigmoids", "margin", "value"]))
    assert [ax.get_title() for ax in figure.axes] == ["bce", "one_minus_f1"]
    for ax in figure.axes:
        lines = [points_of(line) for line in ax.lines if len(line.get_xdata())]
        assert lines == [[(0, 0), (5, 50), (10, 100)], [(0, 0), (5, 15235), (10, 30470)]]


def test_bars_beside_the_paper_are_our_f1_the_baseline_and_the_papers():
    table = pd.DataFrame(
        {"experiment_name": ["03_vgg16_flipped", "mine"], "validation_half": ["val1", "val2"], "test_f1": [0.41, 0.42],
         "baseline_f1": [0.31, 0.32], "paper_f1": [0.3475, None], "data": "synthetic phantoms"}
    )  # fmt: skip
    ax = figures.draw_against_paper(table)
    drawn = [[bar.get_width() for bar in bars if bar.get_width() > 0] for bars in ax.containers]
    assert drawn == [[0.41, 0.42], [0.31, 0.32], [0.3475]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["03_vgg16_flipped, val1", "mine, val2"]
    assert ax.get_legend().get_texts()[0].get_text() == "synthetic phantoms"


def test_without_runs_the_bars_beside_the_paper_are_none():
    ax = figures.draw_against_paper(against_paper([]))
    assert not ax.patches


def test_the_threshold_curve_shows_the_scores_it_was_given():
    curve, paper = figures.draw_thresholds([0.1, 0.5, 0.9], [0.9, 0.5, 0.1]).lines
    assert points_of(curve) == [(0.1, 0.9), (0.5, 0.5), (0.9, 0.1)]
    assert list(paper.get_xdata()) == [0.5, 0.5]
    ax = plt.figure().add_subplot()
    assert figures.draw_thresholds([0.5], [0.7], ax=ax) is ax
