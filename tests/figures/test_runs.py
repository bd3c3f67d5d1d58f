"""Figures of runs and of right and wrong predictions show the numbers of their tables."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from evaluation.test_error_analysis import CONCEPTS, KEPT, TRUE, VOCABULARY

from nblib import figures
from nblib.data import ConceptVocabulary, validation_halves
from nblib.evaluation import errors_per_image, f1_by_category, f1_by_frequency, most_confused
from nblib.evaluation.error_analysis import count_by_concept
from nblib.experiments import Experiment, open_run
from nblib.figures.style import shortened
from nblib.reports import against_paper

A, B, C, D = CONCEPTS
NAMES = {A: "Thorax", B: "Lung", C: "$Heart"}


def name_of(concept):
    return NAMES.get(concept, concept)


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


def test_f1_by_category_is_drawn_with_its_intervals():
    table = f1_by_category(["DRCT", "DRXR", "DRCT", "DRMR"], TRUE, KEPT)
    ax = figures.draw_f1_by(table, "by hand")
    assert ax.lines[0].get_xdata().tolist() == pytest.approx([7 / 12, 1])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["DRCT (2)", "DRXR (1)"]
    assert ax.get_title() == "F1 by category (by hand)"
    drawn = ax.collections[0].get_segments()[0][:, 0]
    assert drawn.tolist() == pytest.approx(table.loc["DRCT", ["low", "high"]].tolist())


def test_bands_of_concepts_have_three_curves():
    table = f1_by_frequency(TRUE, KEPT, train_counts=[500, 2, 1, 0])
    ax = figures.draw_frequency(table)
    drawn = {line.get_label(): line.get_ydata().tolist() for line in ax.lines}
    assert drawn["F1"] == table["f1"].tolist() and drawn["recall"] == table["recall"].tolist()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1-2\n2 concepts", "300+\n1 concepts"]


def test_missed_concepts_are_bars_of_right_missed_and_wrong():
    table = count_by_concept(TRUE, KEPT, VOCABULARY).loc[[A, B]]
    ax = figures.draw_missed(table, name_of)
    widths = {bars.get_label(): [bar.get_width() for bar in bars] for bars in ax.containers}
    assert widths == {"right": [2, 0], "missed": [0, 2], "wrong": [1, 0]}
    assert [label.get_text() for label in ax.get_yticklabels()] == [f"Thorax  {A}", f"Lung  {B}"]


def test_confusions_name_both_concepts():
    ax = figures.draw_confused(most_confused(TRUE, KEPT, VOCABULARY), name_of)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Lung  →  $Heart"]
    assert [bar.get_width() for bar in ax.patches] == [1]


def test_calibration_is_drawn_beside_the_diagonal():
    table = pd.DataFrame({"predicted": [0.1, 0.9], "observed": [0.2, 0.6], "decisions": [5, 5]})
    ax = figures.draw_calibration({"raw": table})
    diagonal, line = ax.lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert line.get_xydata().tolist() == [[0.1, 0.2], [0.9, 0.6]] and line.get_label() == "raw"


def test_predicted_concepts_are_listed_below_their_pictures(sample_dataset):
    images = sample_dataset.split("train").head(4)
    errors = errors_per_image(images, TRUE, KEPT, VOCABULARY)
    figure = figures.draw_predicted_concepts(sample_dataset, errors, size=32)
    assert [ax.get_title().splitlines()[1] for ax in figure.axes] == ["F1 1.00", "F1 0.67", "F1 0.50"]
    assert [text.get_text() for text in figure.axes[2].texts] == [
        f"{word}: {shortened(sample_dataset.name_of(concept), 30)}"
        for word, concept in (("right", A), ("missed", B), ("wrong", C))
    ]


def test_a_sixth_picture_begins_a_second_row(sample_dataset):
    images = sample_dataset.split("train").head(6)
    errors = errors_per_image(images, np.ones((6, 4)), np.ones((6, 4)), VOCABULARY)
    figure = figures.draw_predicted_concepts(sample_dataset, errors, size=32)
    assert len(figure.axes) == 6
    assert figure.axes[5].get_position().y1 < figure.axes[0].get_position().y0


def test_grad_cam_lies_over_the_image():
    pixels, places = np.zeros((8, 8, 3), np.uint8), np.eye(8, dtype=np.float32)
    figure = figures.draw_grad_cam(pixels, {A: places, C: places.T}, name_of)
    assert [ax.get_title() for ax in figure.axes] == ["the image", "Thorax", "$Heart"]
    assert [len(ax.images) for ax in figure.axes] == [1, 2, 2]
    assert np.array_equal(figure.axes[1].images[1].get_array(), places)


def test_configurations_have_a_mark_and_an_interval_per_half():
    tables = {
        "some": pd.DataFrame({"configuration": ["one", "two"], "f1": [0.4, 0.6]}),
        "all": pd.DataFrame({"configuration": ["one", "three", "two"], "f1": [0.5, 0.1, 0.7]}),
    }
    ax = figures.draw_ablation(
        {way: each.assign(low=each["f1"] - 0.1, high=each["f1"] + 0.1) for way, each in tables.items()}
    )
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "three", "two"]
    first, second = ax.lines
    assert first.get_xdata().tolist() == [0.4, 0.6] and second.get_xdata().tolist() == [0.5, 0.1, 0.7]
    assert ax.collections[0].get_segments()[1][:, 0].tolist() == pytest.approx([0.5, 0.7])
