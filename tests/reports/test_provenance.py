from nblib.reports.provenance import repeating_command


def test_the_command_to_repeat_gives_papermill_the_same_values():
    from papermill.cli import _resolve_type

    parameters = {"rate": 1e-05, "on": True, "none": None, "text": "1e3", "words": "a; rm -rf $HOME", "list": [1, "2"]}
    words = repeating_command({"input_path": "in.ipynb", "output_path": "out.ipynb", "parameters": parameters}, None)
    assert words.startswith("papermill in.ipynb out.ipynb -p rate 1e-05 -p on True -p none None -r text 1e3 ")
    assert "-r words 'a; rm -rf $HOME'" in words and """-y '{"list": [1, "2"]}'""" in words
    assert [_resolve_type(text) for text in ("1e-05", "True", "None")] == [1e-05, True, None]
