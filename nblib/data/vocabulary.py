"""The label space: a sorted list of concepts, and the encoding of concepts as labels (multi-hot) and back."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise

import numpy as np
import pandas as pd
from scipy import sparse


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
            raise ValueError("a vocabulary contains each concept once, sorted; ConceptVocabulary.of(...) builds one.")

    @classmethod
    def of(cls, concept_lists: Iterable[Iterable[str]]) -> "ConceptVocabulary":
        """The vocabulary of all concepts in the lists; the paper takes those of train and validation together."""
        return cls(tuple(sorted(set(chain.from_iterable(concept_lists)))))

    def padded(self, size: int | None) -> "ConceptVocabulary":
        """This vocabulary with concepts added that no image has, `size` in all; unchanged for None.

        The paper's 3,047 sigmoids make the labels very sparse, which decides how the losses behave: a small data set
        behaves in the same way in a label space of that size.

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

    def encode(self, concept_lists: Collection[Collection[str]]) -> sparse.csr_array:
        """Labels of N images as a sparse (N, K) matrix of 0 and 1 (uint8). Paper: Table 2.

        Raises:
            ValueError: a concept is not in the vocabulary.
        """
        ends = np.cumsum([0, *map(len, concept_lists)])
        occurrences = map(self.index.__getitem__, chain.from_iterable(concept_lists))
        try:
            positions = np.fromiter(occurrences, np.int32, ends[-1])
        except KeyError as error:
            raise ValueError(f"concept {error.args[0]!r} is not in this vocabulary of {len(self)} concepts.") from None
        labels = sparse.csr_array((np.ones(ends[-1], np.uint8), positions, ends), shape=(len(ends) - 1, len(self)))
        labels.sum_duplicates()
        labels.data[:] = 1
        return labels

    def convert(self, probabilities: np.ndarray, other: "ConceptVocabulary") -> np.ndarray:
        """Probabilities, (N, K), with the columns of another vocabulary: 0 for a concept that this one lacks."""
        if other == self:
            return probabilities
        columns = pd.Index(self.concepts).get_indexer(other.concepts)
        return np.where(columns >= 0, probabilities[:, columns], 0)

    def decode(self, labels) -> list[tuple[str, ...]]:
        """Concepts of each row of `labels`, (N, K), sparse or dense, in the vocabulary's order."""
        rows = sparse.csr_array(labels, copy=True)
        rows.eliminate_zeros()
        rows.sort_indices()
        names = np.array(self.concepts, dtype=object)
        return [tuple(names[rows.indices[start:end]]) for start, end in pairwise(rows.indptr)]


def label_cardinality(labels: sparse.csr_array) -> float:
    """Mean number of concepts per image. Paper: section 3.2, 11.24."""
    return labels.sum() / labels.shape[0]


def label_density(labels: sparse.csr_array) -> float:
    """Label cardinality over the number of concepts K. Paper: section 3.2, 0.0037."""
    return label_cardinality(labels) / labels.shape[1]


def label_statistics(concept_lists: Iterable[Collection[str]]) -> pd.Series:
    """Images, concept occurrences, unique concepts, label cardinality and label density, by these names.

    Paper: section 3.2, for train and validation together. Images without a concept don't count.

    Raises:
        ValueError: no image has a concept.
    """
    labelled = [concepts for concepts in concept_lists if len(concepts)]
    if not labelled:
        raise ValueError("no image has a concept, so there is nothing to count; `nblib check` says what was found.")
    labels = ConceptVocabulary.of(labelled).encode(labelled)
    table = {"images": labels.shape[0], "concept occurrences": int(labels.sum()), "unique concepts": labels.shape[1]}
    table |= {"label cardinality": float(label_cardinality(labels)), "label density": float(label_density(labels))}
    return pd.Series(table, dtype=object)
