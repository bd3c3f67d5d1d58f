"""Concept lists: where they are, what they say, and what is wrong with their lines."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nblib.dataset.folder import DataFolder, split_named
from nblib.dataset.problems import Problem, reading_problem
from nblib.dataset.text import CUI_FORM, concepts_in, is_header, read_concept_lines, read_lines, without_suffix
from nblib.paper import CATEGORIES

LIST_SUFFIXES = (".csv", ".txt", ".tsv")
NOT_IN_A_NAME = ("/", "\\", "..")
NO_SEPARATORS = (" ", ":")  # which some would take for one
EXPECTED_LINE = "expected a line `image,CUI,CUI` or `image<TAB>CUI;CUI`"


class ConceptList(NamedTuple):
    """A file of image names and concepts; `category` only where there is one list a category."""

    path: Path
    split: str
    category: str | None = None


class Listed(NamedTuple):
    """What a concept list says of one image, and where it says so."""

    image_id: str
    split: str
    category: str | None
    concepts: tuple[str, ...]
    path: Path
    number: int

    @property
    def where(self) -> str:
        """File and line."""
        return f"{self.path}:{self.number}"


_AS_LISTED = partial(tuple.__new__, Listed)  # Listed._make at a third of its cost, a hundred thousand times


def lists_by_category(folder: DataFolder) -> list[ConceptList]:
    """The lists `DRCT_CLEF_Train.csv` of train and validation."""
    lists = []
    for path in folder.having(*LIST_SUFFIXES):
        category = next((name for name in CATEGORIES if path.stem.startswith(name)), None)
        if category and (split := split_of_list(path, folder)):
            lists.append(ConceptList(path, split, category))
    return lists


def lists_by_split(folder: DataFolder, manual: bool = False) -> list[ConceptList]:
    """The lists `train_concepts.csv` of train and validation, or those `train_concepts_manual.csv`."""
    lists = []
    for path in folder.having(*LIST_SUFFIXES):
        stem = path.stem.lower()
        kind = "concept" in stem and stem.endswith("manual") == manual and not stem.startswith("string_")
        if kind and path.stem[:4] not in CATEGORIES and (split := split_of_list(path, folder)):
            lists.append(ConceptList(path, split))
    return lists


def read_lists(lists: list[ConceptList], header: bool | None = None) -> tuple[list[Listed], list[Problem]]:
    """All lines of the lists, and what is wrong with them.

    Args:
        lists: the files to read.
        header: whether each begins with a header `ID,CUIs`; None where both occur.
    """
    listed, problems = [], []
    for concept_list in lists:
        try:
            lines, found = _read_list(concept_list, header)
        except ValueError as error:
            lines, found = [], [reading_problem(concept_list.path, error)]
        if not lines and not found:
            found = [Problem(str(concept_list.path), f"the list is empty; {EXPECTED_LINE}.")]
        listed += lines
        problems += found
    return listed, problems


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
    if not image_id or any(mark in image_id for mark in NOT_IN_A_NAME):
        what = f"{image_id!r} is no image name; expected a file name without folders."
        yield Problem(where, what, image_id=image_id)
    for concept in concepts:
        if not CUI_FORM.fullmatch(concept):
            what = f"{concept!r} is not a CUI; expected C and seven digits, like C0040405."
            yield Problem(where, what, image_id=image_id)
    if len(set(concepts)) < len(concepts):
        twice = sorted({concept for concept in concepts if concepts.count(concept) > 1})
        yield Problem(where, f"{', '.join(twice)} stands there more than once; counted once.", False, image_id)
    if not concepts:
        what = f"{image_id} has no concept; it is left out of training and of the score."
        yield Problem(where, what, False, image_id)


def split_of_list(path: Path, folder: DataFolder) -> str | None:
    """`train` or `val`, as the file's name says or else its folders'; None for a list of the test split."""
    inside = path.relative_to(folder.path)
    split = split_named(inside.stem) or split_named(*inside.parts[:-1])
    return split if split in ("train", "val") else None


def _read_list(source: ConceptList, header: bool | None) -> tuple[list[Listed], list[Problem]]:
    """What the list says, and what is wrong with it: most lines are plain, only the others are looked at."""
    numbers, firsts, fields, plain = read_lines(source.path)
    image_ids = [without_suffix(first) if "." in first else first for first in firsts]
    rows = zip(image_ids, repeat(source.split), repeat(source.category), fields, repeat(source.path), numbers)
    listed, problems = list(map(_AS_LISTED, rows)), []
    plain &= np.fromiter(map(bool, firsts), dtype=bool, count=len(firsts))
    if any(mark in "\n".join(firsts) for mark in (*NOT_IN_A_NAME, *NO_SEPARATORS)):
        plain &= np.array([not any(mark in first for mark in (*NOT_IN_A_NAME, *NO_SEPARATORS)) for first in firsts])
    for position in sorted({*np.flatnonzero(~plain).tolist(), *range(len(listed[:1]))}, reverse=True):
        line, first = listed[position], firsts[position]
        if is_header(line.concepts):
            found = _header_problems(line, header)
            del listed[position]
        elif _unparted(first, line.concepts):
            what = f"no tab, comma, semicolon or | parts {first!r}; {EXPECTED_LINE}."
            found = [Problem(line.where, what, image_id=first.split()[0])]
            del listed[position]
        else:
            found = _line_problems(line, header)
            listed[position] = line._replace(concepts=tuple(dict.fromkeys(filter(None, line.concepts))))
        problems[:0] = found
    return listed, problems


def _line_problems(line: Listed, header: bool | None) -> Iterator[Problem]:
    if header and line.number == 1:
        yield Problem(line.where, "no header; expected `ID,CUIs`. The line is read as an image.", serious=False)
    if "" in line.concepts[1:-1]:
        yield Problem(line.where, "nothing stands between two separators; passed over.", False, line.image_id)
    yield from check_line(line.where, line.image_id, concepts_in(line.concepts))


def _header_problems(line: Listed, header: bool | None) -> Iterator[Problem]:
    if line.number > 1:
        yield Problem(line.where, "a header amid the list; expected it on line 1 only. Take the line out.")
    elif header is False:
        yield Problem(line.where, "a header; this layout has none. The line is passed over.", serious=False)


def _unparted(first: str, fields: tuple[str, ...]) -> bool:
    """Whether CUIs stand in the first field, so that no separator we know parts them from the image's name."""
    return bool(re.search(r"[ :]C\d{7}\b" if fields else r"\bC\d{7}\b", first))
