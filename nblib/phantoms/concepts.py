"""What the phantoms can show, as CSV files beside this one; random draws depend on the order of their rows.

concepts.csv: UMLS concepts and terms as used in the data sets ROCO and ROCOv2 and in Fig. 1 and 2 of the paper. As
there, some come in near-synonym pairs, because concepts were found in captions automatically: a CT image carries
C0040405 and C0040398, a knee C0022742 and C1260920. The other files list names of concepts, separated by semicolons.

categories.csv: images in the training split (Paper: Table 1), noise of a picture (standard deviation, grey 0..1).
studies.csv: kinds of examination, each drawn by a function of `sections`, `projections` or `ultrasound`; its weight
says how often it is drawn among the studies of its category, and among all of them.
findings.csv: what a study may show, its chance in 0..1, and a mark, a function of `nblib.phantoms.marks`. x (times the
side of the picture, -1 or 1), y, size and grey value say where and how the mark is drawn; without a mark it is left to
the drawing of the study to show the finding. {side} stands for Right or Left.
"""

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

VAGUE = ("Enlarged", "Irregular", "Shadow", "Soft tissue", "Fluid behavior")  # words that captions are full of


@cache
def read_concepts() -> dict[str, str]:
    """The name of each concept, by CUI."""
    return {row.cui: row.name for row in _rows("concepts.csv")}


@cache
def read_categories() -> dict[str, Any]:
    """The seven categories by name."""
    return {row.category: row for row in _rows("categories.csv")}


@cache
def read_studies() -> list[Any]:
    """All studies."""
    return _rows("studies.csv")


@cache
def read_findings(drawing: str) -> list[Any]:
    """What the study of this drawing may show."""
    return [row for row in _rows("findings.csv") if row.drawing == drawing]


def _rows(name: str) -> list[Any]:
    """The rows of a CSV file as named tuples; a cell without text is ""."""
    table = pd.read_csv(Path(__file__).with_name(name))
    return list(table.fillna({"concepts": "", "mark": ""}).itertuples(index=False))
