import numpy as np
import pandas as pd
import pytest

from nblib.data.leaks import count_leaks, label_agreement, leaking_pairs, pair_agreement, related
from nblib.data.table import Dataset, validation_halves

PAIRS = pd.DataFrame({"image_id": ["t0", "v1", "t1"], "other_id": ["v1", "s0", "t2"], "distance": [0, 3, 5]})
GROUPS = pd.Series({"t0": "x", "v0": "x", "v1": "x", "v2": "y", "v3": "y", "s0": "y"}, dtype=object)


@pytest.fixture
def dataset(tmp_path):
    ids = ["t0", "t1", "t2", "v0", "v1", "v2", "v3", "s0"]
    split = ["train"] * 3 + ["val"] * 4 + ["test"]
    concepts = [("C1", "C2"), ("C1",), ("C1", "C2", "C3"), ("C1",), ("C2", "C1"), ("C1",), ("C1",), ()]
    columns = {"image_id": ids, "path": None, "split": split, "category": None, "concepts": concepts}
    return Dataset(tmp_path, "imageclef", pd.DataFrame(columns))


def test_relatives_are_group_mates_or_near_duplicates_among_the_others():
    found = related(["v0", "v1", "v2"], ["t0", "t1", "t2"], GROUPS, PAIRS)
    assert found["group mate"].to_dict() == {"v0": True, "v1": True, "v2": False}
    assert found["near-duplicate"].to_dict() == {"v0": False, "v1": True, "v2": False}


def test_leaks_are_counted_between_splits_and_halves(dataset):
    table = count_leaks(dataset, GROUPS, PAIRS).set_index(["part", "relatives_in"])
    assert table.loc[("val", "train")].tolist() == [4, 2, 1, 2, 0.5]
    assert table.loc[("test", "train")].tolist() == [1, 0, 0, 0, 0]
    halves = {name: set(half["image_id"]) for name, half in validation_halves(dataset.images).items()}
    apart = sum(len(pair & halves["val1"]) == 1 for pair in ({"v0", "v1"}, {"v2", "v3"}))
    assert table.loc[("val1", "val2"), "group_mates"] == table.loc[("val2", "val1"), "group_mates"] == apart


def test_parts_without_images_are_left_out(dataset):
    labels = Dataset(dataset.folder, "imageclef", dataset.split("train"))
    assert count_leaks(labels, GROUPS, PAIRS).empty


def test_agreement_is_the_f1_of_the_concepts(dataset):
    f1 = label_agreement(dataset.images, PAIRS)
    assert f1[[0, 2]].tolist() == [1, 2 * 1 / (1 + 3)]
    assert np.isnan(f1[1])  # a test image has no concepts


def test_leaking_pairs_lie_in_different_parts(dataset):
    found = leaking_pairs(dataset, PAIRS)
    half = next(name for name, images in dataset.halves().items() if "v1" in set(images["image_id"]))
    assert found["image_id"].tolist() == ["t0", "v1"], "t1 and t2 are both in train"
    assert found[["part", "other_part"]].to_numpy().tolist() == [["train", half], [half, "test"]]


def test_agreement_is_counted_by_distance(dataset):
    pairs = pd.DataFrame({"image_id": ["t0", "v1", "t1"], "other_id": ["v1", "s0", "t2"], "distance": [0, 10, 11]})
    table = pair_agreement(dataset.images, pairs).set_index("bits_apart")
    assert table.loc["0 to 10"].tolist() == [2, 1, 1, 1]
    assert table.loc["11 to 20"].tolist() == [1, 1, 0.5, 0]
    assert table.loc["all"].tolist() == [3, 2, 0.75, 0.5]
    assert pair_agreement(dataset.images, pairs.head(0)).empty
