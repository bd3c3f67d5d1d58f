"""The figures of notebooks 01 and 02 that are drawn from counts: what stands in them is what was counted."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from data.test_counting import SIX, A, B, C, D

from nblib import figures
from nblib.data import (
    Examples,
    choose_concepts,
    concept_counts,
    drift,
    f1_ceiling,
    indicative_concepts,
    lift_table,
    most_frequent,
)

NAMES = {A: "Thorax", B: "A term that is far longer than what can stand beside a row of a figure"}


def name_of(concept):
    return NAMES.get(concept, concept)


@pytest.fixture
def six():
    return Examples.of(SIX)


def row_names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_bars_of_the_top_concepts_are_their_counts_most_frequent_on_top(six):
    (ax,) = figures.draw_top_concepts_by_split({"train": most_frequent(six, 3)}, name_of).axes
    assert [bar.get_width() for bar in ax.patches] == [3, 3, 2]
    assert row_names(ax)[0] == f"Thorax  {A}" and row_names(ax)[2] == C
    assert ax.yaxis_inverted()
    assert ax.get_title() == "train: 3 most frequent"


def test_each_split_has_a_panel_in_its_own_order_and_colour(six):
    tops = {split: most_frequent(six.where(split=split)) for split in ("train", "val")}
    left, right = figures.draw_top_concepts_by_split(tops, data="six").axes
    assert row_names(left) == [A, B, C] and row_names(right) == [A, B, C, D]
    assert [bar.get_width() for bar in right.patches] == [1, 1, 1, 1]
    assert left.get_title() == "train: 3 most frequent (six)"
    assert left.patches[0].get_facecolor() != right.patches[0].get_facecolor()


def test_drift_shows_both_shares_and_the_ratio(six):
    table = drift(six)
    left, right = figures.draw_drift(table, name_of, "six").axes
    train, val = left.lines
    assert list(train.get_xdata()) == table["train"].tolist() and list(val.get_xdata()) == table["val"].tolist()
    ratio, one = right.lines
    assert list(ratio.get_xdata())[:3] == [1, 1, 2] and list(one.get_xdata()) == [1, 1]
    (intervals,) = right.collections
    assert intervals.get_segments()[2][:, 0] == pytest.approx(table.loc[C, ["low", "high"]].astype(float))
    left.figure.canvas.draw()


def test_ranks_fall_and_rare_concepts_are_counted():
    ax = figures.draw_ranks(pd.Series([3, 40, 10, 0, 9]), "six")
    dots, ten = ax.lines
    assert list(dots.get_xdata()) == [1, 2, 3, 4] and list(dots.get_ydata()) == [40, 10, 9, 3]
    assert list(ten.get_ydata()) == [10, 10]
    assert [text.get_text() for text in ax.texts] == ["2 of 4 concepts have fewer than 10 images"]
    assert ax.get_title() == "The long tail: concepts by rank (six)"


def test_lift_is_drawn_as_log2_with_what_never_meets_left_grey(six):
    table = lift_table(six, [A, B, C])
    heatmap = next(ax for ax in figures.draw_lift(table, name_of, "six").axes if ax.get_xticklabels() and row_names(ax))
    order = [label.get_text() for label in heatmap.get_xticklabels()]
    drawn = heatmap.collections[0].get_array().reshape(3, 3)
    for row, one in enumerate(order):
        for column, other in enumerate(order):
            lift = table.loc[one, other]
            hidden = one == other or lift == 0
            assert np.ma.getmaskarray(drawn)[row, column] == hidden
            assert hidden or drawn[row, column] == pytest.approx(np.log2(lift))
    assert sorted(label.split()[-1] for label in row_names(heatmap)) == [A, B, C]


def test_shares_by_category_are_written_as_percentages_and_zeros_are_left_empty(six):
    ax = figures.draw_indicative_concepts(indicative_concepts(six, each=2), name_of, "six")
    assert [text.get_text() for text in ax.texts[:2]] == ["100%", ""]
    assert sorted(text.get_text() for text in ax.texts) == sorted(["100%", "", "67%", "33%", "", "100%"])
    assert row_names(ax)[0] == f"Thorax  {A}"


def test_the_ceiling_and_the_share_of_concepts_kept_are_drawn(six):
    table = f1_ceiling(six, {minimum: choose_concepts(six.images, minimum) for minimum in (1, 2, 3)})
    f1, kept = figures.draw_ceiling(table, "six").lines
    assert list(f1.get_ydata()) == table["f1"].tolist()
    assert list(kept.get_ydata()) == pytest.approx([1, 2 / 3, 0])


def test_the_halves_are_dots_with_the_share_outside_the_band():
    counts = pd.DataFrame({"val1": [10, 1, 1, 0], "val2": [0, 1, 1, 0]})
    ax = figures.draw_halves(counts)
    (dots,) = ax.collections
    assert sorted(map(tuple, dots.get_offsets().tolist())) == [(1, 1), (10, 0)]
    assert ax.texts[0].get_text().startswith("33.3% of 3 concepts")


def test_drawn_on_the_axes_they_are_given(six):
    halves = pd.DataFrame({"val1": [1], "val2": [2]})
    for draw in (
        lambda ax: figures.draw_ranks(concept_counts(six), ax=ax),
        lambda ax: figures.draw_indicative_concepts(indicative_concepts(six), ax=ax),
        lambda ax: figures.draw_ceiling(f1_ceiling(six, {1: six.vocabulary}), ax=ax),
        lambda ax: figures.draw_halves(halves, ax=ax),
    ):
        ax = plt.figure().add_subplot()
        before = plt.get_fignums()
        assert draw(ax) is ax
        assert plt.get_fignums() == before


def test_where_a_split_has_no_image_its_panel_is_empty_and_nothing_warns():
    nothing = pd.Series([], pd.Index([], dtype=object), dtype=int)
    some = pd.Series([3, 2], ["C0000001", "C0000002"])
    figure = figures.draw_top_concepts_by_split({"train": nothing, "val": some})
    assert [len(ax.patches) for ax in figure.axes] == [0, 2]
