"""Concept lists: where they are, what they say, and what is wrong with their lines."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from nblib.data.categories import CATEGORIES
from nblib.data.folder import DataFolder, split_named
from nblib.data.problems import Problem, reading_problem
from nblib.data.text import CUI_FORM, is_header, read_concept_lines, read_lines, without_suffix

LIST_SUFFIXES = (".csv", ".txt", ".tsv")
NOT_IN_A_NAME = ("/", "\\", "..")
ODD_NAME = re.compile(r"[/\\ :]|\.\.|^$")  # those, an empty name, and what some might use as a separator
EXPECTED_LINE = "expected a line `image,CUI,CUI` or `image<TAB>CUI;CUI`"


class ConceptList(NamedTuple):
    """A file of image names and concepts; `category` only where there is one list per category."""

    path: Path
    split: str
    category: str | None = None


class ListedImage(NamedTuple):
    """An image as a line of a list names it; `path` and `number` are those of the line."""

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


def find_lists(folder: DataFolder, wanted: Callable[[Path], bool]) -> list[ConceptList]:
    """The wanted lists of train and validation; the file's name, or else its folders', says which split it is."""
    lists = []
    for path in filter(wanted, folder.having(*LIST_SUFFIXES)):
        inside = path.relative_to(folder.path)
        split = split_named(inside.stem) or split_named(*inside.parts[:-1])
        if split in ("train", "val"):
            lists.append(ConceptList(path, split, category_named(path)))
    return lists


def category_named(path: Path) -> str | None:
    """The category that the name of a list begins with: `DRCT_CLEF_Train.csv` -> `DRCT`."""
    return next((name for name in CATEGORIES if path.stem.startswith(name)), None)


def read_lists(lists: list[ConceptList], header: bool | None = None) -> tuple[list[ListedImage], list[Problem]]:
    """The images that the lists name, and what is wrong with the lists.

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


def _read_list(source: ConceptList, header: bool | None) -> tuple[list[ListedImage], list[Problem]]:
    """The images that the list names, and what is wrong with it: only lines that are not sound are examined."""
    listed, problems, cuis = [], [], set()
    for number, first, fields in read_lines(source.path):
        line = ListedImage(without_suffix(first), source.split, source.category, fields, source.path, number)
        if number > 1 and _is_sound(line, cuis):
            listed.append(line)
        elif is_header(fields):
            problems += _header_problems(line, header)
        elif _has_no_separator(first, fields):
            what = f"no tab, comma, semicolon or | separates the fields of {first!r}; {EXPECTED_LINE}."
            problems.append(Problem(line.where, what, image_id=first.split()[0]))
        else:
            problems += _line_problems(line, header)
            listed.append(line._replace(concepts=tuple(dict.fromkeys(filter(None, fields)))))
    return listed, problems


def _is_sound(line: ListedImage, cuis: set[str]) -> bool:
    """Whether a line has an ordinary name and CUIs only, each once, at least one; `cuis` collects those seen so far."""
    if not cuis.issuperset(line.concepts):
        cuis.update(filter(CUI_FORM.fullmatch, line.concepts))
    distinct = cuis.intersection(line.concepts)
    return 0 < len(distinct) == len(line.concepts) and (
        line.image_id.isidentifier() or not ODD_NAME.search(line.image_id)
    )


def _line_problems(line: ListedImage, header: bool | None) -> Iterator[Problem]:
    if header and line.number == 1:
        yield Problem(line.where, "no header; expected `ID,CUIs`. The line is read as an image.", serious=False)
    if "" in line.concepts[1:-1]:
        yield Problem(line.where, "there is nothing between two separators; ignored.", False, line.image_id)
    yield from check_line(line.where, line.image_id, tuple(filter(None, line.concepts)))


def _header_problems(line: ListedImage, header: bool | None) -> Iterator[Problem]:
    if line.number > 1:
        yield Problem(line.where, "a header in the middle of the list; expected on line 1 only. Remove the line.")
    elif header is False:
        yield Problem(line.where, "a header; this layout has none. The line is ignored.", serious=False)


def _has_no_separator(first: str, fields: tuple[str, ...]) -> bool:
    """Whether the first field contains CUIs, so that no separator we know stands between them and the image's name."""
    return bool(re.search(r"[ :]C\d{7}\b" if fields else r"\bC\d{7}\b", first))
