"""What a widget showed when its notebook was saved, as HTML: controls need a kernel, figures and tables do not."""

from collections.abc import Iterator
from html import escape
from itertools import count
from typing import Any

from nbformat import NotebookNode

from nblib.reports.harmless import harmless

MOST_WIDGETS = 10_000  # in one output
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def snapshot(notebook: NotebookNode, view: dict[str, Any]) -> str:
    """The figures, tables and settings of the widget; a sentence where the notebook did not save them."""
    states = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    shown = _shown(view.get("model_id", ""), states, count(1))
    note = "As the notebook was saved; in JupyterLab its controls work." if shown else "Interactive in JupyterLab."
    return f'<div class="widget">{shown}<p class="note">{note}</p></div>'


def _shown(model: str, states: dict[str, Any], counter: Iterator[int]) -> str:
    """The widget as HTML: a box with its children, HTML as it is, a control's value; empty without a description.

    Raises:
        ValueError: there are too many, as where a box contains itself.
    """
    if next(counter) > MOST_WIDGETS:
        raise ValueError(f"a widget has more than {MOST_WIDGETS:,} parts")
    widget = states.get(model, {})
    name, state = widget.get("model_name", ""), widget.get("state", {})
    if "children" in state:
        inside = "".join(_shown(child.removeprefix("IPY_MODEL_"), states, counter) for child in state["children"])
        row = "widget-row" if name == "HBoxModel" else "widget-column"
        return f'<div class="{row}">{inside}</div>' if inside else ""
    if name in ("HTMLModel", "LabelModel", "HTMLMathModel"):
        text = str(state.get("value") or "")
        return f"<div>{harmless(escape(text) if name == 'LabelModel' else text)}</div>" if text.strip() else ""
    index, options = state.get("index"), state.get("_options_labels") or []
    value = options[index] if isinstance(index, int) and 0 <= index < len(options) else state.get("value")
    if not state.get("description") or value in (None, ""):
        return ""
    return f'<div class="widget-setting">{escape(str(state["description"]))} <b>{escape(str(value))}</b></div>'
