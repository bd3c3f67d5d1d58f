"""Concept lists as text: one line an image, in the form of any year."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from sys import intern

CUI_FORM = re.compile(r"C\d{7}")
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}
HEADER_WORDS = {"cuis", "cui", "concepts", "concept"}
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")

_TO_TABS = str.maketrans(",;|", "\t\t\t")


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file, with or without byte-order mark.

    Raises:
        ValueError: the file is not UTF-8; the line and the likely encoding are named.
    """
    content = Path(path).read_bytes()
    if content.startswith(UTF_16_MARKS) or b"\0" in content[:100]:
        raise ValueError(f"{path}:1: the file is UTF-16, not UTF-8; save it as UTF-8 and try again.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}:{line}: byte {error.start} is not UTF-8 but looks like Latin-1 (Windows-1252); "
            f"save the file as UTF-8 and try again."
        ) from None


def read_fields(path: str | Path) -> Iterator[tuple[int, str, list[str]]]:
    """Line number, first field and the other fields of each line that is not blank; blanks around fields are gone.

    Raises:
        ValueError: the file is not UTF-8 text.
    """
    text = read_text(path).translate(_TO_TABS)
    if " " in text:
        text = re.sub(r" *([\t\r\n]|\Z) *", r"\1", text).lstrip(" ")
    for number, line in enumerate(text.splitlines(), start=1):
        first, *fields = line.split("\t")
        if first or any(fields):
            yield number, first, fields


def is_header(fields: list[str]) -> bool:
    """Whether these are the fields after the first of a header such as `ID,CUIs`."""
    return bool(fields) and fields[0].casefold() in HEADER_WORDS


def read_concept_lines(path: str | Path) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Line number, image_id (extension removed) and concepts of each line of a concept list or a submission.

    Takes the form of every year: fields parted by tab, comma, semicolon or `|`, with or without a header `ID,CUIs`.

    Raises:
        ValueError: the file is not UTF-8 text.
    """
    for number, first, fields in read_fields(path):
        if number > 1 or not is_header(fields):
            yield number, without_suffix(first), concepts_in(fields)


def concepts_in(fields: list[str]) -> tuple[str, ...]:
    """The fields that are not empty; equal ones are one object, which keeps a large data set small."""
    return tuple(map(intern, filter(None, fields)))


def without_suffix(name: str) -> str:
    """The file name without its image extension: `ROCO2_CLEF_76012.jpg` -> `ROCO2_CLEF_76012`."""
    if "." not in name:
        return name
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a name from a list, not a path
    return stem if suffix.lower() in IMAGE_SUFFIXES else name
