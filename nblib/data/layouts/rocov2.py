"""ROCOv2 as on Zenodo: `train_concepts.csv` with the header `ID,CUIs`, images in folders or zip archives.

Beside them are `train_concepts_manual.csv` (manually curated) and captions; the truth of the test split is not read.
"""

from nblib.data.folder import DataFolder
from nblib.data.layouts import imageclef
from nblib.data.layouts.layout import Contents
from nblib.data.lists import ConceptList, find_lists


def recognised(folder: DataFolder) -> bool:
    """Whether the first image of a list is from ROCOv2; the files are named like those of ImageCLEF."""
    return any(map(_begins_with_rocov2, find_lists(folder, imageclef.names_concepts)))


def read(folder: DataFolder) -> Contents:
    """Like ImageCLEF of other years, each list with a header."""
    return imageclef.read(folder, header=True)


def _begins_with_rocov2(concept_list: ConceptList) -> bool:
    with concept_list.path.open("rb") as content:
        return b"ROCOv2_" in content.read(200)
