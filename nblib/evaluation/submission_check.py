"""Why the challenge would reject a submission, with file, line and reason; and submissions read for scoring."""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile, is_zipfile

from nblib.data import (
    CUI_FORM,
    Problem,
    decode_text,
    format_problems,
    reading_problem,
    serious_problems,
    without_suffix,
)
from nblib.evaluation.challenge import MEMBER, YEARS, Year, rules_of

LARGEST = 2**26  # bytes, unpacked; 100 concepts for each of 50,000 images are less
STRICT_CUI = re.compile("C[0-9]+")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UNREADABLE = (BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, ValueError, zlib.error)


class Line(NamedTuple):
    """A line of a submission; `concepts` is None where it does not have two columns."""

    where: str
    image_id: str
    concepts: list[str] | None


def check_submission(path: str | Path, image_ids: Iterable[str], year: int = 2020) -> list[Problem]:
    """Everything the challenge would reject in this year, then what is suspicious (not serious).

    Rejected in every year: an image missing, unknown (also one written with its extension) or repeated; a concept
    repeated on a line; over 100 concepts; another separator or header. `Year` has what else is rejected.

    Args:
        path: the file.
        image_ids: those of the test images, each expected exactly once, in the order of the data's test split.
        year: a year of `YEARS`.
    """
    path, rules, expected = Path(path), rules_of(year), list(image_ids)
    if not expected:
        return [Problem(str(path), "the data folder has no test images to compare with; is it the right one?")]
    lines, problems = _read(path, rules)
    if lines is not None:
        problems += _image_problems(str(path), lines, expected, rules)
    return sorted(problems, key=lambda problem: not problem.serious)


def read_submission(path: str | Path, year: int = 2020) -> dict[str, tuple[str, ...]]:
    """image_id -> concepts, upper-cased as the challenge does, of a submission that it would score.

    The images and their order are not checked. Unless the year is strict, the separator may be that of any year.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the challenge would reject it; all reasons are listed (the first 20, then a count).
    """
    path, rules = Path(path), rules_of(year)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; expected lines `image_id<TAB>CUI;CUI`.")
    lines, problems = _read(path, rules, any_form=not rules.strict)
    serious = serious_problems(problems)
    if lines is not None:
        serious += _repeated_images(lines)
    if serious:
        raise ValueError(f"the challenge would reject {path}:\n{format_problems(serious)}")
    if not lines:
        raise ValueError(f"{path} is empty; expected lines `image_id<TAB>CUI;CUI`.")
    return {line.image_id: tuple(concept.upper() for concept in line.concepts) for line in lines}


def _read(path: Path, rules: Year, any_form: bool = False) -> tuple[list[Line] | None, list[Problem]]:
    """The lines, None if there is nothing to read, and what is wrong with them whatever the images are."""
    content, where, problems = _unpack(path, rules, any_form)
    if content is None:
        return None, problems
    if rules.strict and content.startswith(BYTE_ORDER_MARK):
        problems.append(Problem(f"{where}:1", "a byte order mark; save the file as UTF-8 without it."))
    try:
        text = decode_text(content, where)
    except ValueError as error:
        return None, [*problems, reading_problem(Path(where), error)]
    if any_form:
        rules = _form_of(text, rules)
    lines, found = _split(text, where, rules)
    return lines, [*problems, *found, *(problem for line in lines for problem in _concept_problems(line, rules))]


def _unpack(path: Path, rules: Year, any_form: bool) -> tuple[bytes | None, str, list[Problem]]:
    """The bytes of the list, None if they can't be read; where it lies; and what is wrong with its wrapping."""
    if not path.is_file():
        return None, str(path), [Problem(str(path), "there is no such file.")]
    if path.stat().st_size > LARGEST:
        return None, str(path), [Problem(str(path), f"larger than {LARGEST:,} bytes; it can't be a submission.")]
    packed, problems = is_zipfile(path), []
    if packed != rules.zipped and not any_form:
        expected = f"a zip archive with {MEMBER} in it" if rules.zipped else "the list itself, not a zip archive"
        problems = [Problem(str(path), f"expected {expected}.")]
    if not packed:
        return path.read_bytes(), str(path), problems
    try:
        return *_read_member(path, problems), problems
    except UNREADABLE as error:
        return None, str(path), [*problems, Problem(str(path), f"can't be unpacked ({error}); pack it again.")]


def _read_member(path: Path, problems: list[Problem]) -> tuple[bytes | None, str]:
    """The bytes of the archive's list, None if it has none, and where it lies; appends to `problems`."""
    with ZipFile(path) as archive:
        names = [entry.orig_filename for entry in archive.infolist()]
        if names != [MEMBER]:
            shown = ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")
            leading = "; a name leads out of the archive" if any(map(_leads_out, names)) else ""
            what = f"expected {MEMBER} and nothing else; received {len(names):,} members: {shown or 'none'}{leading}."
            problems.append(Problem(str(path), what))
        if MEMBER not in names:
            return None, str(path)
        with archive.open(MEMBER) as member:
            content = member.read(LARGEST + 1)
    if len(content) > LARGEST:
        problems.append(Problem(str(path), f"{MEMBER} unpacks to more than {LARGEST:,} bytes; it is not read."))
        return None, str(path)
    return content, f"{path}/{MEMBER}"


