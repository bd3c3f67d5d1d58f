"""Categories, of folders or of concepts."""

import pytest
from data.filing import write

from nblib.data.reading import read_dataset

MODALITIES = {
    "one": ("C0000001;C0024485", "DRMR"),
    "two names of one": ("C0043299;C1306645", "DRXR"),
    "two": ("C0040405;C0002978", None),
    "none": ("C0000001", None),
}


@pytest.mark.parametrize("kind", MODALITIES)
def test_a_category_comes_from_the_one_modality_that_fits(tmp_path, kind):
    concepts, category = MODALITIES[kind]
    write(tmp_path / "train_concepts.csv", f"A\t{concepts}\nB\tC0041618\n")
    dataset = read_dataset(tmp_path)
    assert dataset.category_from == "modality concept"
    assert list(dataset.images["category"]) == [category, "DRUS"]


def test_folders_say_the_category_rather_than_concepts(tmp_path):
    write(tmp_path / "train_concepts.csv", "A\tC0041618\n")
    write(tmp_path / "train" / "DRCT" / "A.jpg", "")
    dataset = read_dataset(tmp_path)
    assert (dataset.category_from, list(dataset.images["category"])) == ("folder", ["DRCT"])
