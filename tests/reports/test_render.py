"""Reports: complete, self-contained, safe to open, and made anew only where something changed."""

import fcntl
import json
import re
import time
from urllib.parse import unquote

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nblib.experiments import Run
from nblib.reports.harmless import harmless
from nblib.reports.provenance import repeating_command
from nblib.reports.render import render_reports

SCRIPT = "<script>alert(1)</script>"
WIDGET = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def widget_state():
    """A box of a drop-down, a slider, a button and a figure, as a headless run keeps it."""
    children = ["IPY_MODEL_choice", "IPY_MODEL_top", "IPY_MODEL_save", "IPY_MODEL_figure", "IPY_MODEL_label"]
    figure = f"<svg width='9'><text x='1'>bars {SCRIPT}</text></svg><b onclick='alert(1)'>told</b>"
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


@pytest.fixture
def runs(tmp_path):
    """A runs folder with one executed notebook that shows a table with a script for a name, and one that failed."""
    folder = tmp_path / "runs"
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
    ]
    good = new_notebook(
        cells=[
            new_markdown_cell(f"# 01 A title\n\ntext {SCRIPT}"),
            parameters,
            *(new_code_cell("shown", outputs=[new_output("display_data", data)]) for data in outputs),
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
    return folder


def render(tmp_path):
    """All pages by file name, rendered anew where needed."""
    render_reports(tmp_path / "runs", tmp_path / "reports")
    return {path.name: path.read_text() for path in (tmp_path / "reports").rglob("*.html")}


@pytest.fixture
def pages(runs, tmp_path):
    return render(tmp_path)


def row_of(index, name):
    """The leaderboard's row of an experiment, as HTML."""
    return next(row for row in re.findall(r"<tr id=.*?</tr>", index, re.DOTALL) if f">{name}<" in row)


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
        assert "default-src 'none'" in page and "unsafe-eval" not in page


def test_pictures_from_elsewhere_and_links_that_hold_code_are_left_out(pages):
    page = pages["01_good.html"]
    assert "evil.example" not in page and "secret.png" not in page and "data:text/html" not in page
    assert 'href="https://umls.example/C1"' in page


def test_html_that_is_not_well_formed_stays_in_its_place(pages):
    page = pages["01_good.html"]
    assert page.count("</main>") == 1 and page.index("a library&#x27;s log" if "&#x27;" in page else "a library") > 0
    assert page.index("Where this comes from") < page.index("</main>")


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
    assert 'class="status failed">failed' in pages["index.html"]


def test_a_widget_is_replaced_by_what_it_showed_and_never_by_an_empty_box(pages):
    page = pages["01_good.html"]
    shown, gone = re.findall(r'<div class="widget">(.*?)<p class="note">(.*?)</p>', page, re.DOTALL)
    assert '<svg width="9"><text x="1">bars </text></svg>' in shown[0] and "told" in shown[0]
    assert "split <b>train</b>" in shown[0] and "top <b>20</b>" in shown[0] and "Save" not in shown[0]
    assert gone == ("", "Interactive in JupyterLab.")
    assert "VBox()" not in page


def test_what_was_taken_away_again_leaves_no_empty_output(pages):
    assert not re.search(r'<div class="output"[^>]*>\s*(<div[^>]*>\s*)*</div>', pages["01_good.html"])


def test_logs_are_folded_and_provenance_stands_at_the_end(pages):
    page = pages["01_good.html"]
    assert '<details class="log"><summary>log</summary>' in page
    assert page.index("commit c0ffee") > page.index("Where this comes from")


def test_no_runs_folder_is_said_in_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="run a notebook first"):
        render_reports(tmp_path / "nowhere", tmp_path / "reports")


def test_a_run_stands_beside_the_paper_with_all_that_was_measured(leave_run, tmp_path):
    leave_run("03_vgg16_flipped", scored=0.36)
    row = row_of(render(tmp_path)["index.html"], "03_vgg16_flipped")
    assert "<strong>0.3600</strong>" in row and ">0.3475<" in row and ">+0.0125<" in row  # 0.3600 - 0.3475
    assert '2 <span class="note">of 3</span>' in row and ">6 s<" in row  # 3 epochs of 2 s
    assert "backbone small_plain, not VGG16; weights None, not imagenet" in row
    assert 'aria-label="F1 of the validation half over 3 epochs, from 0.100 to 0.200"' in row
    assert 'points="2.0,20.3 60.0,3.0 118.0,11.7"' in row  # heights 1/3, 1 and 2/3 of 26 pixels, from 29 upwards


def test_an_interval_is_shown_where_the_scores_hold_one(leave_run, tmp_path):
    run = leave_run("03_vgg16_flipped")
    run.write_scores({**run.scores, "test_f1_interval": [0.2951, 0.3249]})
    pages = render(tmp_path)
    assert "0.295 to 0.325" in row_of(pages["index.html"], "03_vgg16_flipped")
    assert "0.295 to 0.325" in pages["03_vgg16_flipped--val1.html"]


def test_failed_running_and_unfinished_runs_are_shown_as_such(leave_run, tmp_path):
    leave_run("failed", scored=None, error=f"no room {SCRIPT}")
    leave_run("stopped", scored=None, epochs=9)
    running = leave_run("going", scored=None, epochs=9)
    with running.lock():
        pages = render(tmp_path)
    index = pages["index.html"]
    assert "failed</span>" in row_of(index, "failed") and "ValueError: no room &lt;script&gt;" in row_of(
        index, "failed"
    )
    assert "unfinished</span>" in row_of(index, "stopped") and "epoch 3 of 9<" in row_of(index, "stopped")
    assert "running</span>" in row_of(index, "going")
    assert "epoch 3 of 9, at most 12 s left" in row_of(index, "going")  # 6 epochs of 2 s
    assert "<polyline" in row_of(index, "going")
    assert "at most 12 s left" in pages["going--val1.html"]
    assert "unfinished</span>" in row_of(render(tmp_path)["index.html"], "going")  # its process is gone


def test_looking_whether_a_run_is_going_on_does_not_hold_it(leave_run):
    run = leave_run("going", scored=None)
    assert not run.running
    with run.lock():
        assert Run(run.folder).running
    with (run.folder / "experiment.json").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises if somebody held it still


def test_an_experiment_that_failed_before_it_was_a_run_has_a_row(leave_run, tmp_path):
    run = leave_run("early", error="mistyped")
    for name in ("experiment.json", "history.csv", "scores.json"):
        (run.folder / name).unlink()
    assert "ValueError: mistyped" in row_of(render(tmp_path)["index.html"], "early")


def test_a_run_that_cannot_be_read_does_not_hide_the_others(leave_run, tmp_path):
    leave_run("good")
    (leave_run("bad").folder / "scores.json").write_text("{")
    index = render(tmp_path)["index.html"]
    assert "0.3100" in row_of(index, "good") and "can&#39;t be read" in row_of(index, "bad")


def test_a_run_trained_without_papermill_has_a_page_too(leave_run, tmp_path):
    (leave_run("by_hand").folder / "notebook.ipynb").unlink()
    page = render(tmp_path)["by_hand--val1--run.html"]
    assert "<dt>learning_rate</dt><dd>1e-05</dd>" in page and "fingerprint 39ac" in page and "<polyline" in page


def test_every_page_of_a_run_says_where_its_numbers_come_from(leave_run, tmp_path):
    run = leave_run("03_vgg16_flipped")
    page, made = render(tmp_path)["03_vgg16_flipped--val1.html"], run.facts["provenance"]
    assert "fingerprint 39ac" in page and f"keras {made['keras']}" in page and str(made["machine"]) in page
    assert "<dt>commit</dt>" in page and "<dt>duration of all epochs</dt><dd>6 s</dd>" in page
    command = "papermill notebooks/03_baseline_vgg16.ipynb runs/out.ipynb -p data 'my data' -p seed 7 -p weights None"
    assert command.replace("'", "&#39;") in page


def test_the_command_to_repeat_gives_papermill_the_same_values():
    from papermill.cli import _resolve_type

    parameters = {"rate": 1e-05, "on": True, "none": None, "text": "1e3", "words": "a; rm -rf $HOME", "list": [1, "2"]}
    words = repeating_command({"input_path": "in.ipynb", "output_path": "out.ipynb", "parameters": parameters}, None)
    assert words.startswith("papermill in.ipynb out.ipynb -p rate 1e-05 -p on True -p none None -r text 1e3 ")
    assert "-p words 'a; rm -rf $HOME'" in words and """-y '{"list": [1, "2"]}'""" in words
    assert [_resolve_type(text) for text in ("1e-05", "True", "None")] == [1e-05, True, None]


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


def test_names_and_parameters_are_escaped_in_the_index_too(leave_run, tmp_path):
    run = leave_run("03_vgg16_flipped")
    run.facts["data"] = f"</script>{SCRIPT}"
    (run.folder / "experiment.json").write_text(json.dumps(run.facts))
    leave_run("other")
    index = render(tmp_path)["index.html"]
    assert SCRIPT not in index and "&lt;/script&gt;&lt;script&gt;alert(1)" in index
    assert index.count("</script>") == 5  # three of data, two of libraries


def test_only_pages_of_changed_runs_are_rendered_again(leave_run, tmp_path):
    for name in ("one", "two", "three"):
        leave_run(name)
    render(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "reports" / "pages").glob("*.html")}
    leave_run("two", scored=0.4)
    assert "0.4000" in render(tmp_path)["two--val1.html"]
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "reports" / "pages").glob("*.html")}
    assert [name for name in before if after[name] != before[name]] == ["two--val1.html"]


