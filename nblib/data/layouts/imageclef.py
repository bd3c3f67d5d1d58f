"""ImageCLEF of other years: one list per split, `id<TAB>CUI;CUI` or `ID,CUIs` with a header."""

from pathlib import Path

from nblib.data.folder import DataFolder, find_images
from nblib.data.layouts.layout import Contents
from nblib.data.lists import category_named, find_lists, read_lists, read_manual


def recognised(folder: DataFolder) -> bool:
    """Whether a list is named after concepts and a split: `train_concepts.csv`, `..._2022_concept_valid.csv`."""
    return bool(find_lists(folder, names_concepts))


def read(folder: DataFolder, header: bool | None = None) -> Contents:
    """Images (files, or members of zip archives), the lists of train and validation, and the manually curated ones."""
    images, image_problems = find_images(folder)
    listed, problems = read_lists(find_lists(folder, names_concepts), header)
    manual, manual_problems = read_manual(find_lists(folder, lambda path: names_concepts(path, manual=True)))
    return Contents(images, listed, [*image_problems, *problems, *manual_problems], manual)


def names_concepts(path: Path, manual: bool = False) -> bool:
    """Whether a file is named like a list of a whole split, `train_concepts.csv` or `train_concepts_manual.csv`."""
    stem = path.stem.lower()
    is_list = "concept" in stem and not stem.startswith("string_") and category_named(path) is None
    return is_list and stem.endswith("manual") == manual
