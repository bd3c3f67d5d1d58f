"""Concept lists of many images as a column of a table: each concept's name once, a code for each occurrence."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray, ExtensionDtype
from pandas.api.indexers import check_array_indexer
from scipy import sparse


class ConceptDtype(ExtensionDtype):
    """Says that a column holds tuples of concepts."""

    name = "concepts"
    type = tuple
    na_value = ()

    @classmethod
    def construct_array_type(cls) -> type["ConceptColumn"]:
        """The class of such columns."""
        return ConceptColumn


class ConceptColumn(ExtensionArray):
    """A tuple of concepts for each of N images, made when it is asked for: what counts and encodes needs none.

    Like a pandas categorical with many values an image. It is never changed in place.

    Attributes:
        names: the concepts that may occur, each once, in any order.
        codes: for each occurrence, image by image, the position of its concept in `names`.
        starts: (N + 1,) where the occurrences of each image begin, and the end of the last one's.
    """

    dtype = ConceptDtype()

    def __init__(self, names: Sequence[str], codes: np.ndarray, starts: np.ndarray):
        self.names = np.array(names, dtype=object)
        self.codes, self.starts = codes, starts

    @classmethod
    def of(cls, concept_lists: Iterable[Iterable[str]]) -> "ConceptColumn":
        """The lists as such a column; as it is where it is one already, alone or in a `Series`."""
        column = getattr(concept_lists, "array", concept_lists)
        if isinstance(column, cls):
            return column
        lists = [tuple(concepts) for concepts in concept_lists]
        code_of = {name: code for code, name in enumerate(dict.fromkeys(chain.from_iterable(lists)))}
        starts = np.cumsum([0, *map(len, lists)])
        found = map(code_of.__getitem__, chain.from_iterable(lists))
        return cls(list(code_of), np.fromiter(found, np.int32, starts[-1]), starts)

    @property
    def lengths(self) -> np.ndarray:
        """How many concepts each image has, (N,)."""
        return np.diff(self.starts)

    @property
    def rows(self) -> np.ndarray:
        """For each occurrence the image it belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def occurring(self, images: np.ndarray | None = None) -> set[str]:
        """The concepts that do occur, in all images or in those of a mask, (N,)."""
        codes = self.codes if images is None else self.codes[np.repeat(images, self.lengths)]
        return set(self.names[np.bincount(codes, minlength=len(self.names)) > 0])

    def replaced(self, lists: Mapping[int, Iterable[str]]) -> "ConceptColumn":
        """The column with other lists at some positions."""
        if not lists:
            return self
        order = np.arange(len(self))
        order[list(lists)] = len(self) + np.arange(len(lists))
        return ConceptColumn.joined([self, ConceptColumn.of(lists.values())]).take(order)

    def matrix(self, positions: Sequence[int], width: int) -> sparse.csr_array:
        """An entry for each occurrence, (N, width) sparse, in its order; `positions` are the columns of `names`."""
        columns = np.asarray(positions, dtype=np.int32)[self.codes]
        entries = (np.ones(len(columns), dtype=np.uint8), columns, self.starts)
        return sparse.csr_array(entries, shape=(len(self), width), copy=True)

    def repeating(self) -> np.ndarray:
        """The images that have a concept more than once."""
        by_concept = self.matrix(np.arange(len(self.names)), len(self.names)).tocsc()  # its rows ascend in each column
        images, concepts = by_concept.indices, np.repeat(np.arange(len(self.names)), np.diff(by_concept.indptr))
        return images[1:][(images[1:] == images[:-1]) & (concepts[1:] == concepts[:-1])]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        flat = self.names[self.codes].tolist()
        return (tuple(flat[start:end]) for start, end in pairwise(self.starts.tolist()))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        array = np.empty(len(self), dtype=object)  # else tuples of one length would become a matrix
        array[:] = list(self)
        return array

    def __getitem__(self, item):
        item = check_array_indexer(self, item)
        chosen = np.arange(len(self))[item]
        if chosen.ndim:
            return self.take(chosen)
        return tuple(self.names[self.codes[self.starts[chosen] : self.starts[chosen + 1]]])

    def __eq__(self, other) -> np.ndarray:
        return np.asarray(self) == np.asarray(other)

    def take(self, indices: Sequence[int], *, allow_fill: bool = False, fill_value=None) -> "ConceptColumn":
        """The lists at these positions; with `allow_fill` -1 gives an empty one."""
        indices = np.asarray(indices, dtype=np.intp)
        if np.array_equal(indices, np.arange(len(self))):
            return ConceptColumn(self.names, self.codes, self.starts)
        if len(indices) and not len(self) and not (allow_fill and (indices == -1).all()):
            raise IndexError("no list can be taken from an empty column.")
        lengths = np.append(self.lengths, 0) if allow_fill else self.lengths  # -1 is the last
        begins, lengths = self.starts[: len(lengths)][indices], lengths[indices]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        shift = np.repeat(begins - starts[:-1], lengths)
        return ConceptColumn(self.names, self.codes[shift + np.arange(starts[-1])], starts)

    def copy(self) -> "ConceptColumn":
        """The same lists."""
        return ConceptColumn(self.names, self.codes.copy(), self.starts.copy())

    def map(self, mapper, na_action=None) -> np.ndarray:
        """What `mapper` makes of each tuple; pandas would give an empty column back as it is."""
        return pd.Series(np.asarray(self), dtype=object).map(mapper, na_action).to_numpy()

    def isna(self) -> np.ndarray:
        """False everywhere: an image without concepts has an empty list."""
        return np.zeros(len(self), dtype=bool)

    @property
    def nbytes(self) -> int:
        """Bytes of the codes and starts."""
        return self.codes.nbytes + self.starts.nbytes

    @classmethod
    def _from_sequence(cls, scalars, *, dtype=None, copy=False) -> "ConceptColumn":
        return cls.of(scalars)

    @classmethod
    def joined(cls, columns: Sequence["ConceptColumn"]) -> "ConceptColumn":
        """The lists of all the columns, one after the other."""
        codes, names = pd.factorize(np.concatenate([column.names for column in columns]))
        new_codes = np.split(codes.astype(np.int32), np.cumsum([len(column.names) for column in columns])[:-1])
        joined = [new[column.codes] for new, column in zip(new_codes, columns, strict=True)]
        lengths = np.concatenate([column.lengths for column in columns])
        return cls(names, np.concatenate(joined), np.concatenate([[0], np.cumsum(lengths)]))

    _concat_same_type = joined

    def _explode(self) -> tuple[np.ndarray, np.ndarray]:
        """One row an occurrence, NaN for an image without any, as `Series.explode` gives it."""
        counts = np.maximum(self.lengths, 1)
        values = np.full(counts.sum(), np.nan, dtype=object)
        values[np.repeat(self.lengths > 0, counts)] = self.names[self.codes]
        return values, counts.astype(np.uint64)
