"""Tables for people: thousands separators, few digits, blanks where a value is missing, text on the left."""

from html import escape
from numbers import Integral, Real
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

ALIGNMENT = [
    {"selector": "th,td", "props": "text-align: right; vertical-align: top"},
    {"selector": "th.row_heading,th.index_name,.text", "props": "text-align: left"},
]


def format_table(table: pd.DataFrame | pd.Series, digits: int = 3) -> Styler:
    """The table as notebooks show it; its values stay as they are.

    Whole numbers get thousands separators, others `digits` decimals (1e-05 stays 1e-05); missing values are blank; text
    is left-aligned and escaped. A Series becomes a column, and so does each level of an index that has a name; row
    numbers (a `RangeIndex`) are hidden.
    """
    table = table.to_frame() if isinstance(table, pd.Series) else table
    if None not in table.index.names:
        names = [", ".join(map(str, name)) if isinstance(name, tuple) else name for name in table.columns]
        table = table.set_axis(names, axis=1).reset_index(allow_duplicates=True)
    columns = [table.iloc[:, n].dropna() for n in range(table.shape[1])]
    numeric = {name for name, values in zip(table, columns, strict=True) if values.map(_is_number).all()}
    styled = Styler(table, uuid="table", cell_ids=False)  # no random ids: executed twice, a notebook stays the same
    styled = styled.format(lambda value: _html(value, digits)).format_index(lambda value: _html(value, digits))
    styled = styled.format_index(lambda name: escape(str(name)) if name in numeric else _text(name), axis=1)
    styled = styled.format_index_names(lambda name: escape(str(name))).set_table_styles(ALIGNMENT)
    return styled.hide() if isinstance(table.index, pd.RangeIndex) else styled


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _html(value: Any, digits: int) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_html(each, digits) for each in value)
    if not _is_number(value):
        return _text("" if value is None or value is pd.NA or value is pd.NaT else value)
    if isinstance(value, Integral):
        return f"{value:,}"
    if value != value:
        return ""
    if 0 < abs(value) < 10**-digits:
        return f"{value:.{digits}g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}f}"


def _text(value: Any) -> str:
    return f'<div class="text">{escape(str(value))}</div>'
