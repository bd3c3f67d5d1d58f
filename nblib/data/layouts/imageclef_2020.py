"""ImageCLEF 2020: one folder of images and one ragged CSV per category."""

from nblib.data.folder import DataFolder, find_images
from nblib.data.layouts.layout import Contents
from nblib.data.lists import lists_by_category, read_lists


def recognised(folder: DataFolder) -> bool:
    """Whether a list is named after a category: `DRCT_CLEF_Train.csv`."""
    return bool(lists_by_category(folder))


def read(folder: DataFolder) -> Contents:
    """Images, and the lines `ROCO2_CLEF_76012.jpg,C0022742,C0043299` of all categories; no header."""
    images, image_problems = find_images(folder)
    listed, problems = read_lists(lists_by_category(folder), header=False)
    return Contents(images, listed, [*image_problems, *problems])
