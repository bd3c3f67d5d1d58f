"""Concept lists as text: one line per image, in the format of any year."""

import codecs
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

CUI_FORM = re.compile(r"C\d{7}")
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".dcm"}
HEADER_WORDS = {"cuis", "cui", "concepts", "concept"}

_TO_TABS = str.maketrans(",;|", "\t\t\t", '"')  # drops the quotes of CSV; commas inside them separate concepts as well


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file, with or without byte-order mark.

    Raises:
        ValueError: the file is not UTF-8; the line and the likely encoding are named.
    """
    return decode_text(Path(path).read_bytes(), path)


def decode_text(content: bytes, path: str | Path) -> str:
    """As `read_text`, from the bytes of the file at `path`."""
    if encoding := _wide_encoding(content):
        raise ValueError(f"{path}:1: the file is {encoding}, not UTF-8; save it as UTF-8 and try again.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"byte {error.start} is not UTF-8 but looks like Latin-1 (Windows-1252)"
        raise ValueError(f"{path}:{line}: {what}; save the file as UTF-8 and try again.") from None


def _wide_encoding(content: bytes) -> str | None:
    """UTF-32 or UTF-16 if the text seems to be in it, with or without byte-order mark."""
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) or content[:4].count(0) == 3:
        return "UTF-32"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[:100]:
        return "UTF-16"
    return None


def read_lines(path: str | Path) -> tuple[list[int], list[str], list[tuple[str, ...]]]:
    """Numbers, first fields and other fields of the lines that are not blank; fields are stripped, empty ones are kept.

    Raises:
        ValueError: the file is not UTF-8 text.
    """
    text = read_text(path).translate(_TO_TABS).replace("\r\n", "\n").replace("\r", "\n")
    if " " in text:
        text = re.sub(r" *([\t\n]|\Z) *", r"\1", text).lstrip(" ")
    lines = pc.split_pattern(pc.split_pattern(pa.array([text]), "\n").flatten(), "\t")
    coded = lines.flatten().dictionary_encode()  # so that a concept is stored once, not once per image
    words = np.array(coded.dictionary.to_pylist(), dtype=object)[coded.indices].tolist()
    bounds = enumerate(pairwise(lines.offsets.to_pylist()), start=1)
    filled = [(number, start, end) for number, (start, end) in bounds if words[start] or any(words[start:end])]
    fields = [tuple(words[start + 1 : end]) for _, start, end in filled]
    return [number for number, _, _ in filled], [words[start] for _, start, _ in filled], fields


def is_header(fields: tuple[str, ...]) -> bool:
    """Whether these are the fields after the first of a header such as `ID,CUIs`."""
    return bool(fields) and fields[0].casefold() in HEADER_WORDS


def read_concept_lines(path: str | Path, keep_suffix: bool = False) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Line number, image_id (without extension, unless kept) and concepts of each line of a concept list or submission.

    Takes the format of every year: separated by tab, comma, semicolon or `|`, with or without a header `ID,CUIs`.

    Raises:
        ValueError: the file is not UTF-8 text.
    """
    for number, first, fields in zip(*read_lines(path), strict=True):
        if number > 1 or not is_header(fields):
            yield number, first if keep_suffix else without_suffix(first), tuple(filter(None, fields))


def without_suffix(name: str) -> str:
    """The file name without its image extension: `ROCO2_CLEF_76012.jpg` -> `ROCO2_CLEF_76012`."""
    stem, _, suffix = name.rpartition(".")
    return stem if stem and f".{suffix.lower()}" in IMAGE_SUFFIXES else name
