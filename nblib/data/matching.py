"""Images and what lists say of them -> the tidy table, and what does not fit together."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from nblib.data.categories import modality_categories
from nblib.data.concept_column import ConceptColumn
from nblib.data.image_files import ImageFile
from nblib.data.lists import joined_tables, listed_table
from nblib.data.problems import Problem

COLUMNS = ["image_id", "path", "split", "category", "concepts"]


def match(images: list[ImageFile], listed: pd.DataFrame) -> tuple[pd.DataFrame, str | None, list[Problem]]:
    """The tidy table (listed images with their concepts, then test images), where its categories are from, problems.

    Where there is no image at all, that is no problem of each line: labels alone can be explored.
    """
    on_disk, problems = {}, []
    for image in images:
        if image is not (first := on_disk.setdefault(image.image_id, image)):
            what = f"a second image named {image.image_id} ({first.path}); names must be unique over all splits."
            problems.append(Problem(str(image.path), what, image_id=image.image_id))
    if not listed["image_id"].is_unique:
        again = listed["image_id"].duplicated().to_numpy()
        problems += _listed_again(listed[~again], listed[again])
        listed = listed[~again]
    if on_disk:
        problems += [*_unmatched(on_disk, listed), *_unlisted(on_disk, set(listed["image_id"]))]
    table, category_from = _table(on_disk, listed)
    return table, category_from, [*problems, *_of_two_categories(on_disk, listed), *_never_trained(table)]


def _listed_again(first_lines: pd.DataFrame, others: pd.DataFrame) -> Iterator[Problem]:
    """A problem for every line but the first of an image."""
    first_places = {line.image_id: f"{line.path}:{line.number}" for line in first_lines.itertuples()}
    for line in others.itertuples():
        what = f"{line.image_id} was listed before ({first_places[line.image_id]}); keep one of the two lines."
        yield Problem(f"{line.path}:{line.number}", what, image_id=line.image_id)


def _unmatched(on_disk: dict[str, ImageFile], listed: pd.DataFrame) -> Iterator[Problem]:
    """Listed images that are not there, or in the folder of another split."""
    there = [image.split if image else None for image in map(on_disk.get, listed["image_id"])]
    apart = np.array(there, dtype=object) != listed["split"].to_numpy(object)
    for line in listed[apart].itertuples():
        image, where = on_disk.get(line.image_id), f"{line.path}:{line.number}"
        if image is None:
            yield Problem(where, f"{line.image_id} is listed, but there is no such image.", image_id=line.image_id)
        else:
            what = f"{line.image_id} is in the {line.split} list, its image in the {image.split} folder."
            yield Problem(where, what, image_id=line.image_id)


def _unlisted(on_disk: dict[str, ImageFile], labelled: set[str]) -> Iterator[Problem]:
    for image_id, image in on_disk.items():
        if image_id not in labelled and image.split != "test":
            what = "the image is in no concept list; it is left out."
            yield Problem(str(image.path), what, serious=False, image_id=image_id)


def _of_two_categories(on_disk: dict[str, ImageFile], listed: pd.DataFrame) -> Iterator[Problem]:
    if not on_disk:
        return
    for line in listed[listed["category"].notna()].drop(columns="concepts").itertuples():
        image = on_disk.get(line.image_id)
        if image and image.category and image.category != line.category:
            what = f"{line.image_id} is listed under {line.category} but lies in {image.path}"
            what = f"{what}; {line.category} is taken."
            yield Problem(f"{line.path}:{line.number}", what, serious=False, image_id=line.image_id)


def _table(on_disk: dict[str, ImageFile], listed: pd.DataFrame) -> tuple[pd.DataFrame, str | None]:
    labelled = set(listed["image_id"]) if on_disk else ()
    tested = [name for name, image in on_disk.items() if image.split == "test" and name not in labelled]
    table = listed.reset_index(drop=True)
    if tested:
        table = joined_tables([table, listed_table(tested, "test", ConceptColumn.of([()] * len(tested)))])
    if on_disk:
        images = [on_disk.get(image_id) for image_id in table["image_id"]]
        table["path"] = pd.Series([image.path if image else None for image in images], dtype=object)
        folders = pd.Series([image.category if image else None for image in images], dtype=object)
        table["category"] = table["category"].where(table["category"].notna(), folders)
    else:
        table["path"] = np.full(len(table), None)
    category_from = "folder" if table["category"].notna().any() else None
    if category_from is None:
        of_concepts = modality_categories(table["concepts"])
        category_from = "modality concept" if any(of_concepts) else None
        table["category"] = pd.Series(of_concepts, dtype=object)
    return table[COLUMNS], category_from


def _never_trained(table: pd.DataFrame) -> Iterator[Problem]:
    """One note on the concepts of validation that no training image has."""
    column, splits = ConceptColumn.of(table["concepts"]), table["split"]
    train, val = (column.occurring((splits == split).to_numpy(bool)) for split in ("train", "val"))
    unseen = sorted(val - train)
    if train and unseen:
        what = f"concepts that no training image has: {len(unseen):,}, such as {unseen[0]}; they can't be learnt."
        yield Problem("validation", what, serious=False)
