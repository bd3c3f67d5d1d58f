"""One damaged notebook or run never spoils the reports: each is a row with its reason, and all others are rendered."""

import json
import os

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nblib.reports.render import render_reports
from nblib.reports.snapshots import STATE, VIEW

DEEP = 20_000
VALID = new_notebook(
    cells=[
        new_markdown_cell("# 03 Valid"),
        new_code_cell("epochs = 3", metadata={"tags": ["parameters"]}),
        new_code_cell("draw()", outputs=[new_output("stream", text="some text")]),
        new_code_cell("widget", outputs=[new_output("display_data", {VIEW: {"model_id": "a"}})]),
    ],
    metadata={
        "papermill": {"duration": 3.2, "parameters": {"epochs": 3}, "end_time": "2026-01-01", "input_path": "03.ipynb"},
        "widgets": {STATE: {"state": {}, "version_major": 2, "version_minor": 0}},
    },
)


def put(*path, to):
    """The valid notebook as JSON, with the value at `path` replaced, or removed where `to` is `...`."""
    content = json.loads(json.dumps(VALID))
    place = content
    for step in path[:-1]:
        place = place[step]
    if to is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return json.dumps(content)


def with_widgets(state):
    return put("metadata", "widgets", STATE, "state", to=state)


def box(*children):
    return {"model_name": "HBoxModel", "state": {"children": [f"IPY_MODEL_{child}" for child in children]}}


SCHEMA_PLACES = [
    ("cells",),
    ("cells", 0),
    ("cells", 0, "source"),
    ("cells", 0, "metadata"),
    ("cells", 1, "metadata", "tags"),
    ("cells", 1, "cell_type"),
    ("cells", 2, "outputs"),
    ("cells", 2, "outputs", 0),
    ("cells", 2, "outputs", 0, "output_type"),
    ("cells", 2, "outputs", 0, "text"),
    ("cells", 3, "outputs", 0, "data"),
    ("metadata",),
    ("nbformat",),
]
OF_ANOTHER_TYPE = {
    f"{'.'.join(map(str, path))} is {value!r}": put(*path, to=value)
    for path in SCHEMA_PLACES
    for value in (None, 7, ["x", 1])
}
MISSING = {f"{'.'.join(map(str, path))} is missing": put(*path, to=...) for path in SCHEMA_PLACES[:-1] if path[-1] != 0}
PAPERMILL = {
    f"papermill {name} is {value!r}": put("metadata", "papermill", *name.split(), to=value)
    for name, values in {
        "duration": (float("nan"), float("inf"), -1, "long", []),
        "parameters": ("text", [1], 7),
        "input_path": (7, ["a"]),
        "start_time": (7,),
    }.items()
    for value in values
}
OTHERS = {
    "papermill is null": put("metadata", "papermill", to=None),
    "papermill is text": put("metadata", "papermill", to="x"),
    "papermill is a list": put("metadata", "papermill", to=[1]),
    "lone surrogate in text": put("cells", 0, "source", to="# \ud800"),
    "lone surrogate in a parameter": put("metadata", "papermill", "parameters", to={"a": "\udfff"}),
    "unknown kind of cell": put("cells", 1, "cell_type", to="magic"),
    "a missing attachment": put("cells", 0, "source", to="![x](attachment:lost.png)"),
    "empty": "",
    "cut short": put("nbformat", to=4)[:200],
    "a list": "[1]",
    "a number": "7",
    "deep parameters": put("metadata", "papermill", "parameters", to={"a": "?"}).replace(
        '"?"', "[" * DEEP + "]" * DEEP
    ),
    "deep metadata": put("metadata", "x", to="?").replace('"?"', '{"a":' * DEEP + "1" + "}" * DEEP),
    "a widget in itself": with_widgets({"a": box("a")}),
    "two widgets in each other": with_widgets({"a": box("b"), "b": box("a")}),
    "a widget of 2 ** 40 parts": with_widgets({"a": box("1", "1")} | {str(n): box(n + 1, n + 1) for n in range(1, 40)}),
    "widget state is a list": with_widgets([1, 2]),
    "a widget is text": with_widgets({"a": "text"}),
    "children are numbers": with_widgets({"a": {"model_name": "HBoxModel", "state": {"children": [1]}}}),
}
NOTEBOOKS = OF_ANOTHER_TYPE | MISSING | PAPERMILL | OTHERS

