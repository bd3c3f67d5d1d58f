"""A folder of images and concept lists -> one tidy table (image_id, path, split, category, concepts). Paper: 3.1."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from nblib.data.folder import Contents, DataFolder, walk_folder
from nblib.data.layouts import LAYOUTS, recognise
from nblib.data.names import find_names
from nblib.data.problems import Problem, format_problems, read_quarantine, serious_problems
from nblib.data.splits import read_split
from nblib.data.table import Dataset, match


def read_dataset(
    folder: str | Path,
    layout: str | None = None,
    quarantine: str | Path | None = None,
    names: str | Path | None = None,
    split: str | Path | None = None,
) -> Dataset:
    """The data set in `folder`, fit for training. Same arguments as `inspect_dataset`.

    Raises:
        FileNotFoundError: there is no such folder or file.
        ValueError: something is seriously wrong; all of it is listed (the first 20, then a count).
    """
    dataset = inspect_dataset(folder, layout, quarantine, names, split)
    if serious := serious_problems(dataset.problems):
        raise ValueError(f"{folder} is not fit for training:\n{format_problems(serious)}")
    return dataset


def inspect_dataset(
    folder: str | Path,
    layout: str | None = None,
    quarantine: str | Path | None = None,
    names: str | Path | None = None,
    split: str | Path | None = None,
) -> Dataset:
    """The data set in `folder` with everything that is wrong with it; the images themselves are not opened.

    Args:
        folder: the data folder.
        layout: one of `LAYOUTS`; recognised by default.
        quarantine: file with the image_ids to leave out, as `nblib check --quarantine` writes it.
        names: file with the names of concepts (`read_names`); by default one in the folder is used.
        split: file that says which images are train, val1 and val2 (`read_split`); by default the folder does.

    Raises:
        FileNotFoundError: there is no such folder or file.
        ValueError: there is no such layout, or `quarantine`, `names` or `split` can't be read.
    """
    data = walk_folder(folder)
    if layout not in (None, *LAYOUTS):
        known = ", ".join(LAYOUTS)
        raise ValueError(f"layout must be one of {known}; received {layout!r}. Leave it out to have it recognised.")
    tried = [layout] if layout else list(LAYOUTS)
    layout = layout or recognise(data) or "imageclef"
    left_out = read_quarantine(quarantine) if quarantine else {}
    found = LAYOUTS[layout].read(data)
    contents = _without(found, left_out)
    listed = found.listed.loc[found.listed["split"] != "test", "image_id"]
    parts = read_split(split, listed) if split else {}
    parts = {image_id: part for image_id, part in parts.items() if image_id not in left_out}
    matched = match(contents, parts)
    terms, name_problems = find_names(data, [*matched.images["concepts"], *matched.test_concepts.values()], names)
    absent = _missing_parts(data, contents, tried)
    problems = [*data.problems, *absent, *contents.problems, *matched.problems, *name_problems]
    problems = [problem for problem in problems if problem.image_id not in left_out]
    if left_out:
        problems.append(_left_out_note(str(quarantine), left_out, found))
    return Dataset(
        data.path, layout, matched.images, matched.category_from, terms, contents.manual, matched.test_concepts,
        tuple(problems), parts,
    )  # fmt: skip


def missing_splits(dataset: Dataset) -> list[Problem]:
    """A serious problem for each of train and val that has no image with concepts; no training without both."""
    labelled = set(dataset.images.loc[dataset.images["concepts"].map(len) > 0, "split"])
    what = "no image with concepts in {}; training needs train and val."
    return [Problem(str(dataset.folder), what.format(split)) for split in ("train", "val") if split not in labelled]


def _without(contents: Contents, left_out: Collection[str]) -> Contents:
    """The contents without the images of these image_ids."""
    images = [image for image in contents.images if image.image_id not in left_out]
    test_ids = [image_id for image_id in contents.test_ids if image_id not in left_out]
    listed = contents.listed[~contents.listed["image_id"].isin(left_out)]
    return replace(contents, images=images, listed=listed, test_ids=test_ids)


def _left_out_note(where: str, left_out: Collection[str], found: Contents) -> Problem:
    unknown = sorted(set(left_out) - {*found.listed["image_id"], *(image.image_id for image in found.images)})
    what = f"{len(left_out) - len(unknown):,} images are left out, as listed there"
    more = f"; {len(unknown):,} more are not in the data, such as {unknown[0]}" if unknown else ""
    return Problem(where, f"{what}{more}.", serious=False)


def _missing_parts(folder: DataFolder, contents: Contents, tried: list[str]) -> Iterator[Problem]:
    """Problems where there are no images, no lists, or neither; `tried` are the layouts that might have fitted."""
    where = str(folder.path)
    if not contents.images and len(contents.listed):
        what = "labels only: there is no image. Good for notebooks 01 and 02; training needs the images."
        yield Problem(where, what, serious=False)
    elif not contents.images:
        yield Problem(where, "no images; expected .jpg or .png files in train/, val/ and test/.")
    lacking = {name: LAYOUTS[name].missing(folder) for name in tried}
    if all(lacking.values()):
        reasons = "; ".join(f"{name}: {what}" for name, what in lacking.items())
        yield Problem(where, f"no concept lists. These layouts were tried, and this is missing: {reasons}.")
