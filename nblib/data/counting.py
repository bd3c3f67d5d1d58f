"""Counting concepts: how often, where, together with which others, and what leaving out the rare ones costs.

Images are encoded once; after that every count is a product of sparse matrices, never a loop over the images.
"""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from nblib.data.examples import Examples
from nblib.data.vocabulary import ConceptVocabulary

Z_95 = 1.96  # standard errors to either side of the mean that contain 95 % of a normal distribution


def concept_counts(examples: Examples) -> pd.Series:
    """Number of images per concept, in the vocabulary's order."""
    counts = np.bincount(examples.labels.indices, minlength=len(examples.vocabulary))
    return pd.Series(counts, pd.Index(examples.vocabulary.concepts, name="concept", dtype=object), name="images")


def most_frequent(examples: Examples, top: int | None = None) -> pd.Series:
    """Images per concept, the `top` most frequent (None: all that occur), ties by concept. Paper: Figures 2 and 3."""
    counts = concept_counts(examples)
    return counts[counts > 0].sort_values(ascending=False, kind="stable").head(top or len(counts))


def figure_anchors(examples: Examples) -> pd.DataFrame:
    """Images of train and val (columns) with the split's most frequent concept, with exactly 2 and exactly 50 concepts.

    Paper: section 3.2, what its text reads off Figures 2 to 5.
    """
    anchors = {}
    for split in ("train", "val"):
        part = examples.where(split=split)
        sizes = np.diff(part.labels.indptr)
        anchors[split] = [concept_counts(part).max(), (sizes == 2).sum(), (sizes == 50).sum()]
    return pd.DataFrame(anchors, ["the most frequent concept", "exactly 2 concepts", "exactly 50 concepts"])


def concept_counts_by(examples: Examples, column: str) -> pd.DataFrame:
    """Number of images per concept (rows) and value of a column of `images`; images without a value don't count."""
    values = pd.Categorical(examples.images[column])
    known = np.flatnonzero(values.codes >= 0)
    shape = (len(values.categories), len(examples))
    membership = sparse.csr_array((np.ones(len(known), np.int32), (values.codes[known], known)), shape=shape)
    counts = (membership @ examples.labels.astype(np.int32)).toarray().T
    index = pd.Index(examples.vocabulary.concepts, name="concept", dtype=object)
    return pd.DataFrame(counts, index, pd.Index(values.categories, name=column))


def co_occurrences(examples: Examples, concepts: Sequence[str] | None = None) -> sparse.csr_array:
    """Number of images with both of two concepts, (K, K) sparse, or of `concepts` only; the diagonal has the counts."""
    labels = examples.labels.astype(np.int32)
    if concepts is not None:
        labels = labels[:, [examples.vocabulary.index[concept] for concept in concepts]]
    return (labels.T @ labels).tocsr()


def images_with(examples: Examples, concept: str) -> pd.DataFrame:
    """The images that have the concept."""
    return examples.images.iloc[_rows_with(examples, concept)]


def co_occurring_concepts(examples: Examples, concept: str) -> pd.DataFrame:
    """The concepts that co-occur with `concept`: images with both, share of its images, lift; most frequent first."""
    rows = _rows_with(examples, concept)
    both = np.bincount(examples.labels[rows].indices, minlength=len(examples.vocabulary))
    counts = concept_counts(examples)
    table = pd.DataFrame({"images": both, "alone": counts}, counts.index)
    table = table[table["images"] > 0].drop(index=concept, errors="ignore")
    table["share"] = table["images"] / max(len(rows), 1)
    table["lift"] = table["share"] * len(examples) / table.pop("alone")
    return table.sort_values("images", ascending=False, kind="stable")


def lift_table(examples: Examples, concepts: Sequence[str]) -> pd.DataFrame:
    """The lift P(a and b) / (P(a) P(b)), (T, T): 1 if independent, 0 if never together; 1 / P(a) on the diagonal."""
    both = co_occurrences(examples, concepts).toarray()
    alone = both.diagonal()
    return pd.DataFrame(len(examples) * both / np.outer(alone, alone), list(concepts), list(concepts))


