"""The prediction explorer, driven as a user does: set a control's value, read what is shown."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from widgets.test_concept_explorer import CountedNames

from nblib.data import ConceptVocabulary, Dataset, Examples, decode_image
from nblib.evaluation import f1_per_image, sample_f1, select
from nblib.widgets.prediction_explorer import PredictionExplorer, explore_predictions

A, B, C, D = CONCEPTS = ("C0000001", "C0000002", "C0000003", "C0000004")
VOCABULARY = ConceptVocabulary(CONCEPTS)
IMAGES = pd.DataFrame(
    {
        "image_id": ["one", "two", "three", "four"],
        "path": None,
        "split": "val",
        "category": ["DRCT", "DRXR", None, "DRCT"],
        "concepts": [(A, B), (A,), (C,), ()],
    }
)
PROBABILITIES = np.array(
    [[0.9, 0.3, 0.6, 0.1], [0.8, 0.1, 0.1, 0.1], [0.2, 0.2, 0.4, 0.1], [0.7, 0.1, 0.1, 0.1]], np.float32
)


def explorer_of(dataset, vocabulary, probabilities):
    return PredictionExplorer(dataset, replace(Examples.of(dataset.images, vocabulary), probabilities=probabilities))


@pytest.fixture
def explorer():
    dataset = Dataset(Path("by_hand"), "by hand", IMAGES, names={A: "Thorax", B: "<b>Lung</b>"})
    return explorer_of(dataset, VOCABULARY, PROBABILITIES)


def shown(explorer):
    return re.search("<b>(.*?)</b>", explorer.picture.value).group(1)


def answers(explorer):
    return dict(zip(explorer.answers["concept"], explorer.answers["answer"], strict=True))


def test_it_opens_with_the_worst_image(explorer):
    assert shown(explorer) == "three" and "F1 0.00" in explorer.picture.value
    assert explorer.summary.value == "F1 0.500 over 4 images"  # (1/2 + 1 + 0) / 3; one image has no true concept
    assert explorer.previous.disabled and not explorer.next.disabled


def test_concepts_are_right_missed_and_wrong_with_their_probabilities(explorer):
    explorer.search.value = "one"
    assert answers(explorer) == {A: "right", C: "wrong", B: "missed"}  # most probable first
    assert explorer.answers["probability"].tolist() == pytest.approx([0.9, 0.6, 0.3])
    assert f"Thorax  {A}</text>" in explorer.figure.value and "0.90 right" in explorer.figure.value


def test_the_threshold_changes_the_answer_and_the_image_stays(explorer):
    explorer.order.value = "as listed"
    assert shown(explorer) == "one"
    explorer.order.value = "best first"
    explorer.next.click()
    assert shown(explorer) == "one"
    explorer.threshold.value = 0.2
    assert shown(explorer) == "one"
    assert answers(explorer) == {A: "right", C: "wrong", B: "right"}
    explorer.threshold.value = 0.65
    assert answers(explorer) == {A: "right", B: "missed"}


def test_scores_are_those_of_the_decision_rule(explorer):
    labels = VOCABULARY.encode(IMAGES["concepts"])
    for threshold in (0.01, 0.2, 0.35, 0.5, 0.99):
        explorer.threshold.value = threshold
        assert explorer.f1 == pytest.approx(f1_per_image(labels, select(PROBABILITIES, threshold)), nan_ok=True)


def test_more_than_100_concepts_are_cut_as_the_challenge_does():
    rng = np.random.default_rng(0)
    vocabulary = ConceptVocabulary(tuple(f"C{number:07}" for number in range(150)))
    images = IMAGES.assign(concepts=[tuple(rng.choice(vocabulary.concepts, 40, replace=False)) for _ in range(4)])
    probabilities = rng.random((4, 150)).astype(np.float32)
    explorer = explorer_of(Dataset(Path("x"), "x", images), vocabulary, probabilities)
    explorer.threshold.value = 0.05
    selected = select(probabilities, 0.05)
    assert explorer.f1 == pytest.approx(f1_per_image(vocabulary.encode(images["concepts"]), selected))
    assert (explorer.answers["answer"] != "missed").sum() == 100 == selected[[explorer.shown]].nnz


def test_images_are_shown_in_order_up_to_the_ends(explorer):
    explorer.order.value = "best first"
    seen = [shown(explorer)]
    while not explorer.next.disabled:
        explorer.next.click()
        seen.append(shown(explorer))
    assert seen == ["two", "one", "three", "four"]  # the one without a true concept has no F1 and comes last
    assert "no true concept" in explorer.picture.value
    explorer.number.value = 2
    assert shown(explorer) == "one"
    explorer.previous.click()
    assert shown(explorer) == "two" and explorer.previous.disabled


def test_category_and_search_narrow_the_images(explorer):
    explorer.category.value = "DRCT"
    assert explorer.summary.value == "F1 0.500 over 2 images"
    explorer.category.value = "all"
    explorer.search.value = "THORAX"
    assert sorted(explorer.order_shown) == [0, 1]
    explorer.search.value = "nowhere"
    assert explorer.summary.value == "F1 none over 0 images"
    assert "widen the filters" in explorer.picture.value and explorer.figure.value == ""


def test_names_are_escaped(explorer):
    explorer.search.value = "one"
    assert "<b>Lung" not in explorer.figure.value and "&lt;b&gt;Lung" in explorer.figure.value


def test_pictures_are_shown(sample_dataset):
    images = sample_dataset.split("val")
    vocabulary = ConceptVocabulary.of(images["concepts"])
    examples = Examples.of(images, vocabulary)
    probabilities = examples.labels.toarray().astype(np.float32)
    box = explore_predictions(sample_dataset, replace(examples, probabilities=probabilities))
    picture, figure = box.children[-1].children
    assert "data:image/jpeg;base64," in picture.value and "F1 1.00" in picture.value
    assert "right" in figure.value and "missed" not in figure.value


def test_an_answer_costs_one_picture_and_the_names_of_one_image(monkeypatch, sample):
    rng = np.random.default_rng(0)
    vocabulary = ConceptVocabulary(tuple(f"C{number:07}" for number in range(300)))
    concepts = [vocabulary.concepts[first : first + 11] for first in rng.integers(0, 280, 2_000)]
    images = pd.DataFrame({"image_id": [f"image{number}" for number in range(2_000)], "concepts": concepts})
    images = images.assign(path=next(sample.rglob("*.jpg")), split="val", category=np.resize(["DRCT", "DRXR"], 2_000))
    probabilities = rng.random((len(images), len(vocabulary)), np.float32) ** 8
    dataset = Dataset(Path("generated"), "x", images, names=CountedNames())
    explorer = explorer_of(dataset, vocabulary, probabilities)
    opened, decoded, selected = dataset.names.looked_up, [], []
    monkeypatch.setattr(
        "nblib.widgets.inline.decode_image", lambda *given: decoded.append(given) or decode_image(*given)
    )
    monkeypatch.setattr(
        "nblib.widgets.prediction_explorer.select", lambda *given: selected.append(given) or select(*given)
    )
    moves = [("threshold", 0.2), ("threshold", 0.8), ("order", "best first"), ("category", "DRCT"), ("search", "12"),
             ("number", 7)]  # fmt: skip
    for control, value in moves:
        getattr(explorer, control).value = value
    assert len(decoded) == len(moves) and len(selected) == 2
    assert dataset.names.looked_up - opened <= len(moves) * 111  # 100 selected concepts and 11 true ones
    explorer.category.value, explorer.search.value = "all", ""
    assert np.nanmean(explorer.f1) == pytest.approx(sample_f1(explorer.examples.labels, select(probabilities, 0.8)))
