"""Figures of right and wrong predictions show the numbers of their tables."""

import numpy as np
import pandas as pd
import pytest
from evaluation.test_error_analysis import CONCEPTS, KEPT, TRUE, VOCABULARY

from nblib import figures
from nblib.evaluation import errors_per_image, f1_by_category, f1_by_frequency, most_confused
from nblib.evaluation.error_analysis import count_by_concept
from nblib.figures.style import shortened

A, B, C, D = CONCEPTS
NAMES = {A: "Thorax", B: "Lung", C: "$Heart"}


def name_of(concept):
    return NAMES.get(concept, concept)


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
    figure = figures.draw_grad_cam(pixels, {A: places, B: places.T}, {A: "Thorax"})
    assert [ax.get_title() for ax in figure.axes] == ["the image", "Thorax", B]
    assert [len(ax.images) for ax in figure.axes] == [1, 2, 2]
    assert np.array_equal(figure.axes[1].images[1].get_array(), places)


def test_configurations_have_a_mark_and_an_interval_per_half():
    table = pd.DataFrame(
        {"configuration": ["one", "one", "two", "two"], "half": ["val1", "val2"] * 2, "f1": [0.4, 0.5, 0.6, 0.7]}
    )
    ax = figures.draw_ablation(table.assign(low=table["f1"] - 0.1, high=table["f1"] + 0.1))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two"]
    first, second = ax.lines
    assert first.get_xdata().tolist() == [0.4, 0.6] and second.get_xdata().tolist() == [0.5, 0.7]
    assert ax.collections[0].get_segments()[1][:, 0].tolist() == pytest.approx([0.5, 0.7])
