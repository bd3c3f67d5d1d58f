"""Reports: complete, self-contained, and safe to open."""

import re
from urllib.parse import unquote

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nblib.reports import render_reports

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def runs(tmp_path):
    """A runs folder with one executed notebook that shows a table with a script for a name, and one that failed."""
    folder = tmp_path / "runs"
    folder.mkdir()
    table = f"<style scoped>td {{}}</style><table><tr><td onclick='alert(2)'>kept {SCRIPT}</td></tr></table>"
    loads = (
        "<img src='https://evil.example/a.png'><img src='//evil.example/b.png'><img src='../../secret.png'>"
        "<a href='data:text/html,<b>x</b>'>data</a><a href='https://umls.example/C1'>a link</a>"
    )
    table += loads
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "VBox()"}
    parameters = new_code_cell(f"# Parameters\nexperiment_name = {SCRIPT!r}", metadata={"tags": ["parameters"]})
    good = new_notebook(
        cells=[
            new_markdown_cell(f"# 01 A title\n\ntext {SCRIPT}"),
            parameters,
            new_code_cell("table", outputs=[new_output("execute_result", {"text/html": table, "text/plain": "plain"})]),
            new_code_cell("widget", outputs=[new_output("display_data", widget)]),
            new_code_cell("log", outputs=[new_output("stream", name="stderr", text="a library's log")]),
        ],
        metadata={"papermill": {"end_time": "2026-01-01", "duration": 3.2}},
    )
    error = new_output("error", ename="ValueError", evalue=SCRIPT, traceback=["a traceback"])
    failed = new_notebook(cells=[new_markdown_cell("# 02 Fails"), new_code_cell("1 / 0", outputs=[error])])
    injected = new_code_cell("# Parameters\nepoch = 3", metadata={"tags": ["injected-parameters"]})
    stopped = new_notebook(cells=[new_markdown_cell("# 03 Stopped"), parameters, injected])
    nbformat.write(good, folder / "01_good.ipynb")
    nbformat.write(failed, folder / "02_failed.ipynb")
    nbformat.write(stopped, folder / "03_stopped.ipynb")
    (folder / "04_half_written.ipynb").write_text('{"cells": [')
    nbformat.write(failed, folder / "javascript:alert(1);#.ipynb")
    return folder


@pytest.fixture
def pages(runs, tmp_path):
    render_reports(runs, tmp_path / "reports")
    return {path.name: path.read_text() for path in (tmp_path / "reports").rglob("*.html")}


def test_every_notebook_has_a_page_and_the_index_links_it(pages):
    names = ["01_good.html", "02_failed.html", "03_stopped.html", "04_half_written.html", "javascript:alert(1);#.html"]
    assert set(pages) == {"index.html", *names}
    links = re.findall(r'href="([^"]+)"', pages["index.html"])
    assert [unquote(link) for link in links] == [f"pages/{name}" for name in names]
    assert links[-1] == "pages/javascript%3Aalert%281%29%3B%23.html"


def test_nothing_in_a_page_can_run_or_load(pages):
    for page in pages.values():
        assert "<script" not in page
        assert "onclick" not in page
        assert not re.search(r'(?<!a )(src|href)="(?!data:image/|pages/|\.\./index|https://umls\.example)', page)
        assert "default-src 'none'" in page


def test_pictures_from_elsewhere_and_links_that_hold_code_are_left_out(pages):
    page = pages["01_good.html"]
    assert "evil.example" not in page and "secret.png" not in page and "data:text/html" not in page
    assert 'href="https://umls.example/C1"' in page


def test_a_notebook_that_cannot_be_read_or_was_stopped_does_not_hide_the_others(pages):
    assert "can&#39;t be read as a notebook" in pages["04_half_written.html"]
    assert "03 Stopped" in pages["03_stopped.html"]


def test_text_that_looks_like_code_is_shown_as_text(pages):
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages["01_good.html"]
    assert "kept " in pages["01_good.html"]


def test_parameters_are_listed_once_with_their_values(pages):
    assert pages["01_good.html"].count("<dt>experiment_name</dt>") == 1


def test_a_failed_notebook_says_so_on_its_page_and_in_the_index(pages):
    assert "This notebook failed." in pages["02_failed.html"]
    assert re.search(r'class="text failed">failed', pages["index.html"])


def test_a_widget_is_replaced_by_a_note_and_logs_are_folded(pages):
    assert "Interactive in JupyterLab." in pages["01_good.html"]
    assert "VBox()" not in pages["01_good.html"]
    assert "<summary>log</summary>" in pages["01_good.html"]


def test_no_runs_folder_is_said_in_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="run a notebook first"):
        render_reports(tmp_path / "nowhere", tmp_path / "reports")
