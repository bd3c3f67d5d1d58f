"""ROCO v1 as its repository lays it out: `data/<split>/radiology/cuis.txt` with doubled tabs, `images/` beside it."""

from nblib.data.folder import DataFolder, find_images
from nblib.data.layouts.layout import Contents
from nblib.data.lists import ConceptList, read_lists, split_of_list

LIST = "cuis.txt"
PART = "radiology"  # beside it lies non-radiology


def recognised(folder: DataFolder) -> bool:
    """Whether there is a list `cuis.txt` in a folder that names a split."""
    return bool(_lists(folder))


def read(folder: DataFolder) -> Contents:
    """The radiology images and the lines `ROCO_00020<TAB><TAB>C4300092<TAB>...` of train and validation."""
    files = [path for path in folder.files if "non-" + PART not in path.parts]
    radiology = DataFolder(folder.path, tuple(files), folder.problems)
    images, image_problems = find_images(radiology)
    listed, problems = read_lists(_lists(radiology), header=False)
    return Contents(images, listed, [*image_problems, *problems])


def _lists(folder: DataFolder) -> list[ConceptList]:
    lists = [(path, split_of_list(path, folder)) for path in folder.files if path.name == LIST]
    return [ConceptList(path, split) for path, split in lists if split]
