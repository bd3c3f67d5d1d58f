import shutil

import pandas as pd
import pytest
from data.filing import VAL_CT, write

from nblib.data.reading import read_dataset
from nblib.data.table import validation_halves


def validation_images(number):
    names = [f"IMAGE_{position:05}" for position in range(number)]
    return pd.DataFrame({"image_id": [*names, "OTHER"], "split": ["val"] * number + ["train"]})


@pytest.mark.parametrize(
    ("images", "val1", "val2"), [(0, 0, 0), (1, 1, 0), (10, 5, 5), (11, 6, 5), (15_970, 7985, 7985)]
)
def test_the_halves_are_disjoint_complete_and_equal_or_val1_has_one_more(images, val1, val2):
    table = validation_images(images)
    halves = {name: set(half["image_id"]) for name, half in validation_halves(table).items()}
    assert (len(halves["val1"]), len(halves["val2"])) == (val1, val2)
    assert not halves["val1"] & halves["val2"]
    assert halves["val1"] | halves["val2"] == set(table["image_id"]) - {"OTHER"}


def test_the_halves_are_the_same_whatever_the_order_of_the_table():
    table = validation_images(101)
    halves, shuffled = validation_halves(table), validation_halves(table.sample(frac=1, random_state=7))
    for name in ("val1", "val2"):
        pd.testing.assert_frame_equal(halves[name], shuffled[name])


def test_the_halves_are_drawn_at_random_and_not_cut_in_the_middle():
    first_fifty = validation_images(100)["image_id"][:50]
    in_val1 = validation_halves(validation_images(100))["val1"]["image_id"].isin(first_fifty).sum()
    assert 10 < in_val1 < 40


# ---- fingerprint


def test_the_fingerprint_is_that_of_a_copy_elsewhere(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "elsewhere" / "copy")
    assert read_dataset(tmp_path / "elsewhere" / "copy").fingerprint == read_dataset(folder).fingerprint


CHANGES = {
    "a concept": lambda folder: write(folder / VAL_CT, "D.jpeg,C0000001,C0000004\n"),
    "one concept more": lambda folder: write(folder / VAL_CT, "D.jpeg,C0000001,C0000003,C0000004\n"),
    "the size of an image": lambda folder: write(folder / "train/DRCT/A.jpg", "another size"),
    "an image more": lambda folder: write(folder / "test/G.jpg", ""),
    "an image renamed": lambda folder: (folder / "test/E.jpg").rename(folder / "test/G.jpg"),
    "a category": lambda folder: (folder / VAL_CT).rename(folder / "concepts/val/DRMR_CLEF_Val.csv"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_fingerprint_changes_with(folder, change):
    before = read_dataset(folder).fingerprint
    CHANGES[change](folder)
    after = read_dataset(folder).fingerprint
    assert after != before and len(after) == 16
