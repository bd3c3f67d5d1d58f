"""The label space: a sorted list of concepts, and the way from concepts to labels (multi one-hot) and back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import sparse

from nblib.data.concept_column import ConceptColumn


@dataclass(frozen=True)
class ConceptVocabulary:
    """The K concepts of the label space, sorted; the position of a concept is the index of its sigmoid.

    Paper: section 3.3 and Table 2, "we sort the list of CUIs ... and use the positions of CUIs in the sorted list".

    Raises:
        ValueError: the concepts are not sorted or not unique.
    """

    concepts: tuple[str, ...]

    def __post_init__(self):
        if list(self.concepts) != sorted(set(self.concepts)):
            raise ValueError("a vocabulary holds each concept once, sorted; ConceptVocabulary.of(...) makes it so.")

    @classmethod
    def of(cls, concept_lists: Iterable[Iterable[str]]) -> "ConceptVocabulary":
        """The vocabulary of all concepts in the lists; the paper takes those of train and validation together."""
        return cls(tuple(sorted(ConceptColumn.of(concept_lists).occurring())))

    def padded(self, size: int | None) -> "ConceptVocabulary":
        """This vocabulary with sigmoids added that no image ever has, `size` in all; unchanged for None.

        The paper's 3,047 sigmoids make the truth very sparse, and that decides how the losses behave: a small data set
        in a label space of that size behaves alike.

        Raises:
            ValueError: `size` is less than the number of concepts.
        """
        if size is None:
            return self
        if size < len(self):
            raise ValueError(f"sigmoids must be at least the {len(self)} concepts of the data; received {size}.")
        unused = (f"UNUSED{number:04d}" for number in range(1, size - len(self) + 1))
        return ConceptVocabulary((*self.concepts, *unused))

    def __len__(self) -> int:
        return len(self.concepts)

    @cached_property
    def index(self) -> dict[str, int]:
        """Concept -> its position."""
        return {concept: position for position, concept in enumerate(self.concepts)}

    def encode(self, concept_lists: Sequence[Iterable[str]]) -> sparse.csr_array:
        """Labels of N images as a sparse (N, K) matrix of 0 and 1 (uint8). Paper: Table 2.

        Raises:
            ValueError: a concept is not in the vocabulary.
        """
        column = ConceptColumn.of(concept_lists)
        if unknown := column.occurring() - self.index.keys():
            raise ValueError(f"concept {min(unknown)!r} is not in this vocabulary of {len(self)} concepts.")
        positions = [self.index.get(name, -1) for name in column.names]
        labels = column.matrix(positions, len(self))
        labels.sum_duplicates()
        labels.data[:] = 1
        return labels

    def decode(self, labels) -> list[tuple[str, ...]]:
        """Concepts of each row of `labels`, (N, K), sparse or dense, in the vocabulary's order."""
        rows = sparse.csr_array(labels, copy=True)
        rows.eliminate_zeros()
        rows.sort_indices()
        names = np.array(self.concepts, dtype=object)
        return [tuple(names[rows.indices[start:end]]) for start, end in pairwise(rows.indptr)]


def label_cardinality(labels: sparse.csr_array) -> float:
    """Mean number of concepts an image. Paper: section 3.2, 11.24."""
    return labels.sum() / labels.shape[0]


def label_density(labels: sparse.csr_array) -> float:
    """Label cardinality over the number of concepts K. Paper: section 3.2, 0.0037."""
    return label_cardinality(labels) / labels.shape[1]


def label_statistics(concept_lists: Iterable[Iterable[str]]) -> pd.Series:
    """Images, concept occurrences, unique concepts, label cardinality and density, by these names.

    Paper: section 3.2, for train and validation together. Images without any concept do not count.

    Raises:
        ValueError: no image has a concept.
    """
    column = ConceptColumn.of(concept_lists)
    column = column[column.lengths > 0]
    if not len(column):
        raise ValueError("no image has a concept, so there is nothing to count; `nblib check` says what was found.")
    labels = ConceptVocabulary.of(column).encode(column)
    return pd.Series(
        {
            "images": labels.shape[0],
            "concept occurrences": int(labels.sum()),
            "unique concepts": labels.shape[1],
            "label cardinality": float(label_cardinality(labels)),
            "label density": float(label_density(labels)),
        },
        dtype=object,
    )
