"""Tables for people: what is shown of each value."""

import re

import numpy as np
import pandas as pd
import pandas.testing

from nblib.figures.tables import format_table


def shown(table, **options):
    """The text of each cell by column, as a reader of the notebook sees it."""
    html = re.sub("</?div[^>]*>", "", format_table(table, **options).to_html())
    columns = re.findall(r"<th[^>]*col_heading[^>]*>(.*?)</th>", html)
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)]
    return {column: [row[n] for row in rows if row] for n, column in enumerate(columns)}


def test_numbers_have_thousands_separators_and_few_digits():
    table = pd.DataFrame({"images": [65000, 12], "f1": [0.36364, 1.0], "seconds": [1234.0, 0.5]})
    assert shown(table) == {"images": ["65,000", "12"], "f1": ["0.364", "1.000"], "seconds": ["1,234", "0.500"]}
    assert shown(table[["f1"]], digits=2) == {"f1": ["0.36", "1.00"]}


def test_lists_are_written_out():
    assert shown(pd.DataFrame({"interval": [[0.62965, 0.72924], [1, 2000]]}))["interval"] == [
        "0.630, 0.729",
        "1, 2,000",
    ]


def test_small_rates_keep_their_digits():
    assert shown(pd.DataFrame({"rate": [1e-5, -2.5e-4, 0.0, 0.001]}))["rate"] == ["1e-05", "-0.00025", "0.000", "0.001"]


def test_what_is_missing_is_blank():
    table = pd.DataFrame({"f1": [np.nan, 0.5], "name": [None, "a"], "n": pd.array([pd.NA, 1234], "Int64")})
    assert shown(table) == {"f1": ["", "0.500"], "name": ["", "a"], "n": ["", "1,234"]}


def test_row_numbers_are_hidden_and_names_of_rows_are_shown():
    numbered = pd.DataFrame({"f1": [0.5]})
    assert 'class="row_heading' not in format_table(numbered).to_html()
    named = numbered.set_axis(["<b>mine"], axis=0)
    assert "&lt;b&gt;mine" in format_table(named).to_html()


def test_an_index_with_names_becomes_columns():
    index = pd.MultiIndex.from_product([["val1"], ["a", "b"]], names=["half", "run"])
    table = pd.DataFrame({"f1": [0.5, 0.6]}, index=index)
    assert shown(table) == {"half": ["val1", "val1"], "run": ["a", "b"], "f1": ["0.500", "0.600"]}
    bands = pd.DataFrame([[1, 2]], index=pd.Index([2000], name="train images"), columns=pd.CategoricalIndex(["x", "y"]))
    assert shown(bands) == {"train images": ["2,000"], "x": ["1"], "y": ["2"]}


def test_text_is_escaped_and_left_aligned_and_numbers_are_right_aligned():
    table = pd.DataFrame({"<i>name": ["<script>alert(1)</script>"], "f1": [0.5]})
    html = format_table(table).to_html()
    assert "<script" not in html and "<i>" not in html
    assert "&lt;script&gt;" in html and "&lt;i&gt;name" in html
    assert re.search(r'<td[^>]*><div class="text">&lt;script', html) and re.search(r"<td[^>]*>0\.500</td>", html)
    assert re.search(r'<th[^>]*><div class="text">&lt;i&gt;name', html) and re.search(r"<th[^>]*>f1</th>", html)
    assert re.search(r"\.text \{\s*text-align: left", html)


def test_a_series_is_a_column_and_the_table_stays_as_it_is():
    series = pd.Series({"commit": "c0ffee", "images": 1000}, name="made with")
    assert shown(series)["made with"] == ["c0ffee", "1,000"]
    table = pd.DataFrame({"f1": [0.36364]})
    before = table.copy()
    format_table(table)
    pandas.testing.assert_frame_equal(table, before)


def test_booleans_and_whole_numbers_in_columns_of_objects_are_written_as_they_are():
    assert shown(pd.DataFrame({"value": [True, 12345, "x"]}))["value"] == ["True", "12,345", "x"]
