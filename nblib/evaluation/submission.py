"""The file that is submitted to the challenge: write it, check it, score it.

One line per image, `image_id<TAB>CUI;CUI;...`, no header, no extension. The separator of 2020 is not documented, so it
is an option with tab as default; tab, `|`, and CSV with the header `ID,CUIs` are read. Paper: section 2.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from nblib.data import (
    CUI_FORM,
    ConceptVocabulary,
    Problem,
    read_concept_lines,
    read_text,
    reading_problem,
    without_suffix,
)
from nblib.evaluation.metrics import sample_f1
from nblib.evaluation.selection import CAP
from nblib.system import replacing

SEPARATORS = {"tab": "\t", "pipe": "|", "csv": ","}


def write_submission(
    path: str | Path, image_ids: Iterable[str], concept_lists: Iterable[Iterable[str]], separator: str = "tab"
) -> Path:
    """Writes one line per image, all or nothing, and returns the path.

    Args:
        path: the file to write; an older one is replaced.
        image_ids: of the test images, without extension.
        concept_lists: the concepts of each, in the same order.
        separator: tab, pipe, or csv (with the header `ID,CUIs`).

    Raises:
        ValueError: the separator is unknown, or the numbers of lists and images differ.
    """
    if separator not in SEPARATORS:
        raise ValueError(f"separator must be one of {', '.join(SEPARATORS)}; received {separator!r}.")
    rows = zip(image_ids, concept_lists, strict=True)
    lines = [f"{image_id}{SEPARATORS[separator]}{';'.join(concepts)}" for image_id, concepts in rows]
    if separator == "csv":
        lines.insert(0, "ID,CUIs")
    with replacing(path) as beside:
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Path(path)


def read_submission(path: str | Path) -> dict[str, tuple[str, ...]]:
    """image_id -> concepts, upper-cased as the challenge does, from a submission or a truth in the same format.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is empty, not text, or has a duplicate image_id.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; expected lines `image_id<TAB>CUI;CUI`.")
    concepts_of = {}
    for number, image_id, concepts in read_concept_lines(path):
        if image_id in concepts_of:
            raise ValueError(f"{path}:{number}: duplicate image_id {image_id}; keep one line per image.")
        concepts_of[image_id] = tuple(concept.upper() for concept in concepts)
    if not concepts_of:
        raise ValueError(f"{path} is empty; expected lines `image_id<TAB>CUI;CUI`.")
    return concepts_of


def check_submission(path: str | Path, image_ids: Iterable[str]) -> list[Problem]:
    """Everything the challenge would reject, and what is suspicious (not serious).

    Rejected: an image missing, unknown (also one written with its extension) or repeated; a concept repeated on a
    line; over 100 concepts. `image_ids` are those of the test images, each expected exactly once.
    """
    path, expected = Path(path), set(image_ids)
    if not expected:
        return [Problem(str(path), "the data folder has no test images to compare with; is it the right one?")]
    if not path.is_file():
        return [Problem(str(path), "there is no such file.")]
    try:
        lines = list(read_concept_lines(path, keep_suffix=True))
    except ValueError as error:
        return [reading_problem(path, error)]
    missing = sorted(expected - {image_id for _, image_id, _ in lines})
    missed = [Problem(str(path), f"{image_id} is missing; every test image needs a line.") for image_id in missing]
    return [*_form_problems(path), *_line_problems(path, lines, expected), *missed]


def evaluate(truth: dict[str, tuple[str, ...]], submission: dict[str, tuple[str, ...]]) -> tuple[float, int]:
    """The challenge's score, and the number of images it is the mean of.

    It is `sample_f1` over the union of true and submitted concepts: an unknown CUI is a false positive. Both arguments
    map image_id to upper-cased concepts, as `read_submission` returns them.

    Raises:
        ValueError: an image of the truth is missing in the submission, or one in it is unknown.
    """
    if truth.keys() != submission.keys():
        missing, unknown = sorted(truth.keys() - submission.keys()), sorted(submission.keys() - truth.keys())
        received = f"{len(missing):,} missing {missing[:3]}, {len(unknown):,} unknown {unknown[:3]}"
        raise ValueError(f"the submission must have the images of the truth: {received}.")
    true, submitted = list(truth.values()), [submission[image_id] for image_id in truth]
    vocabulary = ConceptVocabulary.of([*true, *submitted])
    return sample_f1(vocabulary.encode(true), vocabulary.encode(submitted)), sum(map(bool, true))


def score_submissions(folder: str | Path, truth: dict[str, tuple[str, ...]]) -> dict[str, float]:
    """File name -> F1 of every `submission*.txt` in the folder of a run."""
    paths = sorted(Path(folder).glob("submission*.txt"))
    return {path.name: evaluate(truth, read_submission(path))[0] for path in paths}


def _form_problems(path: Path) -> Iterator[Problem]:
    """Lines that are not `image_id`, the file's one separator, and concepts joined by semicolons."""
    lines = read_text(path).splitlines()
    separator = next((mark for mark in SEPARATORS.values() if lines and mark in lines[0]), "\t")
    for number, line in enumerate(lines, start=1):
        others = {mark for mark in SEPARATORS.values() if mark in line} - {separator}
        if line.strip() and (others or line.count(separator) != 1):
            yield Problem(f"{path}:{number}", f"expected image_id, one {separator!r}, and concepts joined by `;`.")


def _line_problems(path: Path, lines: list, expected: set[str]) -> Iterator[Problem]:
    seen = set()
    for number, image_id, concepts in lines:
        where = f"{path}:{number}"
        if image_id in seen:
            yield Problem(where, f"duplicate image_id {image_id}; one line per image.")
        seen.add(image_id)
        if image_id not in expected:
            hint = "; write it without extension." if without_suffix(image_id) in expected else "."
            yield Problem(where, f"{image_id!r} is none of the {len(expected):,} test images{hint}")
        if len(concepts) > CAP:
            yield Problem(where, f"{len(concepts)} concepts; at most {CAP} are allowed.")
        if repeated := [concept for concept, times in Counter(map(str.upper, concepts)).items() if times > 1]:
            yield Problem(where, f"duplicate concept {', '.join(repeated)}; write each once.")
        if unknown := [concept for concept in concepts if not CUI_FORM.fullmatch(concept.upper())]:
            yield Problem(where, f"not a CUI: {', '.join(unknown[:3])}; counts as a wrong concept.", serious=False)
        if not concepts:
            yield Problem(where, f"no concept for {image_id}; it scores 0 (`nomissing` avoids that).", serious=False)
