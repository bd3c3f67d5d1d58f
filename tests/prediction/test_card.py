"""The model card of a run: its figures are those of the run, and Hugging Face can read it."""

import shutil

import numpy as np
import pytest
import yaml
from finished import finished_run

from nblib.data import read_dataset, validation_halves
from nblib.experiments import Experiment, Run
from nblib.prediction import model_card, write_card
from nblib.training.rules import save_rules_and_concept_scores

SCORES = {"best_epoch": 2, "epochs": 3, "validation_f1": 0.4567, "test_f1": 0.4321, "test_f1_interval": [0.4, 0.47],
          "baseline_f1": 0.1234, "seconds": 2.0}  # fmt: skip


@pytest.fixture(scope="module")
def finished(sample, tmp_path_factory):
    """A run with its rules and scores, whose data are gone."""
    place = tmp_path_factory.mktemp("carded")
    shutil.copytree(sample, place / "data")
    run = finished_run(place / "data", place / "runs")
    dataset = read_dataset(place / "data")
    for name, images in validation_halves(dataset.images).items():
        values = np.random.default_rng(3).random((len(images), len(run.vocabulary)), np.float32)
        run.write_probabilities(name, images["image_id"], values)
    save_rules_and_concept_scores(run, dataset)
    run.write_scores(SCORES)
    shutil.rmtree(place / "data")
    return Run(run.folder)


def rows(card, heading):
    """The cells of the table below a heading, without its header."""
    lines = card.split(heading)[1].split("\n#")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("|")][2:]


def test_hugging_face_reads_the_card(finished):
    huggingface_hub = pytest.importorskip(
        "huggingface_hub", reason="huggingface_hub, of the extra dev, is not installed"
    )
    card = huggingface_hub.ModelCard(model_card(finished.folder, licence="CC BY 4.0"))
    assert card.data.license == "other" and card.data.license_name == "CC BY 4.0"
    assert card.data.pipeline_tag == "image-classification" and "radiology" in card.data.tags
    assert card.text.strip().startswith("<!-- Written by nblib card. -->")


def test_the_figures_are_those_of_the_run(finished):
    card = model_card(finished.folder)
    for figure in ("0.432 (0.400 to 0.470, 95 %", "which chose epoch 2 of 3 | 0.457", "| 0.123 |"):
        assert figure in card
    assert f"`{finished.facts['data_fingerprint']}`" in card and "| images | train 84, val 24, test 12 |" in card
    category, scores = finished.category_scores, finished.concept_scores
    assert [row[0] for row in rows(card, "### By category")] == list(category.index)
    assert [row[1] for row in rows(card, "### By category")] == [str(number) for number in category["images"]]
    bands = rows(card, "### By frequency")
    assert sum(int(row[2].replace(",", "")) for row in bands) == scores["true"].sum()
    assert sum(int(row[3].replace(",", "")) for row in bands) == scores["right"].sum()
    worst = rows(card, "### Where it errs")
    errors = scores["true"] - scores["right"] + scores["wrong"]
    assert errors[worst[0][0]] == errors.max() and len(worst) == 10
    number = scores["right"] + scores["wrong"]
    assert f"Of the {number.sum():,} concepts selected" in card
    assert f"{scores['right'].sum() / number.sum():.3f} were true" in card


def test_the_recipe_is_the_experiment_and_names_no_folder_of_this_machine(finished):
    card = model_card(finished.folder)
    recipe = yaml.safe_load(card.split("```yaml\n")[1].split("```")[0])
    assert Experiment(**recipe).conditions() == finished.experiment.conditions()
    assert recipe["data"] == "data" and str(finished.folder.parents[2]) not in card
    assert "papermill notebooks/03_baseline_vgg16.ipynb runs/first/val1/notebook.ipynb -f recipe.yaml" in card


def test_an_older_run_and_one_trained_on_all_images_have_shorter_cards(finished, tmp_path):
    older = shutil.copytree(finished.folder, tmp_path / "older")
    for name in ("concepts.csv", "concept_scores.csv", "category_scores.csv"):
        (older / name).unlink()
    card = model_card(older)
    assert "0.432" in card and "### " not in card
    (older / "scores.json").write_text('{"epochs": 3, "seconds": 2.0}')
    assert "It was trained on all labelled images; no figure is claimed." in model_card(older)


def test_only_a_card_of_nblib_is_replaced(finished, tmp_path):
    card, path = model_card(finished.folder), tmp_path / "README.md"
    assert write_card(path, card) and write_card(path, card.replace("radiology", "other"))
    assert "other images" in path.read_text()
    path.write_text("mine")
    assert not write_card(path, card) and path.read_text() == "mine"
