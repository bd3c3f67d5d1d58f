"""Examples: images with labels, and what belongs to each of them, worked out by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from data.filing import write

from nblib.data.examples import Examples, concatenate, labelled_splits
from nblib.data.reading import read_dataset
from nblib.data.vocabulary import ConceptVocabulary

A, B, C = (f"C000000{number}" for number in range(1, 4))


@pytest.fixture
def four():
    """Four images in a label space of three concepts, with features and probabilities."""
    images = pd.DataFrame(
        {
            "image_id": list("uvwx"),
            "path": None,
            "split": ["train", "train", "val", "val"],
            "category": pd.Series(["DRCT", None, "DRXR", "DRCT"], index=[7, 5, 3, 1], dtype=object),
            "concepts": [(B, A), (), (C,), (A,)],
        },
        index=[7, 5, 3, 1],
    )
    features = np.arange(8, dtype=np.float32).reshape(4, 2)
    return replace(Examples.of(images), features=features, probabilities=np.linspace(0, 1, 12).reshape(4, 3))


def test_labels_are_in_the_label_space_of_all_concepts_by_default(four):
    assert four.vocabulary.concepts == (A, B, C)
    assert four.labels.toarray().tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert list(four.images.index) == [0, 1, 2, 3]


def test_labels_are_in_the_given_label_space():
    images = pd.DataFrame({"image_id": ["u"], "concepts": [(C,)]})
    assert Examples.of(images, ConceptVocabulary((A, C))).labels.toarray().tolist() == [[0, 1]]


def test_ids_and_categories_are_arrays(four):
    assert len(four) == 4
    assert four.image_ids.tolist() == list("uvwx")
    assert four.categories.tolist() == ["DRCT", None, "DRXR", "DRCT"]


@pytest.mark.parametrize("rows", [np.array([3, 0]), np.array([True, False, False, True])])
def test_rows_are_taken_of_every_part(four, rows):
    taken = four.take(rows)
    order = np.arange(4)[rows]
    assert taken.image_ids.tolist() == four.image_ids[order].tolist()
    assert list(taken.images.index) == [0, 1]
    assert taken.labels.toarray().tolist() == four.labels.toarray()[order].tolist()
    assert taken.features.tolist() == four.features[order].tolist()
    assert taken.probabilities.tolist() == four.probabilities[order].tolist()
    assert taken.pixels is None and taken.vocabulary is four.vocabulary


def test_examples_are_chosen_by_the_values_of_columns(four):
    assert four.where(split="val").image_ids.tolist() == ["w", "x"]
    assert four.where(split="val", category="DRCT").image_ids.tolist() == ["x"]
    assert four.where(category="DRUS").labels.shape == (0, 3)
    assert four.where(split=None) is four


def test_concatenated_they_are_what_they_were(four):
    again = concatenate([four.where(split="train"), four.where(split="val")])
    pd.testing.assert_frame_equal(again.images, four.images)
    assert (again.labels != four.labels).nnz == 0
    assert np.array_equal(again.features, four.features) and np.array_equal(again.probabilities, four.probabilities)


def test_what_one_of_them_lacks_the_result_lacks(four):
    result = concatenate([four, replace(four, features=None)])
    assert result.features is None and len(result.probabilities) == len(result) == 8


def test_examples_of_different_label_spaces_are_not_concatenated(four):
    other = Examples.of(four.images.iloc[3:])
    with pytest.raises(ValueError, match="different vocabularies can't be concatenated"):
        concatenate([four, other])


@pytest.mark.parametrize("parts", [{"labels": slice(3)}, {"probabilities": slice(3)}])
def test_labels_of_other_images_are_refused(four, parts):
    wrong = {name: getattr(four, name)[rows] for name, rows in parts.items()}
    with pytest.raises(ValueError, match=r"expected labels and probabilities of 4 images and 3 concepts; received"):
        replace(four, **wrong)


@pytest.mark.parametrize("name", ["features", "pixels"])
def test_features_and_pixels_of_other_images_are_refused(four, name):
    with pytest.raises(ValueError, match=f"expected {name} of 4 images; received 3"):
        replace(four, **{name: np.zeros((3, 2))})


# ---- splits


@pytest.fixture
def dataset(tmp_path):
    """Two images of train, five of validation, of which one has no concept; one of test."""
    write(tmp_path / "train_concepts.csv", f"a\t{B}\nb\t{A};{B}\n")
    write(tmp_path / "val_concepts.csv", "".join(f"v{number}\t{C}\n" for number in range(4)) + "v4\n")
    for name in ("train/a", "train/b", *(f"val/v{number}" for number in range(5)), "test/t"):
        write(tmp_path / f"{name}.jpg", name)
    return read_dataset(tmp_path)


def test_all_splits_are_labelled_in_the_label_space_of_train_and_validation(dataset):
    splits = labelled_splits(dataset)
    assert list(splits) == ["train", "val1", "val2", "test"]
    assert {examples.vocabulary.concepts for examples in splits.values()} == {(A, B, C)}
    assert splits["train"].labels.toarray().tolist() == [[0, 1, 0], [1, 1, 0]]
    assert splits["test"].labels.toarray().tolist() == [[0, 0, 0]]


def test_images_without_a_concept_are_left_out_after_the_halves_are_drawn(dataset):
    splits = labelled_splits(dataset)
    ids = [name for half in ("val1", "val2") for name in splits[half].image_ids]
    assert sorted(ids) == ["v0", "v1", "v2", "v3"]
    assert len(splits["val1"]) + len(splits["val2"]) == 4


def test_the_label_space_can_be_padded(dataset):
    splits = labelled_splits(dataset, labelled_splits(dataset)["train"].vocabulary.padded(9))
    assert {examples.labels.shape[1] for examples in splits.values()} == {9} and splits["val1"].left_out is None


def test_without_test_images_there_is_no_test_split(dataset):
    assert "test" not in labelled_splits(replace(dataset, images=dataset.split("train", "val")))
