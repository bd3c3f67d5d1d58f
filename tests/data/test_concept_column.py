import numpy as np
import pandas as pd
import pytest

from nblib.data.concept_column import ConceptColumn

LISTS = [("C2", "C1"), (), ("C1",), ("C3", "C2", "C3")]


@pytest.fixture
def column():
    return ConceptColumn.of(LISTS)


@pytest.fixture
def table(column):
    return pd.DataFrame({"image": list("abcd"), "concepts": column})


def test_it_gives_back_the_tuples_in_their_order(column):
    assert list(column) == LISTS
    assert [column[row] for row in range(-4, 4)] == LISTS * 2
    with pytest.raises(IndexError):
        column[4]


def test_parts_are_columns_too(column):
    assert list(column[1:3]) == LISTS[1:3]
    assert list(column[::-1]) == LISTS[::-1]
    assert list(column[[3, 0, 3]]) == [LISTS[3], LISTS[0], LISTS[3]]
    assert list(column[np.array([True, False, False, True])]) == [LISTS[0], LISTS[3]]
    assert list(column.take([0, -1])) == [LISTS[0], LISTS[-1]]
    assert list(column.take([0, -1], allow_fill=True)) == [LISTS[0], ()]


def test_columns_of_other_names_are_joined(column):
    joined = ConceptColumn.joined([column, ConceptColumn.of([("C9", "C1")]), ConceptColumn.of([])])
    assert list(joined) == [*LISTS, ("C9", "C1")]
    assert sorted(joined.names) == ["C1", "C2", "C3", "C9"]


def test_lists_are_replaced_where_told_and_the_column_stays_as_it_was(column):
    assert list(column.replaced({1: ("C7",), 3: ()})) == [("C2", "C1"), ("C7",), ("C1",), ()]
    assert list(column) == LISTS


def test_what_occurs_how_often_and_repeatedly(column):
    assert column.occurring() == {"C1", "C2", "C3"}
    assert column.occurring(np.array([False, True, True, False])) == {"C1"}
    assert column.lengths.tolist() == [2, 0, 1, 3]
    assert column.rows.tolist() == [0, 0, 2, 3, 3, 3]
    assert column.repeating().tolist() == [3]
    assert list(column) == LISTS  # counting changed nothing


def test_one_concept_on_neighbouring_images_repeats_nothing():
    assert ConceptColumn.of([("C1",), ("C1", "C2"), ("C2",)]).repeating().tolist() == []


def test_a_table_treats_it_as_it_treats_tuples(table):
    plain = pd.DataFrame({"image": list("abcd"), "concepts": pd.Series(LISTS, dtype=object)})
    for frame in (table, plain):
        assert frame["concepts"].map(len).tolist() == [2, 0, 1, 3]
        assert frame.loc[frame["image"] > "b", "concepts"].tolist() == LISTS[2:]
        assert frame.sort_values("image", ascending=False)["concepts"].iloc[0] == LISTS[3]
        assert [row.concepts for row in frame.itertuples()] == LISTS
        assert frame.iloc[0]["concepts"] == LISTS[0]
        assert pd.concat([frame, frame], ignore_index=True)["concepts"].tolist() == LISTS * 2
        assert dict(zip(frame["image"], frame["concepts"], strict=True))["d"] == LISTS[3]
        assert (frame.head(0)["concepts"].map(len) <= 50).tolist() == []
    pd.testing.assert_series_equal(table["concepts"].explode(), plain["concepts"].explode())
    assert table.to_csv() == plain.to_csv()
    assert table.equals(table.copy()) and not table.equals(table.iloc[::-1].reset_index(drop=True))
