"""Images and what lists say of them -> the tidy table, and what does not fit together."""

from collections.abc import Iterator
from itertools import chain

import pandas as pd

from nblib.dataset.categories import modality_categories
from nblib.dataset.image_files import ImageFile
from nblib.dataset.lists import Listed
from nblib.dataset.problems import Problem


def match(images: list[ImageFile], listed: list[Listed]) -> tuple[pd.DataFrame, str | None, list[Problem]]:
    """The tidy table (listed images with their concepts, then test images), where its categories are from, problems.

    Where there is no image at all, that is no problem of each line: labels alone can be explored.
    """
    on_disk, problems = {}, []
    for image in images:
        if image is not (first := on_disk.setdefault(image.image_id, image)):
            what = f"a second image named {image.image_id} ({first.path}); names must be unique over all splits."
            problems.append(Problem(str(image.path), what, image_id=image.image_id))
    labelled = {line.image_id: line for line in listed}
    if len(labelled) < len(listed):
        labelled, listed_again = _first_lines(listed)
        problems += listed_again
    if on_disk:
        problems += _unmatched(on_disk, labelled)
    table, category_from = _table(on_disk, labelled)
    return table, category_from, [*problems, *_of_two_categories(on_disk, labelled), *_never_trained(table)]


def _first_lines(listed: list[Listed]) -> tuple[dict[str, Listed], list[Problem]]:
    """The first line of each image, and a problem for every other."""
    first_lines, problems = {}, []
    for line in listed:
        if line is not (first := first_lines.setdefault(line.image_id, line)):
            what = f"{line.image_id} was listed before ({first.where}); keep one of the two lines."
            problems.append(Problem(line.where, what, image_id=line.image_id))
    return first_lines, problems


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


def _of_two_categories(on_disk: dict[str, ImageFile], labelled: dict[str, Listed]) -> Iterator[Problem]:
    for image_id, line in labelled.items():
        image = on_disk.get(image_id) if line.category else None
        if image and image.category and image.category != line.category:
            what = f"{image_id} is listed under {line.category} but lies in {image.path}; {line.category} is taken."
            yield Problem(line.where, what, serious=False, image_id=image_id)


def _table(on_disk: dict[str, ImageFile], labelled: dict[str, Listed]) -> tuple[pd.DataFrame, str | None]:
    tested = {name: image for name, image in on_disk.items() if image.split == "test" and name not in labelled}
    images = [*map(on_disk.get, labelled), *tested.values()]
    folders = [image.category if image else None for image in images]
    listed = [line.category for line in labelled.values()] + [None] * len(tested)
    concepts = [line.concepts for line in labelled.values()] + [()] * len(tested)
    of_folders = [one or other for one, other in zip(listed, folders, strict=True)]
    categories, category_from = _categories(of_folders, concepts)
    columns = {
        "image_id": pd.Series([*labelled, *tested], dtype=str),
        "path": pd.Series([image.path if image else None for image in images], dtype=object),
        "split": pd.Series([line.split for line in labelled.values()] + ["test"] * len(tested), dtype=str),
        "category": pd.Series(categories, dtype=object),
        "concepts": pd.Series(concepts, dtype=object),
    }
    return pd.DataFrame(columns), category_from


def _categories(of_folders: list[str | None], concepts: list[tuple[str, ...]]) -> tuple[list[str | None], str | None]:
    """The category of each image and where it is from: the folders, or else the modality concepts, or nothing."""
    if any(of_folders):
        return of_folders, "folder"
    of_concepts = modality_categories(concepts)
    return of_concepts, "modality concept" if any(of_concepts) else None


def _never_trained(table: pd.DataFrame) -> Iterator[Problem]:
    """One note on the concepts of validation that no training image has."""
    lists = {split: table.loc[table["split"] == split, "concepts"] for split in ("train", "val")}
    train, val = (set(chain.from_iterable(concept_lists)) for concept_lists in lists.values())
    unseen = sorted(val - train)
    if train and unseen:
        what = f"concepts that no training image has: {len(unseen):,}, such as {unseen[0]}; they can't be learnt."
        yield Problem("validation", what, serious=False)
