"""Notebooks are validated where they are read. What becomes of damaged ones: test_hostile.py."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nblib.reports.notebooks import read_notebook


def test_a_valid_notebook_is_read_as_nbformat_reads_it(tmp_path):
    notebook = new_notebook(cells=[new_code_cell("1")], metadata={"papermill": {"duration": 2.5, "parameters": {}}})
    nbformat.write(notebook, tmp_path / "a.ipynb")
    assert read_notebook(tmp_path / "a.ipynb") == nbformat.read(tmp_path / "a.ipynb", as_version=4)


def test_older_notebooks_whose_cells_have_no_id_are_read(tmp_path):
    (tmp_path / "a.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 2}')
    assert read_notebook(tmp_path / "a.ipynb").cells == []


@pytest.mark.parametrize(
    "metadata, message",
    [
        ('{"papermill": []}', "its metadata are not papermill's: papermill: Input should be"),
        ('{"papermill": {"duration": NaN}}', "Out of range float values are not JSON compliant"),
        ('{"papermill": {"duration": "3 s"}}', "papermill.duration: Input should be a valid number"),
    ],
)
def test_what_papermill_never_writes_is_refused_by_name(tmp_path, metadata, message):
    text = f'{{"cells": [], "metadata": {metadata}, "nbformat": 4, "nbformat_minor": 2}}'
    (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_notebook(tmp_path / "a.ipynb")
