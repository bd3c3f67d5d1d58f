"""A data set as one tidy table: how images and lists are matched, and how the table is split. Paper: 3.1 and 3.3."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nblib.data.categories import CATEGORIES, modality_categories
from nblib.data.folder import SPLITS, Contents, ImageFile
from nblib.data.lists import listed_images
from nblib.data.problems import Problem

COLUMNS = ["image_id", "path", "split", "category", "concepts"]

# What synthetic data are called wherever they are shown; the sample's README.txt begins with the word.
SYNTHETIC_MARK = "synthetic phantoms"

SPLIT_OF = {"train": "train", "val1": "val", "val2": "val"}  # the parts of a split of train and validation

VALIDATION_SPLIT_SEED = 2020  # no parameter: val1 and val2 are the same for every run of every experiment


@dataclass(frozen=True)
class Dataset:
    """What a data folder contains.

    Attributes:
        folder: its path.
        layout: one of `LAYOUTS`.
        images: one row per image: image_id (no extension), path (a file, or an image in an archive that opens like
            one; None where there is no image), split (train, val, test), category (of Table 5, or None where it is not
            known), concepts (tuple of CUIs; of the test split always empty: nothing that trains or tunes sees them).
            The test split is in the order of the folder's `ids.csv`, else in natural order (2 before 10).
        category_from: where the categories come from: "folder", "modality concept", or None.
        names: CUI -> UMLS term, empty where the folder has no names.
        manual_concepts: image_id -> manually curated concepts, empty where there are no such lists.
        test_concepts: image_id -> true concepts of the test images, for scores only; empty where they are not known.
        problems: what is wrong with it, serious or not.
        parts: image_id -> train, val1 or val2, as a split file says, with which `images` agrees; empty without one.
    """

    folder: Path
    layout: str
    images: pd.DataFrame
    category_from: str | None = None
    names: dict[str, str] = field(default_factory=dict)
    manual_concepts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    test_concepts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    parts: dict[str, str] = field(default_factory=dict)

    def split(self, *names: str) -> pd.DataFrame:
        """The images of these splits, numbered from 0."""
        return self.images[self.images["split"].isin(names)].reset_index(drop=True)

    def name_of(self, concept: str) -> str:
        """The concept's UMLS term, or the CUI itself where there is none."""
        return self.names.get(concept, concept)

    def halves(self) -> dict[str, pd.DataFrame]:
        """val1 and val2: as a split file says, or else the paper's (`validation_halves`)."""
        if not self.parts:
            return validation_halves(self.images)
        validation = self.split("val").sort_values("image_id")
        part = validation["image_id"].map(self.parts)
        return {name: validation[part == name].reset_index(drop=True) for name in ("val1", "val2")}

    @property
    def title(self) -> str:
        """What figures and reports call the data: the folder's name, or "synthetic phantoms" for a drawn sample."""
        note = self.folder / "README.txt"
        drawn = note.is_file() and note.read_text(encoding="utf-8", errors="replace").upper().startswith("SYNTHETIC")
        return SYNTHETIC_MARK if drawn else self.folder.resolve().name

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of all that a run is trained and tuned on: images (file sizes) and concepts of train and val.

        They change whenever one of these or the split does, and stay when test images are added, removed or replaced.
        """
        images = self.split("train", "val")
        return _fingerprint(images.assign(split=images["image_id"].map(self.parts)) if self.parts else images)

    @property
    def split_fingerprint(self) -> str | None:
        """16 hex digits of the split file that was used; None without one."""
        return fingerprint_of_parts(self.parts) if self.parts else None

    @cached_property
    def test_fingerprint(self) -> str:
        """16 hex digits of the test images, without their concepts: what predicted probabilities belong to."""
        return _fingerprint(self.split("test"))


def validation_halves(images: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """val1 and val2: the validation images split at random into equal halves, the same ones every time.

    With an odd number val1 gets one more. Paper: section 3.3; the seed of the split is ours.
    """
    validation = images[images["split"] == "val"].sort_values("image_id").reset_index(drop=True)
    order = np.random.default_rng(VALIDATION_SPLIT_SEED).permutation(len(validation))
    halves = zip(("val1", "val2"), np.array_split(order, 2), strict=True)
    return {name: validation.iloc[np.sort(rows)].reset_index(drop=True) for name, rows in halves}


def fingerprint_of_parts(parts: dict[str, str]) -> str:
    """16 hex digits of a split: equal for files that put the same images into the same parts."""
    return hashlib.sha256("\n".join(map("|".join, sorted(parts.items()))).encode()).hexdigest()[:16]


def count_images(images: pd.DataFrame) -> pd.DataFrame:
    """Images by split (rows) and category (columns) with totals. Paper: Table 1."""
    category = pd.Categorical(images["category"].fillna("unknown"), [*CATEGORIES, "unknown"])
    table = pd.crosstab(images["split"], category, dropna=False)
    table = table.loc[:, (table > 0).any() | table.columns.isin(list(CATEGORIES))]
    splits = [split for split in SPLITS if split in table.index]
    return table.loc[splits].assign(total=table.sum(axis=1)).rename_axis(columns=None)


class Matched(NamedTuple):
    """Images and lists together, as `Dataset` has them."""

    images: pd.DataFrame
    category_from: str | None
    test_concepts: dict[str, tuple[str, ...]]
    problems: list[Problem]


def match(contents: Contents, parts: dict[str, str]) -> Matched:
    """The tidy table (listed images with their concepts, then test images) and what does not fit.

    Images are in the split that `parts` says, those that it lacks in that of their list.

    Where there is no image at all, that is not a problem of each line: labels alone can be explored.
    """
    on_disk, problems, listed = {}, [], contents.listed
    for image in contents.images:
        if image is not (first := on_disk.setdefault(image.image_id, image)):
            what = f"a second image named {image.image_id} ({first.path}); names must be unique over all splits."
            problems.append(Problem(str(image.path), what, image_id=image.image_id))
    again = listed["image_id"].duplicated()
    repeated, listed = listed[again], listed[~again]
    twice = listed[listed["image_id"].isin(repeated["image_id"])]
    first_places = dict(zip(twice["image_id"], twice["where"], strict=True))
    for line in repeated.itertuples():
        what = f"{line.image_id} was listed before ({first_places[line.image_id]}); keep one of the two lines."
        problems.append(Problem(line.where, what, line.split != "test", line.image_id))
    tested = listed["split"] == "test"
    labelled, truth = listed[~tested], listed[tested]
    test_ids = _test_ids(on_disk, labelled, truth, contents.test_ids)
    if on_disk:
        problems += [*_mismatches(on_disk, labelled, test_ids), *_missing_tests(on_disk, test_ids)]
    table, category_from = _table(on_disk, labelled, test_ids)
    if parts:
        table["split"] = table["image_id"].map(parts).map(SPLIT_OF).fillna(table["split"])
    known = truth["concepts"].map(len).any()
    test_concepts = dict(zip(truth["image_id"], truth["concepts"], strict=True)) if known else {}
    return Matched(table, category_from, test_concepts, [*problems, *_never_trained(table)])


def _test_ids(
    on_disk: dict[str, ImageFile], labelled: pd.DataFrame, truth: pd.DataFrame, ordered: list[str]
) -> list[str]:
    """The test images in the order of `ids.csv`, or else all that are on disk or have a truth, in natural order."""
    tests = {name for name, image in on_disk.items() if image.split == "test"} | set(truth["image_id"])
    others = set(labelled["image_id"])
    return [image_id for image_id in ordered or sorted(tests, key=_natural) if image_id not in others]


def _natural(image_id: str) -> tuple[list, str]:
    """A key to sort by: texts and numbers by turns, with digits of any script; then the ID itself (`_1` and `_01`)."""
    parts = re.split(r"(\d+)", image_id)
    return [int(part) if position % 2 else part for position, part in enumerate(parts)], image_id


def _mismatches(on_disk: dict[str, ImageFile], listed: pd.DataFrame, test_ids: list[str]) -> Iterator[Problem]:
    """Listed images that do not exist, or are in the folder of another split or category; images in no list."""
    for line in listed.itertuples():
        image = on_disk.get(line.image_id)
        if image is None:
            yield Problem(line.where, f"{line.image_id} is listed, but there is no such image.", image_id=line.image_id)
            continue
        if image.split != line.split:
            what = f"{line.image_id} is in the {line.split} list, but its image is in the {image.split} folder."
            yield Problem(line.where, what, image_id=line.image_id)
        if image.category and line.category and image.category != line.category:
            what = f"{line.image_id} is listed under {line.category} but is in {image.path}; {line.category} is used."
            yield Problem(line.where, what, serious=False, image_id=line.image_id)
    known = {*listed["image_id"], *test_ids}
    for image_id, image in on_disk.items():
        if image_id not in known:
            where = "ids.csv" if image.split == "test" else "concept list"
            yield Problem(str(image.path), f"the image is in no {where}; it is left out.", False, image_id)


def _missing_tests(on_disk: dict[str, ImageFile], test_ids: list[str]) -> Iterator[Problem]:
    """One note on the test images that are listed and not there."""
    missing = [image_id for image_id in test_ids if image_id not in on_disk]
    if missing:
        what = f"{len(missing):,} of {len(test_ids):,} test images are listed, but there is no such image, for example"
        yield Problem("test", f"{what} {missing[0]}; they can't be predicted yet.", serious=False)


def _table(on_disk: dict[str, ImageFile], listed: pd.DataFrame, test_ids: list[str]) -> tuple[pd.DataFrame, str | None]:
    nowhere = ImageFile("", None, "", None)
    tests = listed_images(test_ids, "test", [()] * len(test_ids), [""] * len(test_ids))
    # Without `where`, a text per line, which would stay in memory as long as the table does.
    table = pd.concat([listed.drop(columns="where"), tests.drop(columns="where")], ignore_index=True)
    images = [on_disk.get(image_id, nowhere) for image_id in table["image_id"]]
    table["path"] = pd.Series([image.path for image in images], dtype=object)
    folders = pd.Series([image.category for image in images], dtype=object)
    table["category"] = table["category"].where(table["category"].notna(), folders)
    category_from = "folder" if table["category"].notna().any() else None
    if category_from is None:
        table["category"] = pd.Series(modality_categories(table["concepts"]), dtype=object)
        category_from = "modality concept" if table["category"].notna().any() else None
    return table[COLUMNS].astype({"image_id": str, "split": str}), category_from


def _fingerprint(images: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for row in images.sort_values(["split", "image_id"]).itertuples(index=False):
        size = row.path.stat().st_size if row.path else 0
        digest.update(f"{row.image_id}|{row.split}|{size}|{','.join(row.concepts)}\n".encode())
    return digest.hexdigest()[:16]


def _never_trained(table: pd.DataFrame) -> Iterator[Problem]:
    """One note on the validation concepts that no training image has."""
    train, val = (set().union(*table.loc[table["split"] == split, "concepts"]) for split in ("train", "val"))
    only_in_val = sorted(val - train)
    if train and only_in_val:
        what = f"concepts that no training image has: {len(only_in_val):,}, such as {only_in_val[0]}"
        yield Problem("validation", f"{what}; they can't be learnt.", serious=False)