EXPERIMENT_FILES = {
    "experiment.json": ["", "{", "[]", "null", "7", "{}", '{"experiment": {}}', "[" * DEEP, "\udcff", '{"a": NaN}'],
    "scores.json": ["", "{", "[]", '{"test_f1": "x"}', '{"test_f1": NaN}', '{"test_f1": Infinity}', "[" * DEEP],
    "history.csv": ["", "epoch\n", "epoch,val_f1\n1,text\n", "epoch,val_f1\n1,nan\n", "epoch,val_f1\n1,inf\n", "\0"],
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A folder of runs with one valid notebook among all damaged ones, and its reports."""
    top = tmp_path_factory.mktemp("hostile")
    runs = top / "runs"
    runs.mkdir()
    nbformat.write(VALID, runs / "valid.ipynb")
    for number, text in enumerate(NOTEBOOKS.values()):
        (runs / f"n{number}.ipynb").write_text(text, encoding="utf-8", errors="surrogatepass")
    (runs / "folder.ipynb").mkdir()
    os.mkfifo(runs / "pipe.ipynb")
    (runs / os.fsdecode(b"latin\xff.ipynb")).write_bytes((runs / "valid.ipynb").read_bytes())
    return top, render_reports(runs, top / "reports")


def page_of(hostile, name):
    return (hostile[0] / "reports" / "pages" / f"{name}.html").read_text(encoding="utf-8")


def test_the_valid_notebook_is_rendered_and_the_index_names_every_page(hostile):
    assert "some text" in page_of(hostile, "valid")
    index = hostile[1].index.read_text(encoding="utf-8")
    assert all(f"pages/n{number}.html" in index for number in range(len(NOTEBOOKS)))
    assert hostile[1].index.parent == hostile[0] / "reports"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_damaged_notebook_has_a_page_with_the_reason(hostile, name):
    number = list(NOTEBOOKS).index(name)
    reason = hostile[1].damages.get(hostile[0] / "runs" / f"n{number}.ipynb")
    page = page_of(hostile, f"n{number}")
    if reason is None:
        assert "some text" in page or "metadata is missing" in name, "neither damaged nor rendered"
    else:
        assert reason and "\n" not in reason and "Damaged." in page


def test_pipes_and_folders_are_no_notebooks_and_odd_names_are_shown_as_escapes(hostile):
    assert hostile[1].damages[hostile[0] / "runs" / "pipe.ipynb"] == "it is not a file"
    assert not any(path.name == "folder.ipynb" for path in hostile[1].damages)
    assert "some text" in page_of(hostile, "latin\\udcff")


def test_damaged_pages_are_tried_again(hostile):
    again = render_reports(hostile[0] / "runs", hostile[0] / "reports")
    assert again.damages == hostile[1].damages


@pytest.mark.parametrize("file", EXPERIMENT_FILES)
def test_a_damaged_run_is_a_row_with_the_reason(leave_run, tmp_path, file):
    leave_run("good")
    damaged = []
    for number, text in enumerate(EXPERIMENT_FILES[file]):
        damaged.append(leave_run(f"bad{number}"))
        (damaged[-1].folder / file).write_text(text, encoding="utf-8", errors="surrogateescape")
    reports = render_reports(tmp_path / "runs", tmp_path / "reports")
    index = reports.index.read_text(encoding="utf-8")
    assert "0.3100" in index
    assert {place.parent for place in reports.damages} == {run.folder for run in damaged}
    assert all(f"pages/bad{number}--val1.html" in index for number in range(len(damaged)))
