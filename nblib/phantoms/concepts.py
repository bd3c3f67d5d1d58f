"""What the phantoms can show: concepts, studies, and what may be found in them, as CSV files beside this one.

The concepts are UMLS concepts as used in the data sets ROCO and ROCOv2 and in Fig. 1 and 2 of the paper; the
names are UMLS terms. As there, some come in near-synonym pairs, because concepts were found in captions
automatically: a CT image carries C0040405 and C0040398, a knee C0022742 and C1260920.
The order of the rows must stay as it is, because random draws depend on it.
"""

import csv
from functools import cache
from pathlib import Path

from pydantic import BaseModel

VAGUE = ("Enlarged", "Irregular", "Shadow", "Soft tissue", "Fluid behavior")  # words that captions are full of


class Category(BaseModel):
    """Images in the training split (Paper: Table 1), noise of a picture (standard deviation, grey 0..1), concepts."""

    train_images: int
    noise: float = 0.0
    concepts: str = ""


class Finding(BaseModel):
    """Something a study may show: its concepts, its chance in 0..1, and a mark, a function of `nblib.phantoms.marks`.

    x (times the side of the picture, -1 or 1), y, size and grey value say where and how the mark is drawn.
    Without a mark it is left to the drawing of the study to show the finding. {side} stands for Right or Left.
    """

    concepts: str
    chance: float
    mark: str | None = None
    x: float = 0.0
    y: float = 0.0
    size: float = 0.1
    value: float = 1.0


class Study(BaseModel):
    """One kind of examination: a function of `sections`, `projections` or `ultrasound` draws it.

    Its weight says how often it is drawn among the studies of its category, and among all of them.
    """

    drawing: str
    category: str
    weight: float
    concepts: str
    findings: tuple[Finding, ...]


@cache
def read_concepts() -> dict[str, str]:
    """The name of each concept, by CUI."""
    return {row["cui"]: row["name"] for row in _rows("concepts.csv")}


@cache
def read_categories() -> dict[str, Category]:
    """The seven categories by name."""
    return {row["category"]: Category(**row) for row in _rows("categories.csv")}


@cache
def read_studies() -> tuple[Study, ...]:
    """All studies with their findings."""
    findings: dict[str, list[Finding]] = {}
    for row in _rows("findings.csv"):
        findings.setdefault(row["drawing"], []).append(Finding(**row))
    return tuple(Study(**row, findings=findings[row["drawing"]]) for row in _rows("studies.csv"))


def _rows(name: str) -> list[dict[str, str]]:
    """Each row of a CSV file as its cells by column, without the empty ones."""
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as file:
        return [{column: cell for column, cell in row.items() if cell} for row in csv.DictReader(file)]
