"""A data set as one tidy table, and what the notebooks ask of it first. Paper: sections 3.1 and 3.3."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from nblib.data.categories import CATEGORIES
from nblib.data.folder import SPLITS
from nblib.data.problems import Problem

# How data that were drawn are called wherever they are shown; the sample's README.txt begins with the word.
SYNTHETIC_MARK = "synthetic phantoms"

# val1 and val2 are the same for every run of every experiment, so this seed is nobody's parameter.
VALIDATION_SPLIT_SEED = 2020


@dataclass(frozen=True)
class Dataset:
    """What a data folder holds.

    Attributes:
        folder: where it lies.
        layout: how it is laid out, one of `LAYOUTS`.
        images: one row an image: image_id (no extension), path (a file, or a place in an archive that opens like one;
            None where there is no image), split (train, val, test), category (of Table 5, or None where it is not
            known), concepts (tuple of CUIs, empty for the test split).
        category_from: what said the categories: "folder", "modality concept", or None.
        names: CUI -> UMLS term, empty where the folder has no names.
        manual_concepts: image_id -> concepts that were curated by hand, empty where there are no such lists.
        problems: what is wrong with it, serious or not.
    """

    folder: Path
    layout: str
    images: pd.DataFrame
    category_from: str | None = None
    names: dict[str, str] = field(default_factory=dict)
    manual_concepts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def split(self, *names: str) -> pd.DataFrame:
        """The images of these splits, numbered from 0."""
        return self.images[self.images["split"].isin(names)].reset_index(drop=True)

    def name_of(self, concept: str) -> str:
        """The concept's UMLS term, or the CUI itself where there is none."""
        return self.names.get(concept, concept)

    @property
    def title(self) -> str:
        """How figures and reports call the data: the folder's name, or "synthetic phantoms" for a drawn sample."""
        note = self.folder / "README.txt"
        drawn = note.is_file() and note.read_text(encoding="utf-8", errors="replace").upper().startswith("SYNTHETIC")
        return SYNTHETIC_MARK if drawn else self.folder.resolve().name

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change whenever an image, a split, a category or a concept does (pixels: file sizes)."""
        rows = self.images.sort_values(["split", "image_id"])
        digest = hashlib.sha256()
        for row in rows.itertuples(index=False):
            size = row.path.stat().st_size if row.path else 0
            digest.update(f"{row.image_id}|{row.split}|{row.category}|{size}|{','.join(row.concepts)}\n".encode())
        return digest.hexdigest()[:16]


def validation_halves(images: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """val1 and val2: the validation images split at random into equal halves, the same ones every time.

    With an odd number val1 gets one more. Paper: section 3.3; the seed of the split is ours.
    """
    validation = images[images["split"] == "val"].sort_values("image_id").reset_index(drop=True)
    order = np.random.default_rng(VALIDATION_SPLIT_SEED).permutation(len(validation))
    middle = (len(validation) + 1) // 2
    return {
        "val1": validation.iloc[np.sort(order[:middle])].reset_index(drop=True),
        "val2": validation.iloc[np.sort(order[middle:])].reset_index(drop=True),
    }


def count_images(images: pd.DataFrame) -> pd.DataFrame:
    """Images by split (rows) and category (columns) with totals. Paper: Table 1."""
    category = pd.Categorical(images["category"].fillna("unknown"), [*CATEGORIES, "unknown"])
    table = pd.crosstab(images["split"], category, dropna=False)
    table = table.loc[:, (table > 0).any() | table.columns.isin(list(CATEGORIES))]
    splits = [split for split in SPLITS if split in table.index]
    return table.loc[splits].assign(total=table.sum(axis=1)).rename_axis(columns=None)
