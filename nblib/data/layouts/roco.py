"""ROCO v1 as its repository lays it out: `data/<split>/radiology/cuis.txt` with doubled tabs, `images/` beside it."""

from pathlib import Path

from nblib.data.folder import DataFolder, find_images
from nblib.data.layouts.layout import Contents
from nblib.data.lists import find_lists, read_lists

PART = "radiology"  # beside it is non-radiology


def recognised(folder: DataFolder) -> bool:
    """Whether there is a list `cuis.txt` in a folder that names a split."""
    return bool(find_lists(folder, _is_list))


def read(folder: DataFolder) -> Contents:
    """The radiology images and the lines `ROCO_00020<TAB><TAB>C4300092<TAB>...` of train and validation."""
    files = [path for path in folder.files if "non-" + PART not in path.parts]
    radiology = DataFolder(folder.path, tuple(files), folder.problems)
    images, image_problems = find_images(radiology)
    listed, problems = read_lists(find_lists(radiology, _is_list), header=False)
    return Contents(images, listed, [*image_problems, *problems])


def _is_list(path: Path) -> bool:
    return path.name == "cuis.txt"
