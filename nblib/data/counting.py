"""Concepts counted: how often, where, together with which others, and what leaving the rare ones out costs.

Images are encoded once; after that every count is a product of sparse matrices, never a walk over the images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from nblib.concepts import ConceptVocabulary

Z_95 = 1.96  # standard errors to either side that hold 95 % of what chance does


@dataclass(frozen=True)
class LabelledImages:
    """Images with their labels.

    Attributes:
        images: one row an image (N), numbered from 0: image_id, path, split, category, concepts.
        vocabulary: K concepts.
        labels: (N, K) sparse, 0 and 1.
    """

    images: pd.DataFrame
    vocabulary: ConceptVocabulary
    labels: sparse.csr_array

    @classmethod
    def of(cls, images: pd.DataFrame) -> "LabelledImages":
        """The images with labels over all their concepts."""
        vocabulary = ConceptVocabulary.of(images["concepts"])
        return cls(images.reset_index(drop=True), vocabulary, vocabulary.encode(images["concepts"]))

    def __len__(self) -> int:
        return len(self.images)

    def where(self, **values: str | None) -> "LabelledImages":
        """Those with these values, in the same vocabulary: `where(split="val", category="DRCT")`; None takes any."""
        wanted = np.ones(len(self), dtype=bool)
        for column, value in values.items():
            if value is not None:
                wanted &= (self.images[column] == value).to_numpy(dtype=bool)
        if wanted.all():
            return self
        return LabelledImages(self.images[wanted].reset_index(drop=True), self.vocabulary, self.labels[wanted])

    @cached_property
    def counts(self) -> pd.Series:
        """Images of each concept, in the vocabulary's order."""
        counts = np.bincount(self.labels.indices, minlength=len(self.vocabulary))
        return pd.Series(counts, pd.Index(self.vocabulary.concepts, name="concept", dtype=object), name="images")

    def most_frequent(self, top: int | None = None) -> pd.Series:
        """Images of the `top` most frequent concepts (None: of all that occur), ties by concept.

        Paper: Figures 2 and 3.
        """
        return self.counts[self.counts > 0].sort_values(ascending=False, kind="stable").head(top or len(self.counts))

    def counts_by(self, column: str) -> pd.DataFrame:
        """Images of each concept (rows) with each value of a column of `images`; images without a value don't count."""
        values = pd.Categorical(self.images[column])
        known = np.flatnonzero(values.codes >= 0)
        shape = (len(values.categories), len(self))
        belongs = sparse.csr_array((np.ones(len(known), np.int32), (values.codes[known], known)), shape=shape)
        counts = (belongs @ self.labels.astype(np.int32)).toarray().T
        return pd.DataFrame(counts, self.counts.index, pd.Index(values.categories, name=column))

    def together(self, concepts: Sequence[str] | None = None) -> sparse.csr_array:
        """Images that have both of two concepts, (K, K) sparse, or of `concepts` alone; on the diagonal one's own."""
        labels = self.labels.astype(np.int32)
        if concepts is not None:
            labels = labels[:, [self.vocabulary.index[concept] for concept in concepts]]
        return (labels.T @ labels).tocsr()

    def carriers(self, concept: str) -> pd.DataFrame:
        """The images that have the concept."""
        return self.images.iloc[self._carriers(concept)]

    def companions(self, concept: str) -> pd.DataFrame:
        """What the concept occurs with: images of both, share of its images and lift, most frequent first."""
        rows = self._carriers(concept)
        both = np.bincount(self.labels[rows].indices, minlength=len(self.vocabulary))
        table = pd.DataFrame({"images": both, "alone": self.counts}, self.counts.index)
        table = table[table["images"] > 0].drop(index=concept, errors="ignore")
        table["share"] = table["images"] / max(len(rows), 1)
        table["lift"] = table["share"] * len(self) / table.pop("alone")
        return table.sort_values("images", ascending=False, kind="stable")

    def _carriers(self, concept: str) -> np.ndarray:
        found = np.flatnonzero(self.labels.indices == self.vocabulary.index[concept])
        return np.searchsorted(self.labels.indptr, found, side="right") - 1


