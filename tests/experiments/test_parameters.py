from pathlib import Path

import pytest

from nblib.experiments.parameters import notebook_parameters, project_path, read_parameters

DECLARED = "# Parameters\ndata = 'data/sample'  # folder\nseed: int = 2020\nlearning_rate = -1e-5\nsigmoids = None"


def test_declared_parameters_are_read_with_their_defaults():
    cells = ["", DECLARED, "import nblib\nseed = 7"]
    assert notebook_parameters(cells) == {
        "data": "data/sample", "seed": 2020, "learning_rate": -1e-5, "sigmoids": None
    }  # fmt: skip


def test_injected_parameters_override_the_declared_ones():
    cells = ["", DECLARED, "# Parameters\nseed = 1\nsigmoids = 3047\n", "print(1)"]
    assert notebook_parameters(cells) == {
        "data": "data/sample", "seed": 1, "learning_rate": -1e-5, "sigmoids": 3047
    }  # fmt: skip


def test_an_unknown_injected_parameter_is_refused_with_the_nearest_declared_one():
    with pytest.raises(ValueError, match=r"unknown parameter 'learning_rat': did you mean 'learning_rate'\?"):
        notebook_parameters(["", DECLARED, "# Parameters\nlearning_rat = 1e-4\n"])


@pytest.mark.parametrize("value", ["Path('data')", "1 / 2", "seed + 1", "f'{seed}'"])
def test_a_parameter_that_is_no_plain_value_is_refused(value):
    with pytest.raises(ValueError, match="parameter 'folder' must be a plain value"):
        notebook_parameters([f"# Parameters\nfolder = {value}"])


@pytest.mark.parametrize("statement", ["import os", "print('x')", "a, b = 1, 2", "a: int", "a.b = 1"])
def test_a_parameters_cell_holds_assignments_only(statement):
    with pytest.raises(ValueError, match="holds assignments only"):
        notebook_parameters([f"# Parameters\n{statement}"])


def test_a_notebook_without_parameters_says_how_to_run_it():
    with pytest.raises(ValueError, match="run the notebook from its top"):
        notebook_parameters(["", "import nblib"])


def test_parameters_are_read_from_a_file(tmp_path):
    (tmp_path / "p.yaml").write_text("# the reference\nloss: bce\nlearning_rate: 1.0e-5\nsigmoids: null\n")
    (tmp_path / "empty.yaml").write_text("# nothing differs\n")
    expected = {"loss": "bce", "learning_rate": 1e-5, "sigmoids": None}
    assert read_parameters(tmp_path / "p.yaml") == expected and read_parameters(tmp_path / "empty.yaml") == {}


@pytest.mark.parametrize(("text", "sentence"), [("- a\n- b\n", "must hold lines"), ("a: [", "is not valid YAML")])
def test_a_file_without_parameters_is_refused(tmp_path, text, sentence):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_parameters(tmp_path / "p.yaml")


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "notebooks" / "drafts").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("here", [".", "notebooks", "notebooks/drafts"])
def test_a_relative_path_starts_at_the_project(project, monkeypatch, here):
    monkeypatch.chdir(project / here)
    assert project_path("data/sample") == project / "data" / "sample"


def test_an_absolute_path_and_the_home_folder_stay_what_they_are(project, monkeypatch):
    monkeypatch.setenv("HOME", "/home/reader")
    assert project_path("/elsewhere/data") == Path("/elsewhere/data")
    assert project_path("~/data") == Path("/home/reader/data")


def test_outside_of_any_project_a_relative_path_starts_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert project_path("data") == tmp_path / "data"
