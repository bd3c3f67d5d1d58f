"""ROCOv2 as on Zenodo: `train_concepts.csv` with the header `ID,CUIs`, images in folders or zip archives.

Beside them are `train_concepts_manual.csv` (manually curated) and captions; the truth of the test split is not read.
"""

from nblib.data.folder import DataFolder
from nblib.data.layouts import imageclef
from nblib.data.layouts.layout import Contents
from nblib.data.lists import lists_by_split


def recognised(folder: DataFolder) -> bool:
    """Whether the first image of a list is from ROCOv2; the files are named like those of ImageCLEF."""
    return any(_first_lines(concept_list.path).find(b"ROCOv2_") >= 0 for concept_list in lists_by_split(folder))


def read(folder: DataFolder) -> Contents:
    """Like ImageCLEF of other years, each list with a header."""
    return imageclef.read(folder, header=True)


def _first_lines(path) -> bytes:
    with path.open("rb") as content:
        return content.read(200)
