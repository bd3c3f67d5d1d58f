"""params/: the ten experiments of Table 3 and the overlays, as papermill reads them."""

from pathlib import Path

import nbformat
import pytest
import yaml

from nblib.experiments import Experiment, notebook_of, notebook_parameters, paper_experiment, table_3

TOP = Path(__file__).parent.parent
TABLE_3 = sorted((TOP / "params" / "table3").glob("*.yaml"))
RECIPES = sorted((TOP / "params" / "2026").glob("*.yaml"))


def read(path):
    return yaml.safe_load(path.read_text())


def defaults_of(notebook):
    """The parameters cell of a notebook, as papermill leaves it when nothing is passed."""
    cells = nbformat.read(TOP / "notebooks" / notebook, as_version=4).cells
    sources = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    return notebook_parameters(sources)


def test_table_3_has_one_file_for_each_row():
    assert [path.stem for path in TABLE_3] == list(table_3().index)


@pytest.mark.parametrize("path", TABLE_3, ids=lambda path: path.stem)
def test_file_and_notebook_make_the_row_of_the_paper(path):
    row = paper_experiment(path.stem)
    experiment = Experiment(**{**defaults_of(f"{notebook_of(row)}.ipynb"), **read(path)})
    assert experiment.conditions() == row.conditions()


@pytest.mark.parametrize("path", TABLE_3, ids=lambda path: path.stem)
def test_file_says_what_the_paper_scored_and_only_what_differs(path):
    first = path.read_text().splitlines()[0]
    row = table_3().loc[path.stem]
    assert first.startswith(f"# Table 3, row {int(path.stem[:2])}:")
    assert f"{row['test_f1_val2']:.4g}" in path.read_text()
    assert 1 <= len(read(path)) <= 6


@pytest.mark.parametrize(
    ("notebook", "row"),
    [
        ("03_baseline_vgg16.ipynb", "03_vgg16_flipped"),
        ("04_deeper_backbones.ipynb", "05_resnet50"),
        ("05_soft_f1_losses.ipynb", "09_vgg16_f1_times_bce"),
    ],
)
def test_defaults_of_a_notebook_are_its_reference_experiment(notebook, row):
    assert Experiment(**defaults_of(notebook)).conditions() == paper_experiment(row).conditions()


@pytest.mark.parametrize("path", TABLE_3, ids=lambda path: path.stem)
def test_the_sample_overlay_fits_every_experiment(path):
    experiment = Experiment(**{**read(path), **read(TOP / "params" / "sample.yaml")})
    assert experiment.backbone.startswith("small_")
    assert experiment.sigmoids == 3047


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_of_2026_says_whose_it_is_and_how_long_it_takes_in_few_lines(path):
    heading = "".join(line for line in path.read_text().splitlines() if line.startswith("#"))
    assert "GPU time: " in heading and ("place" in heading or "obody" in heading or "anyone" in heading)
    given = read(path)
    assert given["experiment_name"] == f"2026_{path.stem}" and 5 <= len(given) <= 13
    experiment = Experiment(**{**defaults_of(f"{notebook_of(Experiment(**given))}.ipynb"), **given})
    assert experiment.backbone == given["backbone"] and experiment.image_size in (224, 227)


def test_the_six_backbones_of_place_2_differ_in_nothing_else():
    recipes = [read(path) for path in RECIPES if path.stem.startswith("gem_")]
    assert len({recipe.pop("backbone") for recipe in recipes}) == len(
        {recipe.pop("experiment_name") for recipe in recipes}
    )
    assert len(recipes) == 6 and all(recipe == recipes[0] for recipe in recipes)


@pytest.mark.parametrize("path", sorted((TOP / "params").rglob("*.yaml")), ids=lambda path: path.stem)
def test_no_number_is_read_as_text(path):
    """YAML reads 1e-5 as text; 1.0e-5 is a number."""
    written_as_text = {
        "experiment_name",
        "backbone",
        "weights",
        "pooling",
        "loss",
        "lr_reduction_monitor",
        "precision",
        "resize",
        "augmentation",
        "sampling",
        "optimizer",
        "schedule",
        "monitor",
        "trainable_from",
        "data",
        "runs",
    }
    assert {name for name, value in read(path).items() if isinstance(value, str)} <= written_as_text
