"""Reports: every notebook and run has a page, links lead to pages, and only what changed is rendered again."""

import re
from urllib.parse import unquote

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook
from reports.rendered import render

from nblib.reports.render import render_reports


def test_every_notebook_has_a_page_and_the_index_links_it(pages):
    names = ["01_good.html", "02_failed.html", "03_stopped.html", "04_half_written.html", "javascript:alert(1);#.html"]
    assert set(pages) == {"index.html", *names}
    links = re.findall(r'href="([^"]+)"', pages["index.html"])
    assert [unquote(link) for link in links] == [f"pages/{name}" for name in names]
    assert links[-1] == "pages/javascript%3Aalert%281%29%3B%23.html"


def test_a_missing_runs_folder_is_named_with_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="run a notebook first"):
        render_reports(tmp_path / "nowhere", tmp_path / "reports")


def test_only_pages_of_changed_runs_are_rendered_again(leave_run, tmp_path):
    for name in ("one", "two", "three"):
        leave_run(name)
    render(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "reports" / "pages").glob("*.html")}
    leave_run("two", scored=0.4)
    assert "0.4000" in render(tmp_path)["two--val1.html"]
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "reports" / "pages").glob("*.html")}
    assert [name for name in before if after[name] != before[name]] == ["two--val1.html"]


def test_links_between_notebooks_lead_to_their_pages_and_others_become_text(leave_run, tmp_path):
    leave_run("one")
    nbformat.write(new_notebook(cells=[new_markdown_cell("# 04")]), tmp_path / "runs" / "04_deeper.ipynb")
    page = render(tmp_path)["one--val1.html"]
    assert 'href="04_deeper.html"' in page and 'href="one--val1.html"' in page
    assert "docs." in page and "docs/x.md" not in page

    leave_run("two")  # now notebook 03 was executed twice: the index lists both
    pages = render(tmp_path)
    assert 'href="../index.html#notebook-03_baseline_vgg16"' in pages["one--val1.html"]
    assert 'id="notebook-03_baseline_vgg16"' in pages["index.html"]

    (tmp_path / "runs" / "04_deeper.ipynb").unlink()
    pages = render(tmp_path)
    assert "04_deeper" not in pages["two--val1.html"] and "04_deeper.html" not in pages


def test_pages_of_runs_that_are_gone_are_removed_and_other_files_stay(leave_run, tmp_path):
    leave_run("one")
    gone = leave_run("two")
    render(tmp_path)
    (tmp_path / "reports" / "pages" / "mine.html").write_text("my own page")
    for path in gone.folder.iterdir():
        path.unlink()
    assert set(render(tmp_path)) == {"index.html", "one--val1.html", "mine.html"}
