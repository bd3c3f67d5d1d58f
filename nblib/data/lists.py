"""Concept lists: where they are, what they say, and what is wrong with their lines."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from nblib.data.categories import CATEGORIES
from nblib.data.folder import DataFolder, split_in_id, split_named
from nblib.data.problems import Problem, reading_problem
from nblib.data.text import CUI_FORM, is_header, read_concept_lines, read_lines, without_suffix

LIST_SUFFIXES = (".csv", ".txt", ".tsv")
NOT_A_NAME = re.compile(r"[/\\]|\.\.|^$")
ODD_NAME = re.compile(rf"{NOT_A_NAME.pattern}|[ :]")  # also what some might use as a separator
EXPECTED_LINE = "expected a line `image,CUI,CUI` or `image<TAB>CUI;CUI`"


class ConceptList(NamedTuple):
    """A file of image names and concepts; `category` only where there is one list per category.

    `split` is None where the file names none: each image_id does then.
    """

    path: Path
    split: str | None
    category: str | None = None


def listed_images(
    image_ids: Sequence[str],
    split: str | Sequence[str],
    concepts: Sequence[tuple[str, ...]],
    where: Sequence[str],
    category: str | None = None,
) -> pd.DataFrame:
    """A table of images as a list names them: image_id, split, category, concepts, where (file and line)."""
    columns = {"image_id": image_ids, "split": split, "category": category, "concepts": concepts, "where": where}
    return pd.DataFrame(columns, range(len(image_ids)), dtype=object)


def find_lists(folder: DataFolder, wanted: Callable[[Path], bool]) -> list[ConceptList]:
    """The wanted lists; the file's name, or else its folders', says which split it is."""
    lists = []
    for path in filter(wanted, folder.having(*LIST_SUFFIXES)):
        inside = path.relative_to(folder.path)
        split = split_named(inside.stem) or split_named(*inside.parts[:-1])
        lists.append(ConceptList(path, split, category_named(path)))
    return lists


def category_named(path: Path) -> str | None:
    """The category that the name of a list begins with: `DRCT_CLEF_Train.csv` -> `DRCT`."""
    return next((name for name in CATEGORIES if path.stem.startswith(name)), None)


def read_lists(lists: list[ConceptList], header: bool | None = None) -> tuple[pd.DataFrame, list[Problem]]:
    """The images that the lists name, as `listed_images`, and what is wrong with the lists.

    `header` says whether each begins with a header `ID,CUIs`; None where both occur.
    """
    tables, problems = [listed_images([], "", [], [])], []
    for concept_list in lists:
        try:
            table, found = _read_list(concept_list, header)
            tables.append(table)
            if table.empty and not found:
                found = [Problem(str(concept_list.path), f"the list is empty; {EXPECTED_LINE}.")]
        except ValueError as error:
            found = [reading_problem(concept_list.path, error)]
        # Nothing is trained on the concepts of test images.
        problems += [replace(each, serious=False) for each in found] if concept_list.split == "test" else found
    return pd.concat(tables, ignore_index=True), problems


def read_ids(paths: list[Path]) -> tuple[list[str], list[Problem]]:
    """The IDs of test images in the order of the files `ids.csv`, and what is wrong with the files (not serious)."""
    image_ids, problems = [], []
    for path in paths:
        try:
            _, names, _ = read_lines(path)
            image_ids += [without_suffix(name) for name in names if split_in_id(name) in ("test", None)]
        except ValueError as error:
            problems.append(reading_problem(path, error, serious=False))
    return [image_id for image_id in dict.fromkeys(image_ids) if image_id.casefold() != "id"], problems


def read_manual(lists: list[ConceptList]) -> tuple[dict[str, tuple[str, ...]], list[Problem]]:
    """image_id -> manually curated concepts, and what is wrong with them (not serious: nothing is trained on them)."""
    manual, problems = {}, []
    for concept_list in lists:
        try:
            for number, image_id, concepts in read_concept_lines(concept_list.path):
                found = check_line(f"{concept_list.path}:{number}", image_id, concepts) if concepts else ()
                problems += [replace(problem, serious=False, image_id=None) for problem in found]
                manual[image_id] = concepts
        except ValueError as error:
            problems.append(reading_problem(concept_list.path, error, serious=False))
    return manual, problems


def check_line(where: str, image_id: str, concepts: tuple[str, ...]) -> Iterator[Problem]:
    """What is wrong with an image's name and concepts."""
    if NOT_A_NAME.search(image_id):
        what = f"{image_id!r} is not an image name; expected a file name without folders."
        yield Problem(where, what, image_id=image_id)
    for concept in concepts:
        if not CUI_FORM.fullmatch(concept):
            what = f"{concept!r} is not a CUI; expected C and seven digits, like C0040405."
            yield Problem(where, what, image_id=image_id)
    if len(set(concepts)) < len(concepts):
        twice = sorted({concept for concept in concepts if concepts.count(concept) > 1})
        yield Problem(where, f"{', '.join(twice)} is listed more than once; counted once.", False, image_id)
    if not concepts:
        what = f"{image_id} has no concept; it is left out of training and of the score."
        yield Problem(where, what, False, image_id)


