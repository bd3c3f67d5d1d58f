"""Names of concepts: from `string_concepts.csv`, any file of two columns, or the UMLS file `MRCONSO.RRF`."""

import csv
import re
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path

from nblib.data.folder import DataFolder
from nblib.data.problems import Problem, reading_problem
from nblib.data.text import CUI_FORM, read_text

# The first of these in a data folder is read.
NAMES_FILES = ("string_concepts.csv", "string_concepts.txt", "cui_mapping.csv", "cui_terms.csv", "MRCONSO.RRF")
UMLS_SUFFIX = ".rrf"
_FIRST_CUI = re.compile(r'^\ufeff?"?C\d{7}"?([\t,;|])', re.MULTILINE)


def read_names(path: str | Path, wanted: Collection[str] | None = None) -> dict[str, str]:
    """CUI -> name, from lines `CUI<TAB>name` (or comma, semicolon, `|`; with or without a header) or from MRCONSO.RRF.

    Args:
        path: the file; more columns than two are taken as CUI, name and the rest where there is a header.
        wanted: the CUIs to keep, all by default. MRCONSO.RRF is streamed: only these are held in memory.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not UTF-8 text, or no line of it begins with a CUI.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; expected lines `CUI<TAB>name`, or UMLS' MRCONSO.RRF.")
    pairs = _umls_pairs(path) if path.suffix.lower() == UMLS_SUFFIX else _pairs(path)
    return {cui: name for cui, name in pairs if wanted is None or cui in wanted}


def find_names(
    folder: DataFolder, concept_lists: Iterable[Iterable[str]], given: str | Path | None = None
) -> tuple[dict[str, str], list[Problem]]:
    """The names in `given`, or else in a file of the folder itself; what can't be read there is not serious."""
    path = given or _names_file(folder)
    if path is None:
        return {}, []
    if given or path.suffix.lower() == UMLS_SUFFIX:
        return read_names(path, set(chain.from_iterable(concept_lists))), []
    try:
        pairs = list(_pairs(path))
        return dict(pairs), list(_passed_over(path, pairs))
    except ValueError as error:
        return {}, [reading_problem(path, error, serious=False)]


def _names_file(folder: DataFolder) -> Path | None:
    files = folder.having(".csv", ".txt", UMLS_SUFFIX)
    return next((path for name in NAMES_FILES for path in files if path.name == name), None)


def _passed_over(path: Path, pairs: list[tuple[str, str]]) -> Iterator[Problem]:
    """Notes on the lines of a file of names that gave none of the `pairs`, and on the CUIs that have two names."""
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    headed = 0 if CUI_FORM.match(lines[0].lstrip('"')) else 1
    if unnamed := len(lines) - headed - len(pairs):
        yield Problem(str(path), f"{unnamed:,} lines are not of the form `CUI<TAB>name`; ignored.", serious=False)
    names = {}
    if twice := sorted({cui for cui, name in pairs if names.setdefault(cui, name) != name}):
        what = f"{len(twice):,} CUIs have more than one name, such as {twice[0]}; the last is used."
        yield Problem(str(path), what, serious=False)


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    text = read_text(path)
    if (first := _FIRST_CUI.search(text)) is None:
        raise ValueError(f"{path}:1: no line begins with a CUI and a separator; expected lines `CUI<TAB>name`.")
    separator = first[1]
    quoting = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
    rows = csv.reader(text.splitlines(), delimiter=separator, quoting=quoting)
    headed = first.start() > 0
    for cui, *cells in filter(None, rows):  # a blank line is an empty row
        if CUI_FORM.fullmatch(cui.strip()) and cells:
            name = cells[0] if headed else separator.join(cells)
            if name.strip():
                yield cui.strip(), name.strip()


def _umls_pairs(path: Path) -> Iterator[tuple[str, str]]:
    """The English preferred names, read line by line: LAT = ENG, TS = P, STT = PF, ISPREF = Y."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            fields = line.split("|", 15)
            if len(fields) > 14 and (fields[1], fields[2], fields[4], fields[6]) == ("ENG", "P", "PF", "Y"):
                yield fields[0], fields[14]
