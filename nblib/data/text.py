"""Concept lists as text: one line an image, in the form of any year."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nblib.data.concept_column import ConceptColumn

CUI_FORM = re.compile(r"C\d{7}")
CUI_LENGTH = 8
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}
HEADER_WORDS = {"cuis", "cui", "concepts", "concept"}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UNCLEAN = (b" ", b'"', b"\r", b"\0")  # what only the careful reading of a list knows what to do with
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")

_POOL = pa.system_memory_pool()  # Arrow's own takes twice the memory at first
_PIECE = 1_000_000  # characters
_SEPARATES = bytes(letter in b",;|\t\n" for letter in range(256))
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
    """The lines of a concept list as columns."""

    numbers: np.ndarray
    firsts: pa.StringArray
    fields: ConceptColumn  # all but the first; empty ones are kept
    plain: np.ndarray  # whether the fields are CUIs, each once, and at least one


def read_lines(path: str | Path) -> Lines:
    """The lines of the file that are not blank; blanks around fields are gone.

    Raises:
        ValueError: the file is not UTF-8 text.
    """
    return read_clean_lines(Path(path).read_bytes()) or read_any_lines(read_text(path))


def read_clean_lines(content: bytes) -> Lines | None:
    """The lines of a list that is as it should be, from its bytes alone; None where `read_any_lines` is to look at it.

    As it should be: ASCII without blanks or quotes, each line but the first an image and fields of a CUI's length.
    """
    content = content.removeprefix(BYTE_ORDER_MARK)
    start = content.find(b"\n") + 1
    if not start or not content.isascii() or any(sign in content for sign in UNCLEAN):
        return None
    head, body = read_any_lines(content[:start].decode()), content[start:].removesuffix(b"\n") + b"\n"
    letters = np.frombuffer(body, dtype=np.uint8)
    ends = np.flatnonzero(np.frombuffer(body.translate(_SEPARATES), dtype=bool))
    starts = np.concatenate([[0], ends[:-1] + 1])
    is_last = letters[ends] == ord("\n")
    is_first = np.concatenate([[True], is_last[:-1]])
    lengths = ends - starts
    if (is_first & is_last).any() or not lengths[is_first].all() or (lengths[~is_first] != CUI_LENGTH).any():
        return None
    words = np.ndarray(len(body) - CUI_LENGTH, f"S{CUI_LENGTH}", body, strides=1)  # the eight bytes at each place
    codes, known = pd.factorize(words[starts[~is_first]].view(np.uint64))
    bounds = np.flatnonzero(np.append(is_first, True))
    names = known.view(words.dtype).astype(str).tolist()
    fields = ConceptColumn(names, codes.astype(np.int32), bounds - np.arange(len(bounds)))
    numbers = np.arange(len(fields)) + 2
    return _joined([head, Lines(numbers, _cut(letters, starts[is_first], ends[is_first]), fields, _plain(fields))])


def read_any_lines(text: str) -> Lines:
    """The lines of any text that are not blank; blanks around fields are gone."""
    pieces = []
    for piece, first_number in _pieces(_with_tabs(text)):
        parts, found = _parts(piece)
        starts, every = parts.offsets.to_numpy(), parts.flatten()
        first = np.zeros(len(every), dtype=bool)
        first[starts[:-1]] = True
        coded = every.filter(pa.array(~first)).dictionary_encode()
        fields = ConceptColumn(coded.dictionary.to_pylist(), coded.indices.to_numpy(), starts - np.arange(len(starts)))
        pieces.append(Lines(found + first_number, every.filter(pa.array(first)), fields, _plain(fields)))
    return _joined(pieces)


def _joined(parts: list[Lines]) -> Lines:
    numbers, firsts, fields, plain = zip(*parts, strict=True)
    return Lines(np.concatenate(numbers), pa.concat_arrays(firsts), ConceptColumn.joined(fields), np.concatenate(plain))


def _cut(letters: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> pa.StringArray:
    """The texts that stand between these places."""
    lengths = ends - starts
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    buffers = pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(letters[places])
    return pa.StringArray.from_buffers(len(starts), *buffers)


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


def _plain(fields: ConceptColumn) -> np.ndarray:
    """Whether each line has CUIs only, each once, and at least one."""
    plain = fields.lengths > 0
    plain[fields.repeating()] = False
    odd = np.array([not CUI_FORM.fullmatch(name) for name in fields.names], dtype=bool)
    if odd.any():
        plain[fields.rows[odd[fields.codes]]] = False
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
    for number, first, fields in zip(numbers.tolist(), firsts.to_pylist(), every, strict=True):
        if number > 1 or not is_header(fields):
            yield number, first if keep_suffix else without_suffix(first), concepts_in(fields)


def concepts_in(fields: tuple[str, ...]) -> tuple[str, ...]:
    """The fields that are not empty."""
    return tuple(filter(None, fields)) if "" in fields else fields


def without_suffixes(names: pa.StringArray) -> pa.StringArray:
    """`without_suffix` of each name."""
    if not pc.any(pc.match_substring(names, ".")).as_py():
        return names
    return pc.replace_substring_regex(names, r"(?is)^(.+)\.(?:jpg|jpeg|png)$", r"\1")


def without_suffix(name: str) -> str:
    """The file name without its image extension: `ROCO2_CLEF_76012.jpg` -> `ROCO2_CLEF_76012`."""
    stem, _, suffix = name.rpartition(".")
    return stem if stem and f".{suffix.lower()}" in IMAGE_SUFFIXES else name