def test_200_runs_make_an_index_under_5_mb_in_under_60_seconds(leave_run, tmp_path):
    for n in range(200):
        f1 = [0.5 * epoch / (epoch + 5 + n % 7) for epoch in range(30)]
        leave_run(f"run_{n // 2:03}", f"val{n % 2 + 1}", f1=f1, scored=f1[-1], learning_rate=1e-5 * (1 + n % 3), seed=n)
    began = time.process_time()  # of this process, whatever else the machine does
    index = render_reports(tmp_path / "runs", tmp_path / "reports")
    assert time.process_time() - began < 60
    assert index.stat().st_size < 5_000_000
    assert index.read_text().count('<tr id="run-') == 200
    began = time.process_time()
    render_reports(tmp_path / "runs", tmp_path / "reports")
    assert time.process_time() - began < 15


def test_harmless_keeps_figures_and_tables_as_they_are():
    kept = '<table class="dataframe"><tbody><tr><th>a</th><td colspan="2">1</td></tr></tbody></table>'
    assert harmless(kept) == kept
    assert harmless('<svg viewBox="0 0 9 9"><rect x="1" fill="#0173b2"></rect></svg>').count("viewBox") == 1
    nested = "<svg><style>*{}</style><script>1</script><foreignObject><b>x</b></foreignObject></svg>"
    assert not re.search("style|script|foreign", harmless(nested))
