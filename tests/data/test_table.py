import shutil

import pandas as pd
import pytest
from data.filing import TRAIN_CT, VAL_CT, problems_of, write

from nblib.data.categories import CATEGORIES
from nblib.data.reading import inspect_dataset, read_dataset
from nblib.data.table import count_images, validation_halves


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


# ---- the table


def test_split_numbers_its_rows_from_zero(folder):
    dataset = read_dataset(folder)
    assert list(dataset.split("val")["image_id"]) == ["D"]
    assert list(dataset.split("train", "val")["image_id"]) == ["A", "B", "C", "D"]
    assert list(dataset.split("test").index) == [0, 1]


def test_names_are_read_and_a_concept_without_one_is_called_by_its_cui(folder):
    dataset = read_dataset(folder)
    assert dataset.names == {"C0000001": "Lung", "C0000002": "X-Ray, chest"}
    assert dataset.name_of("C0000002") == "X-Ray, chest"
    assert dataset.name_of("C0000003") == "C0000003"


def test_a_drawn_sample_is_called_synthetic_and_other_data_by_their_folder(sample_dataset, folder):
    assert sample_dataset.title == "synthetic phantoms"
    assert read_dataset(folder).title == "data"


def test_images_are_counted_by_split_and_category_as_in_table_1(folder):
    table = count_images(read_dataset(folder).images)
    assert list(table.columns) == [*CATEGORIES, "unknown", "total"]
    assert table.loc["train", ["DRCT", "DRXR", "DRMR", "total"]].tolist() == [2, 1, 0, 3]
    assert table.loc["val", ["DRCT", "total"]].tolist() == [1, 1]
    assert table.loc["test", ["unknown", "total"]].tolist() == [2, 2]


def test_a_table_where_every_category_is_known_has_no_column_for_unknown(sample_dataset):
    table = count_images(sample_dataset.split("train", "val"))
    assert list(table.columns) == [*CATEGORIES, "total"]
    assert table["total"].to_dict() == {"train": 84, "val": 24}


def test_test_images_are_in_natural_order_with_digits_of_any_script_and_always_the_same(folder):
    names = ["3", "_1", "a", "a01", "a1", "a2", "a2b", "a10", "a²", "a٣x", "a१०x"]  # 3, 10, a square
    for name in reversed(names):
        write(folder / f"test/{name}.jpg", "")
    order = [name for name in read_dataset(folder).split("test")["image_id"] if name not in "EF"]
    assert order == ["3", "_1", "a", "a01", "a1", "a2", "a2b", "a٣x", "a10", "a१०x", "a²"]


def test_an_image_on_disk_that_no_list_names_is_reported_and_left_out(folder):
    write(folder / "train/DRCT/G.jpg", "")
    sentence = "the image is in no concept list; it is left out."
    assert problems_of(folder) == [("train/DRCT/G.jpg", sentence, False)]
    assert "G" not in set(read_dataset(folder).images["image_id"])


def test_a_listed_image_that_is_not_on_disk_has_no_path(folder):
    (folder / "train/DRCT/B.jpg").unlink()
    images = inspect_dataset(folder).images.set_index("image_id")
    assert images.loc["B", "path"] is None
    assert images.loc["A", "path"] == folder / "train/DRCT/A.jpg"


def test_two_image_files_with_one_name_are_found(folder):
    write(folder / "val/DRXR/A.png", "")
    sentence = f"a second image named A ({folder}/train/DRCT/A.jpg); names must be unique over all splits."
    assert problems_of(folder) == [("val/DRXR/A.png", sentence, True)]


def test_concepts_of_validation_that_train_lacks_are_counted_in_a_note(folder):
    write(folder / VAL_CT, "D.jpeg,C0000001,C0000008,C0000009\n")
    what = "concepts that no training image has: 2, such as C0000008; they can't be learnt."
    assert problems_of(folder) == [("validation", what, False)]


def test_an_image_in_the_folder_of_another_category_than_its_list_is_reported(folder):
    (folder / "train/DRCT/A.jpg").rename(folder / "train/DRXR/A.jpg")
    what = f"A is listed under DRCT but is in {folder}/train/DRXR/A.jpg; DRCT is used."
    assert problems_of(folder) == [(f"{TRAIN_CT}:1", what, False)]


# ---- fingerprint


def test_the_fingerprint_is_that_of_a_copy_elsewhere(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "elsewhere" / "copy")
    assert read_dataset(tmp_path / "elsewhere" / "copy").fingerprint == read_dataset(folder).fingerprint


CHANGES = {
    "a concept": lambda folder: write(folder / VAL_CT, "D.jpeg,C0000001,C0000004\n"),
    "one concept more": lambda folder: write(folder / VAL_CT, "D.jpeg,C0000001,C0000003,C0000004\n"),
    "the size of an image": lambda folder: write(folder / "train/DRCT/A.jpg", "another size"),
}
TEST_CHANGES = {
    "an image more": lambda folder: write(folder / "test/G.jpg", ""),
    "an image renamed": lambda folder: (folder / "test/E.jpg").rename(folder / "test/G.jpg"),
    "another image of that name": lambda folder: write(folder / "test/E.jpg", "another size"),
    "no test images": lambda folder: shutil.rmtree(folder / "test"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_fingerprint_changes_with(folder, change):
    before = read_dataset(folder).fingerprint
    CHANGES[change](folder)
    after = read_dataset(folder).fingerprint
    assert after != before and len(after) == 16


@pytest.mark.parametrize("change", TEST_CHANGES)
def test_a_change_of_test_images_changes_their_fingerprint_only(folder, change):
    before = read_dataset(folder)
    fingerprints = before.fingerprint, before.test_fingerprint
    TEST_CHANGES[change](folder)
    after = read_dataset(folder)
    assert after.fingerprint == fingerprints[0] and after.test_fingerprint != fingerprints[1]
