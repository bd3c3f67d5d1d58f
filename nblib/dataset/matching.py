"""Images and what lists say of them -> the tidy table, and what does not fit together."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from nblib.dataset.categories import modality_category
from nblib.dataset.image_files import ImageFile
from nblib.dataset.lists import Listed
from nblib.dataset.problems import Problem

COLUMNS = ["image_id", "path", "split", "category", "concepts"]


def match(images: list[ImageFile], listed: list[Listed]) -> tuple[pd.DataFrame, str | None, list[Problem]]:
    """The tidy table (listed images with their concepts, then test images), where its categories are from, problems.

    Where there is no image at all, that is no problem of each line: labels alone can be explored.
    """
    on_disk, problems = {}, []
    for image in images:
        if image is not (first := on_disk.setdefault(image.image_id, image)):
            what = f"a second image named {image.image_id} ({first.path}); names must be unique over all splits."
            problems.append(Problem(str(image.path), what, image_id=image.image_id))
    labelled = {}
    for line in listed:
        if line is not (first := labelled.setdefault(line.image_id, line)):
            what = f"{line.image_id} was listed before ({first.where}); keep one of the two lines."
            problems.append(Problem(line.where, what, image_id=line.image_id))
    if on_disk:
        problems += _unmatched(on_disk, labelled)
    table, category_from = _table(on_disk, labelled)
    return table, category_from, [*problems, *_never_trained(table)]


def _unmatched(on_disk: dict[str, ImageFile], labelled: dict[str, Listed]) -> Iterator[Problem]:
    for image_id, line in labelled.items():
        image = on_disk.get(image_id)
        if image is None:
            yield Problem(line.where, f"{image_id} is listed, but there is no such image.", image_id=image_id)
        elif image.split != line.split:
            what = f"{image_id} is in the {line.split} list, its image in the {image.split} folder."
            yield Problem(line.where, what, image_id=image_id)
    for image_id, image in on_disk.items():
        if image_id not in labelled and image.split != "test":
            what = "the image is in no concept list; it is left out."
            yield Problem(str(image.path), what, serious=False, image_id=image_id)


def _table(on_disk: dict[str, ImageFile], labelled: dict[str, Listed]) -> tuple[pd.DataFrame, str | None]:
    rows = [_row(line, on_disk.get(image_id)) for image_id, line in labelled.items()]
    rows += [
        (image.image_id, image.path, "test", image.category, ())
        for image in on_disk.values()
        if image.split == "test" and image.image_id not in labelled
    ]
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(COLUMNS, ())
    category_from = "folder" if any(columns["category"]) else None
    if category_from is None:
        columns["category"] = tuple(map(modality_category, columns["concepts"]))
        category_from = "modality concept" if any(columns["category"]) else None
    table = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    return table.astype({"image_id": str, "split": str}), category_from


def _row(line: Listed, image: ImageFile | None) -> tuple[Any, ...]:
    category = line.category or (image.category if image else None)
    return line.image_id, image.path if image else None, line.split, category, line.concepts


def _never_trained(table: pd.DataFrame) -> Iterator[Problem]:
    """One note on the concepts of validation that no training image has."""
    train, val = (set().union(*table.loc[table["split"] == split, "concepts"]) for split in ("train", "val"))
    unseen = sorted(val - train)
    if train and unseen:
        what = (
            f"concepts that no training image has, so that they can't be learnt: {len(unseen):,}, such as {unseen[0]}."
        )
        yield Problem("validation", what, serious=False)
