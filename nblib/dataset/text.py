"""Concept lists as text: one line an image, in the form of any year."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

CUI_FORM = re.compile(r"C\d{7}")
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}
HEADER_WORDS = {"cuis", "cui", "concepts", "concept"}
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")

_POOL = pa.system_memory_pool()  # Arrow's own takes twice the memory at first
_PIECE = 1_000_000  # characters
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


class Lines(NamedTuple):
    """The lines of a concept list as columns; equal fields are one object, so that a large data set stays small."""

    numbers: list[int]
    firsts: list[str]
    fields: list[tuple[str, ...]]  # all but the first; empty ones are kept
    plain: np.ndarray  # whether the fields are CUIs, each once, and at least one


def read_lines(path: str | Path) -> Lines:
    """The lines of the file that are not blank; blanks around fields are gone.

    Raises:
        ValueError: the file is not UTF-8 text.
    """
    numbers, firsts, lengths, pieces = [], [], [], []
    for piece, first_number in _pieces(_with_tabs(read_text(path))):
        parts, found = _parts(piece)
        starts, every = parts.offsets.to_numpy(), parts.flatten()
        first = np.zeros(len(every), dtype=bool)
        first[starts[:-1]] = True
        numbers += (found + first_number).tolist()
        firsts += every.filter(pa.array(first)).to_pylist()
        lengths.append(np.diff(starts) - 1)
        pieces.append(every.filter(pa.array(~first)).dictionary_encode())
    fields = pa.chunked_array(pieces).unify_dictionaries().combine_chunks()
    starts = np.cumsum(np.concatenate([[0], *lengths]))
    known, codes = fields.dictionary.to_pylist(), fields.indices.to_numpy()
    plain = _plain(known, codes, starts)
    flat = np.array([*known, None], dtype=object)[codes].tolist()
    return Lines(numbers, firsts, [tuple(flat[start:end]) for start, end in pairwise(starts.tolist())], plain)


def _with_tabs(text: str) -> str:
    """The text with a tab for each separator, no blanks around them, and one kind of line end."""
    text = text.translate(_TO_TABS)
    if '"' in text:
        text = text.replace('"', "")  # of CSV files, whose commas part fields and concepts alike
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub(r" *([\t\n]|\Z) *", r"\1", text).lstrip(" ") if " " in text else text


def _pieces(text: str) -> Iterator[tuple[str, int]]:
    """The text in pieces of whole lines, each with the number of its first line: what is made of one stays small."""
    start, number = 0, 1
    while start == 0 or start < len(text):
        end = text.find("\n", start + _PIECE) + 1 or len(text)
        piece = text[start:end]
        yield piece, number
        start, number = end or 1, number + piece.count("\n")


def _parts(text: str) -> tuple[pa.ListArray, np.ndarray]:
    """The fields of each line that is not blank, and the lines' numbers, counted from 0."""
    lines = pc.split_pattern(pa.array([text.rstrip("\n")], memory_pool=_POOL), "\n", memory_pool=_POOL).flatten()
    numbers = np.arange(len(lines))
    blank = pc.equal(pc.ascii_trim(lines, "\t"), "").to_numpy(zero_copy_only=False)
    if blank.any():
        lines, numbers = lines.filter(pa.array(~blank)), numbers[~blank]
    return pc.split_pattern(lines, "\t", memory_pool=_POOL), numbers


def _plain(known: list[str], codes: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Whether each line has CUIs only, each once, and at least one."""
    lengths = np.diff(starts)
    of_line = np.repeat(np.arange(len(lengths)), lengths)
    plain = lengths > 0
    odd = np.array([not CUI_FORM.fullmatch(name) for name in known], dtype=bool)
    if odd.any():
        plain[of_line[odd[codes]]] = False
    keys = of_line * (len(known) + 1) + codes
    keys.sort()
    plain[keys[1:][keys[1:] == keys[:-1]] // (len(known) + 1)] = False
    return plain


def is_header(fields: tuple[str, ...]) -> bool:
    """Whether these are the fields after the first of a header such as `ID,CUIs`."""
    return bool(fields) and fields[0].casefold() in HEADER_WORDS


def read_concept_lines(path: str | Path, keep_suffix: bool = False) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Line number, image_id (without extension, unless kept) and concepts of each line of a concept list or submission.

    Takes the form of every year: fields parted by tab, comma, semicolon or `|`, with or without a header `ID,CUIs`.

    Raises:
        ValueError: the file is not UTF-8 text.
    """
    numbers, firsts, every, _ = read_lines(path)
    for number, first, fields in zip(numbers, firsts, every, strict=True):
        if number > 1 or not is_header(fields):
            yield number, first if keep_suffix else without_suffix(first), concepts_in(fields)


def concepts_in(fields: tuple[str, ...]) -> tuple[str, ...]:
    """The fields that are not empty."""
    return tuple(filter(None, fields)) if "" in fields else fields


def without_suffix(name: str) -> str:
    """The file name without its image extension: `ROCO2_CLEF_76012.jpg` -> `ROCO2_CLEF_76012`."""
    stem, _, suffix = name.rpartition(".")
    return stem if stem and f".{suffix.lower()}" in IMAGE_SUFFIXES else name