def concept_pairs(examples: Examples, concepts: Sequence[str]) -> pd.DataFrame:
    """Every pair of the concepts that share an image: concept, other, images with both, lift; highest lift first."""
    first, second = np.triu_indices(len(concepts), k=1)
    names = np.array(concepts, dtype=object)
    both = co_occurrences(examples, concepts).toarray()[first, second]
    lift = lift_table(examples, concepts).to_numpy()[first, second]
    table = pd.DataFrame({"concept": names[first], "other": names[second], "images": both, "lift": lift})
    return table[table["images"] > 0].sort_values("lift", ascending=False, kind="stable", ignore_index=True)


def drift(examples: Examples, top: int = 30) -> pd.DataFrame:
    """How the `top` concepts differ between train and validation.

    Columns: train and val, the share of images with the concept; ratio, val over train; low and high, the limits of
    the ratio's 95 % confidence interval (Katz, on the log scale). NaN where one of the two lacks the concept.
    """
    counts = concept_counts_by(examples, "split").reindex(columns=["train", "val"], fill_value=0)
    counts = counts.loc[most_frequent(examples, top).index]
    sizes = examples.images["split"].value_counts().reindex(counts.columns, fill_value=0)
    table = counts / sizes
    table["ratio"] = (table["val"] / table["train"]).where((counts > 0).all(axis=1))
    error = np.sqrt(((1 / counts.where(counts > 0)) - 1 / sizes.where(sizes > 0)).sum(axis=1))
    return table.assign(low=table["ratio"] * np.exp(-Z_95 * error), high=table["ratio"] * np.exp(Z_95 * error))


def indicative_concepts(examples: Examples, each: int = 4) -> pd.DataFrame:
    """The concepts that indicate a category: share of each concept's images (rows) in each category (columns).

    For each category, the `each` concepts that predict it best, by the F1 of "the image has this concept" as a
    prediction of the category.
    """
    counts = concept_counts_by(examples, "category")
    images = examples.images["category"].value_counts().reindex(counts.columns)
    f1 = 2 * counts / np.add.outer(counts.sum(axis=1).to_numpy(), images.to_numpy())
    best = [f1[category].sort_values(ascending=False, kind="stable").head(each) for category in counts]
    chosen = dict.fromkeys(concept for scores in best for concept in scores[scores > 0].index)
    return counts.loc[list(chosen)].div(counts.sum(axis=1).loc[list(chosen)], axis=0)


def f1_ceiling(examples: Examples, label_spaces: Mapping[Hashable, ConceptVocabulary]) -> pd.DataFrame:
    """The highest F1 that is possible in label spaces which lack some concepts: those count as misses.

    Args:
        examples: the images that are scored, with all concepts; those without one are left out, as in the score.
        label_spaces: name -> its concepts, as from `choose_concepts`.

    Returns:
        One row per label space: its number of concepts, their share of all occurrences, F1 (mean over images).
    """
    labels = examples.labels[np.diff(examples.labels.indptr) > 0]
    kept = np.stack([np.isin(examples.vocabulary.concepts, space.concepts) for space in label_spaces.values()], axis=1)
    right, true = labels.astype(np.int32) @ kept.astype(np.int32), np.diff(labels.indptr)[:, None]
    table = {"concepts": kept.sum(axis=0), "occurrences": right.sum(axis=0) / max(labels.nnz, 1)}
    table["f1"] = (2 * right / (right + true)).sum(axis=0) / max(labels.shape[0], 1)
    return pd.DataFrame(table, pd.Index(label_spaces))


def _rows_with(examples: Examples, concept: str) -> np.ndarray:
    found = np.flatnonzero(examples.labels.indices == examples.vocabulary.index[concept])
    return np.searchsorted(examples.labels.indptr, found, side="right") - 1
