"""The choice of a label space: which concepts of a data set get a sigmoid."""

from pathlib import Path

import pandas as pd

from nblib.data.counting import concept_counts
from nblib.data.examples import Examples
from nblib.data.text import CUI_FORM, read_lines
from nblib.data.vocabulary import ConceptVocabulary


def choose_concepts(
    images: pd.DataFrame,
    min_images: int = 0,
    top_concepts: int | None = None,
    concepts: str | Path | None = None,
    semantic_types: str | None = None,
    mrsty: str | Path | None = None,
) -> ConceptVocabulary:
    """The concepts of train and validation that meet all conditions; by default all of them, as in the paper.

    Args:
        images: a tidy table, as `Dataset.images`.
        min_images: a concept is kept if at least so many train images have it.
        top_concepts: only so many are kept, the most frequent of train among those that meet the other conditions.
        concepts: file of the concepts to keep, a CUI at the start of each line.
        semantic_types: UMLS semantic types to keep, as TUIs or names joined by semicolons: "T023; T060".
        mrsty: the UMLS file MRSTY.RRF, which lists the semantic types of each concept.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file or a semantic type is wrong.
    """
    development = Examples.of(images[images["split"].isin(["train", "val"])])
    counts = concept_counts(development.where(split="train"))
    if concepts:
        counts = counts[counts.index.isin(read_concepts(concepts))]
    if semantic_types:
        counts = counts[counts.index.isin(concepts_of_types(semantic_types, mrsty))]
    kept = counts[counts >= min_images].sort_values(ascending=False, kind="stable")[:top_concepts]
    return ConceptVocabulary(tuple(sorted(kept.index)))


def read_concepts(path: str | Path) -> set[str]:
    """The concepts that a file lists, each at the start of its line; the first line may be a header.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line does not start with a CUI.
    """
    for number, first, _ in zip(*read_lines(path), strict=True):
        if number > 1 and not CUI_FORM.fullmatch(first):
            raise ValueError(f"{path}:{number}: expected a CUI such as C0040405, received {first!r}; correct the line.")
    return {first for first in read_lines(path)[1] if CUI_FORM.fullmatch(first)}


def concepts_of_types(semantic_types: str, mrsty: str | Path | None) -> set[str]:
    """The concepts of these semantic types, from the lines `CUI|TUI|number|name|...` of MRSTY.RRF, read line by line.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no file is named, or it does not have one of the types.
    """
    if mrsty is None:
        raise ValueError("semantic_types needs mrsty, the path of the file MRSTY.RRF of UMLS.")
    wanted = {name.strip().casefold() for name in semantic_types.split(";")}
    concepts, found = set(), set()
    with Path(mrsty).open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            concept, *fields = line.split("|", 4)
            if of_line := wanted & {field.casefold() for field in fields[:3]}:
                found |= of_line
                concepts.add(concept)
    if missing := sorted(wanted - found):
        raise ValueError(f"{mrsty} has no semantic type {missing[0]!r}; expected TUIs or names joined by semicolons, "
                         "such as 'T023; Diagnostic Procedure'.")  # fmt: skip
    return concepts
