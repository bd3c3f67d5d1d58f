"""A page to explore the concepts of a data set: search, sort, filter, counts, co-occurrence; offline, in one file."""

from pathlib import Path
from typing import Any

import numpy as np

from nblib.data import SYNTHETIC_MARK, Dataset, Examples, co_occurrences
from nblib.reports.web import hashed_scripts, table_script, write

PARTNERS = 12  # co-occurring concepts that are listed per concept, the most frequent


def write_concepts_page(path: Path, dataset: Dataset) -> None:
    """Writes the page of all concepts of the labelled images of train and validation."""
    content = concepts_content(dataset)
    write(
        path,
        "concepts.html.j2",
        title=dataset.title,
        synthetic=dataset.title == SYNTHETIC_MARK,
        images=sum(content["images"]),
        content=content,
        **hashed_scripts(table_script("concepts.js")),
    )


def concepts_content(dataset: Dataset) -> dict[str, Any]:
    """What the page computes with, as JSON: K concepts, and G groups of images of one split and category.

    Returns:
        groups: (G,) pairs of split and category; images: (G,) images in each; concepts: (K,) lists of CUI, name ("" if
        unknown), counts by group ([group, images, ...], where there are any), and partners ([position, images, ...],
        the concepts that most images have as well).
    """
    images = dataset.split("train", "val")
    examples = Examples.of(images)
    pairs = list(zip(images["split"], images["category"].fillna("unknown"), strict=True))
    groups = sorted(set(pairs))
    membership = np.zeros((len(groups), len(images)), np.int32)
    membership[[groups.index(pair) for pair in pairs], np.arange(len(images))] = 1
    counts = (examples.labels.T.astype(np.int32) @ membership.T).astype(int)
    both = co_occurrences(examples)
    rows = []
    for k, concept in enumerate(examples.vocabulary.concepts):
        found = [value for group in np.flatnonzero(counts[k]) for value in (int(group), int(counts[k, group]))]
        rows.append([concept, dataset.names.get(concept, ""), found, _partners(both, k)])
    return {"groups": groups, "images": membership.sum(axis=1).tolist(), "concepts": rows}


def _partners(both, k: int) -> list[int]:
    """[position, images, ...] of the concepts that most often occur with concept k; ties by position."""
    row = slice(both.indptr[k], both.indptr[k + 1])
    others, numbers = both.indices[row], both.data[row]
    others, numbers = others[others != k], numbers[others != k]
    first = np.lexsort((others, -numbers))[:PARTNERS]
    return [int(value) for each in first for value in (others[each], numbers[each])]
