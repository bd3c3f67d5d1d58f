"""A runs folder with executed notebooks, some hostile, and what is rendered of one."""

import re

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nblib.reports.render import render_reports

SCRIPT = "<script>alert(1)</script>"
WIDGET = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def widget_state():
    """A box of a drop-down, a slider, a button and a figure, as a headless run saves it."""
    children = ["IPY_MODEL_choice", "IPY_MODEL_top", "IPY_MODEL_save", "IPY_MODEL_figure", "IPY_MODEL_label"]
    figure = f"<svg width='9'><text x='1'>bars {SCRIPT}</text></svg><b onclick='alert(1)'>shown</b>"
    return {
        "box": {"model_name": "VBoxModel", "state": {"children": children}},
        "choice": {
            "model_name": "DropdownModel",
            "state": {"description": "split", "index": 1, "_options_labels": ["all", "train"]},
        },
        "top": {"model_name": "IntSliderModel", "state": {"description": "top", "value": 20}},
        "save": {"model_name": "ButtonModel", "state": {"description": "Save"}},
        "figure": {"model_name": "HTMLModel", "state": {"value": figure}},
        "label": {"model_name": "LabelModel", "state": {"value": SCRIPT}},
    }


def write_notebooks(folder):
    """Writes executed notebooks into a new runs folder: one full of scripts, and some that failed or were stopped."""
    folder.mkdir()
    table = (
        f"<style scoped>td {{}}</style><table><tr><td onclick='alert(2)'>kept {SCRIPT}</td></tr></table></div></main>"
    )
    loads = (
        "<img src='https://evil.example/a.png'><img src='//evil.example/b.png'><img src='../../secret.png'>"
        "<a href='data:text/html,<b>x</b>'>data</a><a href='https://umls.example/C1'>a link</a>"
    )
    parameters = new_code_cell(f"# Parameters\nexperiment_name = {SCRIPT!r}", metadata={"tags": ["parameters"]})
    outputs = [
        {"text/html": table + loads, "text/plain": "plain"},
        {WIDGET: {"model_id": "box"}, "text/plain": "VBox()"},
        {WIDGET: {"model_id": "gone"}, "text/plain": "VBox()"},
        {"text/html": ""},
        {"application/javascript": "alert(3)"},
        {"image/svg+xml": "<svg onload='alert(4)'><a href='javascript:alert(5)'><circle r='2'/></a></svg>"},
    ]
    good = new_notebook(
        cells=[
            new_markdown_cell(f"# 01 A title\n\ntext {SCRIPT}"),
            parameters,
            *(new_code_cell("shown", outputs=[new_output("display_data", data)]) for data in outputs),
            new_code_cell("train()", outputs=[
                new_output("stream", name="stdout", text="epoch 1\n"),
                new_output("display_data", {"text/html": " "}),
                new_output("stream", name="stdout", text="epoch 2\n"),
            ]),
            new_code_cell("log", outputs=[new_output("stream", name="stderr", text="a library's log")]),
            new_code_cell("made", outputs=[new_output("display_data", {"text/html": "<b>commit c0ffee</b>"})],
                          metadata={"tags": ["provenance"]}),
        ],
        metadata={
            "papermill": {"end_time": "2026-01-01", "duration": 3.2},
            "widgets": {STATE: {"state": widget_state()}},
        },
    )  # fmt: skip
    error = new_output("error", ename="ValueError", evalue=SCRIPT, traceback=["a traceback"])
    failed = new_notebook(cells=[new_markdown_cell("# 02 Fails"), new_code_cell("1 / 0", outputs=[error])])
    injected = new_code_cell("# Parameters\nepoch = 3", metadata={"tags": ["injected-parameters"]})
    stopped = new_notebook(cells=[new_markdown_cell("# 03 Stopped"), parameters, injected])
    nbformat.write(good, folder / "01_good.ipynb")
    nbformat.write(failed, folder / "02_failed.ipynb")
    nbformat.write(stopped, folder / "03_stopped.ipynb")
    (folder / "04_half_written.ipynb").write_text('{"cells": [')
    nbformat.write(failed, folder / "javascript:alert(1);#.ipynb")


def render(tmp_path):
    """All pages by file name, rendered anew where needed."""
    render_reports(tmp_path / "runs", tmp_path / "reports")
    return {path.name: path.read_text() for path in (tmp_path / "reports").rglob("*.html")}


def row_of(index, name):
    """The leaderboard's row of an experiment, as HTML."""
    return next(row for row in re.findall(r"<tr id=.*?</tr>", index, re.DOTALL) if f">{name}<" in row)