def _leads_out(name: str) -> bool:
    return name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or ":" in name


def _form_of(text: str, rules: Year) -> Year:
    """The rules with the separator and header that the first line shows."""
    first = text.partition("\n")[0].strip()
    separator = next((each.separator for each in YEARS.values() if each.separator in first), rules.separator)
    return replace(rules, separator=separator, header=first if first.casefold() == f"id{separator}cuis" else None)


def _split(text: str, where: str, rules: Year) -> tuple[list[Line], list[Problem]]:
    """The lines below the header, and what is wrong with the form of each."""
    rows = [row.removesuffix("\r") for row in text.removesuffix("\n").split("\n")] if text else []
    lines, problems, first = [], [], 1
    if rules.header and rows[:1] == [rules.header]:
        first = 2
    elif rules.header:
        problems.append(Problem(f"{where}:1", f"expected the header {rules.header!r}; received {''.join(rows[:1])!r}."))
    for number, row in enumerate(rows[first - 1 :], start=first):
        here = f"{where}:{number}"
        if not row.strip():
            problems += [Problem(here, "a blank line; remove it.")] if rules.strict else []
            continue
        image_id, *others = row.split(rules.separator)
        if len(others) != 1 or any(
            each.separator in row for each in YEARS.values() if each.separator != rules.separator
        ):
            problems.append(Problem(here, f"expected image_id, one {rules.separator!r}, and concepts joined by `;`."))
        if rules.strict and any(column != column.strip() for column in (image_id, *others)):
            problems.append(Problem(here, "a space at the beginning or end of a column; remove it."))
        lines.append(Line(here, image_id.strip(), _concepts(others[0], rules) if len(others) == 1 else None))
    return lines, problems


def _concepts(column: str, rules: Year) -> list[str]:
    """The entries of a column; where the year is not strict, without spaces and empty entries."""
    entries = column.strip().split(";") if column.strip() else []
    return entries if rules.strict else [entry.strip() for entry in entries if entry.strip()]


def _concept_problems(line: Line, rules: Year) -> Iterator[Problem]:
    """What is wrong with the concepts of one line."""
    if line.concepts is None:
        return
    concepts = [concept for concept in line.concepts if concept]
    if len(concepts) < len(line.concepts):
        yield Problem(line.where, "an empty entry; join concepts by single semicolons, none at the end.")
    if len(concepts) > rules.most_concepts:
        yield Problem(line.where, f"{len(concepts)} concepts; at most {rules.most_concepts} are allowed.")
    if repeated := [concept for concept, times in Counter(map(str.upper, concepts)).items() if times > 1]:
        yield Problem(line.where, f"duplicate concept {', '.join(repeated)}; write each once.")
    if rules.strict and (wrong := [concept for concept in concepts if not STRICT_CUI.fullmatch(concept)]):
        yield Problem(line.where, f"not a CUI: {', '.join(map(repr, wrong[:3]))}; expected `C` and digits.")
    elif unknown := [concept for concept in concepts if not CUI_FORM.fullmatch(concept.upper())]:
        yield Problem(line.where, f"not a CUI: {', '.join(unknown[:3])}; counts as a wrong concept.", serious=False)
    if not line.concepts:
        what = f"no concept for {line.image_id}; it scores 0 (`nomissing` avoids that)."
        yield Problem(line.where, what, serious=False)


def _image_problems(path: str, lines: list[Line], expected: list[str], rules: Year) -> Iterator[Problem]:
    """Images that are repeated, unknown, in another order, or missing."""
    known, found = set(expected), {line.image_id for line in lines}
    yield from _repeated_images(lines)
    for line in lines:
        if line.image_id not in known:
            hint = "; write it without extension." if without_suffix(line.image_id) in known else "."
            yield Problem(line.where, f"{line.image_id!r} is none of the {len(expected):,} test images{hint}")
    if rules.strict:
        first_of_each = {line.image_id: line for line in reversed(lines) if line.image_id in known}
        in_file = reversed(first_of_each.values())
        for line, wanted in zip(in_file, filter(found.__contains__, expected), strict=True):
            if line.image_id != wanted:
                order = "images must be in the order of ids.csv, or where there is none in natural order (2 before 10)."
                yield Problem(line.where, f"{line.image_id} where {wanted} is expected; {order}")
                break
    for image_id in [image_id for image_id in expected if image_id not in found]:
        yield Problem(path, f"{image_id} is missing; every test image needs a line.")


def _repeated_images(lines: list[Line]) -> Iterator[Problem]:
    times = Counter()
    for line in lines:
        times[line.image_id] += 1
        if times[line.image_id] > 1:
            yield Problem(line.where, f"duplicate image_id {line.image_id}; one line per image.")
