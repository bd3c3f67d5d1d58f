"""A page shows all that its notebook and its run hold, and nothing in it can act or load."""

import re

from reports.rendered import render

from nblib.reports.pages import repeating_command


def test_nothing_in_a_page_can_run_or_load(pages):
    for page in pages.values():
        assert "<script" not in page
        assert not re.search(r"<[^>]*\son[a-z]+=", page) and "javascript:alert(5)" not in page
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
    assert "it is not JSON, or cut short" in pages["04_half_written.html"]
    assert "03 Stopped" in pages["03_stopped.html"]


def test_text_that_looks_like_code_is_shown_as_text(pages):
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages["01_good.html"]
    assert "kept " in pages["01_good.html"]


def test_parameters_are_listed_once_with_their_values(pages):
    assert pages["01_good.html"].count("<dt>experiment_name</dt>") == 1


def test_a_failed_notebook_says_so_on_its_page_and_in_the_index(pages):
    assert "This notebook failed." in pages["02_failed.html"]
    assert 'class="status failed">failed' in pages["index.html"]


def test_an_output_that_was_removed_again_leaves_no_empty_box(pages):
    assert not re.search(r'<div class="output"[^>]*>\s*(<div[^>]*>\s*)*</div>', pages["01_good.html"])


def test_lines_printed_one_by_one_make_one_block(pages):
    (block,) = re.findall(r"<pre>[^<]*epoch 1[^<]*</pre>", pages["01_good.html"])
    assert block.split("\n") == ["<pre>epoch 1", "epoch 2", "</pre>"]


def test_logs_are_folded_and_provenance_is_at_the_end(pages):
    page = pages["01_good.html"]
    assert '<details class="log"><summary>log</summary>' in page
    assert page.index("commit c0ffee") > page.index("Where this comes from")


def test_a_run_trained_without_papermill_has_a_page_too(leave_run, tmp_path):
    (leave_run("by_hand").folder / "notebook.ipynb").unlink()
    page = render(tmp_path)["by_hand--val1--run.html"]
    assert "<dt>learning_rate</dt><dd>1e-05</dd>" in page and "fingerprint 39ac" in page and "<polyline" in page


def test_every_page_of_a_run_says_where_its_numbers_come_from(leave_run, tmp_path):
    run = leave_run("03_vgg16_flipped")
    page, made = render(tmp_path)["03_vgg16_flipped--val1.html"], run.facts["provenance"]
    assert "fingerprint 39ac" in page and f"keras {made['keras']}" in page and str(made["machine"]) in page
    assert "<dt>commit</dt>" in page and "<dt>duration of all epochs</dt><dd>6 s</dd>" in page
    command = "papermill notebooks/03_baseline_vgg16.ipynb runs/out.ipynb -r data 'my data' -p seed 7 -p weights None"
    assert command.replace("'", "&#39;") in page


def test_the_command_to_repeat_gives_papermill_the_same_values():
    from papermill.cli import _resolve_type

    parameters = {"rate": 1e-05, "on": True, "none": None, "text": "1e3", "words": "a; rm -rf $HOME", "list": [1, "2"]}
    words = repeating_command({"input_path": "in.ipynb", "output_path": "out.ipynb", "parameters": parameters}, None)
    assert words.startswith("papermill in.ipynb out.ipynb -p rate 1e-05 -p on True -p none None -r text 1e3 ")
    assert "-r words 'a; rm -rf $HOME'" in words and """-y '{"list": [1, "2"]}'""" in words
    assert [_resolve_type(text) for text in ("1e-05", "True", "None")] == [1e-05, True, None]