def _read_list(source: ConceptList, header: bool | None) -> tuple[pd.DataFrame, list[Problem]]:
    """The images that the list names, and what is wrong with it."""
    numbers, firsts, fields = read_lines(source.path)
    image_ids = [without_suffix(first) for first in firsts]
    splits = [source.split or split_in_id(image_id) for image_id in image_ids]
    path, problems, dropped = str(source.path), [], []
    where = [f"{path}:{number}" for number in numbers]
    for row in _rows_to_examine(image_ids, splits, fields):
        if is_header(fields[row]):
            problems += _header_problems(numbers[row], where[row], header)
            dropped.append(row)
        elif _has_no_separator(firsts[row], fields[row]):
            what = f"no tab, comma, semicolon or | separates the fields of {firsts[row]!r}; {EXPECTED_LINE}."
            problems.append(Problem(where[row], what, image_id=firsts[row].split()[0]))
            dropped.append(row)
        elif splits[row] is None:
            what = f"{image_ids[row]!r} names no split; expected an ID like ImageCLEFmedical_Caption_2026_train_000012."
            problems.append(Problem(where[row], what, image_id=image_ids[row]))
            dropped.append(row)
        else:
            if header and numbers[row] == 1:
                what = "no header; expected `ID,CUIs`. The line is read as an image."
                problems.append(Problem(where[row], what, serious=False))
            if "" in fields[row][1:-1]:
                what = "there is nothing between two separators; ignored."
                problems.append(Problem(where[row], what, False, image_ids[row]))
            concepts = tuple(filter(None, fields[row]))
            problems += check_line(where[row], image_ids[row], concepts)
            fields[row] = tuple(dict.fromkeys(concepts))
    return listed_images(image_ids, splits, fields, where, source.category).drop(index=dropped), problems


def _rows_to_examine(image_ids: list[str], splits: list[str | None], fields: list[tuple[str, ...]]) -> list[int]:
    """The first line, and those that do not have an ordinary name, a split, and CUIs only, each once, at least one."""
    cuis = set(filter(CUI_FORM.fullmatch, set(chain.from_iterable(fields))))
    return [
        row
        for row, (image_id, split, concepts) in enumerate(zip(image_ids, splits, fields, strict=True))
        if row == 0
        or split is None
        or ODD_NAME.search(image_id)
        or not 0 < len(cuis.intersection(concepts)) == len(concepts)
    ]


def _header_problems(number: int, where: str, header: bool | None) -> Iterator[Problem]:
    if number > 1:
        yield Problem(where, "a header in the middle of the list; expected on line 1 only. Remove the line.")
    elif header is False:
        yield Problem(where, "a header; this layout has none. The line is ignored.", serious=False)


def _has_no_separator(first: str, fields: tuple[str, ...]) -> bool:
    """Whether the first field contains CUIs, so that no separator we know stands between them and the image's name."""
    return bool(re.search(r"[ :]C\d{7}\b" if fields else r"\bC\d{7}\b", first))
