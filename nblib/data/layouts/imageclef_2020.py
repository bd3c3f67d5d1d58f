"""ImageCLEF 2020: one folder of images and one ragged CSV per category."""

from nblib.data.folder import DataFolder, find_images
from nblib.data.layouts.layout import Contents
from nblib.data.lists import category_named, find_lists, read_lists


def recognised(folder: DataFolder) -> bool:
    """Whether a list is named after a category: `DRCT_CLEF_Train.csv`."""
    return bool(find_lists(folder, category_named))


def read(folder: DataFolder) -> Contents:
    """Images, and the lines `ROCO2_CLEF_76012.jpg,C0022742,C0043299` of all categories; no header."""
    images, image_problems = find_images(folder)
    listed, problems = read_lists(find_lists(folder, category_named), header=False)
    return Contents(images, listed, [*image_problems, *problems])
