"""Tables for people: thousands separators, few digits, nothing where nothing is known, text on the left."""

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler


def format_table(table: pd.DataFrame | pd.Series, digits: int = 3) -> Styler:
    """The table as notebooks show it; the values stay as they are.

    Whole numbers get thousands separators, others `digits` decimals; what is missing stays blank; text is
    left-aligned and escaped. Row numbers (a `RangeIndex`) are hidden.

    Args:
        table: any table; a Series becomes a column.
        digits: decimals of numbers that are not whole.
    """
    table = table.to_frame() if isinstance(table, pd.Series) else table
    styled = table.style.format(lambda value: _text(value, digits), na_rep="", escape="html")
    styled = styled.format_index(escape="html", axis=0).format_index(escape="html", axis=1)
    textual = [column for column in table if not pd.api.types.is_numeric_dtype(table[column])]
    styled = styled.set_properties(subset=textual, **{"text-align": "left"})
    styled = styled.set_table_styles([{"selector": "th", "props": "text-align: left"}])
    return styled.hide() if isinstance(table.index, pd.RangeIndex) else styled


def _text(value, digits: int) -> str:
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        return f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 1000 else f"{value:,.{digits}f}"
    return str(value)
