"""Concept lists: where they are, what they say, and what is wrong with their lines."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nblib.data.categories import CATEGORIES
from nblib.data.concept_column import ConceptColumn
from nblib.data.folder import DataFolder, split_named
from nblib.data.problems import Problem, reading_problem
from nblib.data.text import CUI_FORM, concepts_in, is_header, read_concept_lines, read_lines, without_suffixes

LIST_SUFFIXES = (".csv", ".txt", ".tsv")
NOT_IN_A_NAME = ("/", "\\", "..")
ODD_NAME = r"[/\\ :]|\.\.|^$"  # those, none at all, and what some would take for a separator
EXPECTED_LINE = "expected a line `image,CUI,CUI` or `image<TAB>CUI;CUI`"


class ConceptList(NamedTuple):
    """A file of image names and concepts; `category` only where there is one list a category."""

    path: Path
    split: str
    category: str | None = None


class Line(NamedTuple):
    """A line of a concept list that is to be looked at."""

    path: Path
    number: int
    image_id: str
    fields: tuple[str, ...]  # all but the first

    @property
    def where(self) -> str:
        """File and line."""
        return f"{self.path}:{self.number}"


def listed_table(
    image_ids: Sequence[str] | pa.StringArray,
    split: str,
    concepts: ConceptColumn,
    category: str | None = None,
    path: Path | None = None,
    numbers: Sequence[int] | int = 0,
) -> pd.DataFrame:
    """What a list says, one row an image, and where it says so: image_id, split, category, concepts, path, number."""
    rows = pd.RangeIndex(len(image_ids))
    columns = {
        "image_id": pd.Series(image_ids, rows, dtype=str),
        "split": pd.Series(split, rows, dtype=str),
        "category": np.full(len(rows), category, dtype=object),
        "concepts": concepts,
        "path": np.full(len(rows), path, dtype=object),
        "number": numbers,
    }
    return pd.DataFrame(columns, rows)


def joined_tables(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """All rows of such tables; a table without rows where there are none."""
    return pd.concat(tables, ignore_index=True) if tables else listed_table([], "", ConceptColumn.of([]))


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


def read_lists(lists: list[ConceptList], header: bool | None = None) -> tuple[pd.DataFrame, list[Problem]]:
    """What the lists say, as of `listed_table`, and what is wrong with them.

    Args:
        lists: the files to read.
        header: whether each begins with a header `ID,CUIs`; None where both occur.
    """
    tables, problems = [], []
    for concept_list in lists:
        try:
            table, found = _read_list(concept_list, header)
            tables.append(table)
            if table.empty and not found:
                found = [Problem(str(concept_list.path), f"the list is empty; {EXPECTED_LINE}.")]
        except ValueError as error:
            found = [reading_problem(concept_list.path, error)]
        problems += found
    return joined_tables(tables), problems


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


def _read_list(source: ConceptList, header: bool | None) -> tuple[pd.DataFrame, list[Problem]]:
    """What the list says, and what is wrong with it: most lines are plain, only the others are looked at."""
    numbers, firsts, fields, plain = read_lines(source.path)
    image_ids = without_suffixes(firsts)
    plain &= ~pc.match_substring_regex(firsts, ODD_NAME).to_numpy(zero_copy_only=False)
    kept, cured, problems = np.ones(len(firsts), dtype=bool), {}, []
    for position in sorted({*np.flatnonzero(~plain).tolist(), *range(len(firsts[:1]))}):
        first = firsts[position].as_py()
        line = Line(source.path, int(numbers[position]), image_ids[position].as_py(), fields[position])
        if is_header(line.fields):
            problems += _header_problems(line, header)
            kept[position] = False
        elif _unparted(first, line.fields):
            what = f"no tab, comma, semicolon or | parts {first!r}; {EXPECTED_LINE}."
            problems.append(Problem(line.where, what, image_id=first.split()[0]))
            kept[position] = False
        else:
            problems += _line_problems(line, header)
            if not plain[position]:
                cured[position] = tuple(dict.fromkeys(filter(None, line.fields)))
    concepts = fields.replaced(cured)
    table = listed_table(image_ids, source.split, concepts, source.category, source.path, numbers)
    return table if kept.all() else table[kept], problems


def _line_problems(line: Line, header: bool | None) -> Iterator[Problem]:
    if header and line.number == 1:
        yield Problem(line.where, "no header; expected `ID,CUIs`. The line is read as an image.", serious=False)
    if "" in line.fields[1:-1]:
        yield Problem(line.where, "nothing stands between two separators; passed over.", False, line.image_id)
    yield from check_line(line.where, line.image_id, concepts_in(line.fields))


def _header_problems(line: Line, header: bool | None) -> Iterator[Problem]:
    if line.number > 1:
        yield Problem(line.where, "a header amid the list; expected it on line 1 only. Take the line out.")
    elif header is False:
        yield Problem(line.where, "a header; this layout has none. The line is passed over.", serious=False)


def _unparted(first: str, fields: tuple[str, ...]) -> bool:
    """Whether CUIs stand in the first field, so that no separator we know parts them from the image's name."""
    return bool(re.search(r"[ :]C\d{7}\b" if fields else r"\bC\d{7}\b", first))