def lift_table(labelled: LabelledImages, concepts: Sequence[str]) -> pd.DataFrame:
    """How much oftener two concepts share an image than if they were independent, (T, T): 1 is chance, 0 never.

    lift(a, b) = P(a and b) / (P(a) P(b)). On the diagonal it is 1 / P(a).
    """
    both = labelled.together(concepts).toarray()
    alone = both.diagonal()
    return pd.DataFrame(len(labelled) * both / np.outer(alone, alone), list(concepts), list(concepts))


def concept_pairs(labelled: LabelledImages, concepts: Sequence[str]) -> pd.DataFrame:
    """Every pair of the concepts that share an image: one, other, images of both, lift; highest lift first."""
    first, second = np.triu_indices(len(concepts), k=1)
    names = np.array(concepts, dtype=object)
    both = labelled.together(concepts).toarray()[first, second]
    lift = lift_table(labelled, concepts).to_numpy()[first, second]
    table = pd.DataFrame({"concept": names[first], "other": names[second], "images": both, "lift": lift})
    return table[table["images"] > 0].sort_values("lift", ascending=False, kind="stable", ignore_index=True)


def drift(labelled: LabelledImages, top: int = 30) -> pd.DataFrame:
    """How the `top` concepts differ between train and validation.

    Columns: train and val, the share of images that have the concept; ratio, val over train; low and high, the ends
    of the ratio's 95 % interval (Katz, on the log scale). NaN where a concept is missing on one side.
    """
    counts = labelled.counts_by("split").reindex(columns=["train", "val"], fill_value=0)
    counts = counts.loc[labelled.most_frequent(top).index]
    sizes = labelled.images["split"].value_counts().reindex(counts.columns, fill_value=0)
    table = counts / sizes
    table["ratio"] = (table["val"] / table["train"]).where((counts > 0).all(axis=1))
    error = np.sqrt(((1 / counts.where(counts > 0)) - 1 / sizes.where(sizes > 0)).sum(axis=1))
    return table.assign(low=table["ratio"] * np.exp(-Z_95 * error), high=table["ratio"] * np.exp(Z_95 * error))


def category_signs(labelled: LabelledImages, each: int = 4) -> pd.DataFrame:
    """The concepts that give a category away: share of each concept's images (rows) in each category (columns).

    For each category the `each` concepts with the highest F1 as its sign: on its images, and on no others.
    """
    counts = labelled.counts_by("category")
    images = labelled.images["category"].value_counts().reindex(counts.columns)
    f1 = 2 * counts / np.add.outer(counts.sum(axis=1).to_numpy(), images.to_numpy())
    signs = [f1[category].sort_values(ascending=False, kind="stable").head(each) for category in counts]
    chosen = dict.fromkeys(concept for sign in signs for concept in sign[sign > 0].index)
    return counts.loc[list(chosen)].div(counts.sum(axis=1).loc[list(chosen)], axis=0)


def f1_ceiling(labels: sparse.csr_array, images_of: np.ndarray, minimums: Sequence[int]) -> pd.DataFrame:
    """The F1 that is left when concepts with fewer than `minimum` images can't be named, all others always right.

    Args:
        labels: (N, K) sparse, of the images that are scored; those without a concept are left out, as in the score.
        images_of: (K,) how many images each concept has, where it is learned.
        minimums: the cuts to try.

    Returns:
        One row a minimum: concepts kept, share of all occurrences they are, F1 (mean over images).
    """
    labels = labels[np.diff(labels.indptr) > 0]
    kept = np.asarray(images_of)[:, None] >= np.asarray(minimums)
    right, true = labels.astype(np.int32) @ kept.astype(np.int32), np.diff(labels.indptr)[:, None]
    table = {"concepts": kept.sum(axis=0), "occurrences": right.sum(axis=0) / max(labels.nnz, 1)}
    table["f1"] = (2 * right / (right + true)).sum(axis=0) / max(labels.shape[0], 1)
    return pd.DataFrame(table, pd.Index(minimums, name="minimum"))
