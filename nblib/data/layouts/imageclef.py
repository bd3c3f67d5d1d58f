"""ImageCLEF of other years: one list per split, `id<TAB>CUI;CUI` or `ID,CUIs` with a header."""

from nblib.data.folder import DataFolder, find_images
from nblib.data.layouts.layout import Contents
from nblib.data.lists import lists_by_split, read_lists, read_manual


def recognised(folder: DataFolder) -> bool:
    """Whether a list is named after concepts and a split: `train_concepts.csv`, `..._2022_concept_valid.csv`."""
    return bool(lists_by_split(folder))


def read(folder: DataFolder, header: bool | None = None) -> Contents:
    """Images (files, or members of zip archives), the lists of train and validation, and the manually curated ones."""
    images, image_problems = find_images(folder)
    listed, problems = read_lists(lists_by_split(folder), header)
    manual, manual_problems = read_manual(lists_by_split(folder, manual=True))
    return Contents(images, listed, [*image_problems, *problems, *manual_problems], manual)
