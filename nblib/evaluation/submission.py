"""The file that is submitted to the challenge: write it, and score it as the organisers do. Paper: section 2.

`nblib.evaluation.challenge` has the form of each year; `nblib.evaluation.submission_check` checks it.
"""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np

from nblib.data import ConceptVocabulary, read_concept_lines
from nblib.evaluation.challenge import MEMBER, SECONDARY_2025, Year, rules_of
from nblib.evaluation.metrics import f1_per_image
from nblib.system import replacing

EARLIEST = (1980, 1, 1, 0, 0, 0)  # date of the file in a zip archive, so that equal submissions are equal files

Concepts = dict[str, tuple[str, ...]]  # image_id -> its concepts


def write_submission(
    path: str | Path, image_ids: Iterable[str], concept_lists: Iterable[Iterable[str]], year: int = 2020
) -> Path:
    """Writes `submission_bytes`, all or nothing, and returns the path; an older file is replaced."""
    content = submission_bytes(image_ids, concept_lists, year)
    with replacing(path) as beside:
        beside.write_bytes(content)
    return Path(path)


def submission_bytes(image_ids: Iterable[str], concept_lists: Iterable[Iterable[str]], year: int = 2020) -> bytes:
    """A submission in the form of this year: one line per image, in a zip archive where the year asks for one.

    Args:
        image_ids: of the test images, without extension, in the order of the data's test split.
        concept_lists: the concepts of each, in the same order.
        year: a year of `YEARS`.

    Raises:
        ValueError: the year is unknown, or the numbers of lists and images differ.
    """
    rules = rules_of(year)
    rows = zip(image_ids, concept_lists, strict=True)
    lines = [f"{image_id}{rules.separator}{';'.join(concepts)}" for image_id, concepts in rows]
    content = "".join(f"{line}\n" for line in [*filter(None, [rules.header]), *lines]).encode()
    return _zipped(content) if rules.zipped else content


def read_truth(path: str | Path) -> Concepts:
    """The true concepts, upper-cased, from a concept list in the form of any year.

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


def evaluate(truth: Concepts, submission: Concepts, year: int = 2020) -> tuple[float, int]:
    """The challenge's score, and the number of images it is the mean of; NaN if that is 0.

    It is `f1_per_image` over the union of true and submitted concepts: an unknown CUI is a false positive. Whether an
    image without true concepts counts depends on the year.

    Raises:
        ValueError: an image of the truth is missing in the submission, or one in it is unknown; or the year is unknown.
    """
    if truth.keys() != submission.keys():
        missing, unknown = sorted(truth.keys() - submission.keys()), sorted(submission.keys() - truth.keys())
        received = f"{len(missing):,} missing {missing[:3]}, {len(unknown):,} unknown {unknown[:3]}"
        raise ValueError(f"the submission must have the images of the truth: {received}.")
    return _mean_f1(truth, submission, rules_of(year))


def evaluate_secondary(manual: Concepts, submission: Concepts) -> tuple[float, int]:
    """The secondary score, and the number of images it is the mean of; NaN if that is 0.

    The same as `evaluate` with the manually curated concepts as truth, and nothing but `SECONDARY_2025` on both sides;
    images without such a true concept are left out, in every year.

    Raises:
        ValueError: an image of the truth is missing in the submission.
    """
    if missing := sorted(manual.keys() - submission.keys()):
        raise ValueError(f"the submission must have the images of the manual truth: {len(missing):,} missing "
                         f"{missing[:3]}.")  # fmt: skip
    true, submitted = (
        {image_id: tuple(concept for concept in side[image_id] if concept in SECONDARY_2025) for image_id in manual}
        for side in (manual, submission)
    )
    return _mean_f1(true, submitted, rules_of(2020))


def _mean_f1(truth: Concepts, submission: Concepts, rules: Year) -> tuple[float, int]:
    true, submitted = list(truth.values()), [submission[image_id] for image_id in truth]
    vocabulary = ConceptVocabulary.of([*true, *submitted])
    f1 = f1_per_image(vocabulary.encode(true), vocabulary.encode(submitted))
    if rules.empty_truth_counts:
        f1 = np.where(np.isnan(f1), [not concepts for concepts in submitted], f1)
    scored = f1[~np.isnan(f1)]
    return float(scored.mean()) if len(scored) else float("nan"), len(scored)


def _zipped(content: bytes) -> bytes:
    """A zip archive with this content of `MEMBER`."""
    archive, member = BytesIO(), ZipInfo(MEMBER, EARLIEST)
    member.compress_type, member.external_attr = ZIP_DEFLATED, 0o644 << 16
    with ZipFile(archive, "w") as file:
        file.writestr(member, content)
    return archive.getvalue()
