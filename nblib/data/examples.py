"""N images with their labels and, where they are known, pixels, features and probabilities."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from nblib.data.images import cache_pixels
from nblib.data.pixels import ChosenPixels, JoinedPixels, Pixels
from nblib.data.table import Dataset
from nblib.data.vocabulary import ConceptVocabulary

PARTS = ("pixels", "features", "probabilities", "left_out")  # of Examples, beside images and labels


@dataclass(frozen=True, eq=False)
class Examples:
    """N images, labelled in a label space of K concepts.

    Attributes:
        images: one row per image (N), numbered from 0: image_id, path, split, category, concepts.
        vocabulary: K concepts.
        labels: (N, K) sparse, 0 and 1.
        pixels: (N, size, size, 3) uint8 (`nblib.data.Pixels`), or feature maps of a frozen backbone; None: not read.
        features: (N, D) float32, one vector per image; None: not extracted.
        probabilities: (N, K) in [0, 1]; None: not predicted.
        left_out: (N,) number of true concepts that the vocabulary lacks; None: it lacks none.

    Raises:
        ValueError: a part has another number of images or concepts than the labels.
    """

    images: pd.DataFrame
    vocabulary: ConceptVocabulary
    labels: sparse.csr_array
    pixels: object | None = None
    features: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    left_out: np.ndarray | None = None

    def __post_init__(self):
        expected = (len(self.images), len(self.vocabulary))
        probabilities = self.labels if self.probabilities is None else self.probabilities
        if not self.labels.shape == probabilities.shape == expected:
            raise ValueError(
                f"expected labels and probabilities of {expected[0]:,} images and {expected[1]:,} concepts; received "
                f"{self.labels.shape} and {probabilities.shape}."
            )
        for name in ("pixels", "features", "left_out"):
            part = getattr(self, name)
            if part is not None and part.shape[0] != len(self):
                raise ValueError(f"expected {name} of {len(self):,} images; received {part.shape[0]:,}.")

    @classmethod
    def of(cls, images: pd.DataFrame, vocabulary: ConceptVocabulary | None = None) -> "Examples":
        """The rows of a tidy table, labelled in `vocabulary`; by default in that of all their concepts."""
        vocabulary = vocabulary or ConceptVocabulary.of(images["concepts"])
        return cls(images.reset_index(drop=True), vocabulary, vocabulary.encode(images["concepts"]))

    @classmethod
    def within(cls, images: pd.DataFrame, vocabulary: ConceptVocabulary) -> "Examples":
        """The rows of a tidy table, labelled in a vocabulary that may lack some of their concepts (`left_out`)."""
        known = set(vocabulary.concepts)
        labels = vocabulary.encode([known.intersection(concepts) for concepts in images["concepts"]])
        left_out = np.array([len(set(concepts) - known) for concepts in images["concepts"]], np.int32)
        return cls(images.reset_index(drop=True), vocabulary, labels, left_out=left_out)

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def image_ids(self) -> np.ndarray:
        """(N,) str."""
        return self.images["image_id"].to_numpy(str)

    @property
    def categories(self) -> np.ndarray:
        """(N,) of Table 5; None where it is not known."""
        return self.images["category"].to_numpy(object)

    def take(self, rows: np.ndarray) -> "Examples":
        """The examples in these rows (positions or a mask)."""
        parts = {"images": self.images.iloc[rows].reset_index(drop=True), "labels": self.labels[rows]}
        for name in PARTS:
            if (part := getattr(self, name)) is not None:
                parts[name] = part[rows]
        return replace(self, **parts)

    def where(self, **values: str | None) -> "Examples":
        """The examples with these values: `where(split="val", category="DRCT")`; None allows any value."""
        wanted = np.all([self.images[column] == value for column, value in values.items() if value is not None], axis=0)
        return self if wanted.all() else self.take(np.flatnonzero(wanted))


def concatenate(parts: Iterable[Examples]) -> Examples:
    """The examples of several sets in one label space, one after the other; a part that one of them lacks is None.

    Pixels are not copied.

    Raises:
        ValueError: their vocabularies differ.
    """
    parts = list(parts)
    if any(part.vocabulary != parts[0].vocabulary for part in parts):
        raise ValueError("examples of different vocabularies can't be concatenated; encode them in one label space.")
    joined = {"images": pd.concat([part.images for part in parts], ignore_index=True)}
    joined["labels"] = sparse.vstack([part.labels for part in parts], format="csr")
    for name in PARTS:
        values = [getattr(part, name) for part in parts]
        join = JoinedPixels if isinstance(values[0], Pixels) else np.concatenate
        joined[name] = None if any(value is None for value in values) else join(values)
    return replace(parts[0], **joined)


def labelled_splits(dataset: Dataset, vocabulary: ConceptVocabulary | None = None) -> dict[str, Examples]:
    """The splits in one label space: train, val1, val2 and, where there are test images, test.

    The label space is by default that of all concepts of train and validation. Images without a concept are left out,
    except in test, whose labels are empty; images whose concepts the label space lacks are not. Test images that
    are only listed are left out. Paper: section 3.3.
    """
    complete = ConceptVocabulary.of(dataset.split("train", "val")["concepts"])
    vocabulary = vocabulary or complete
    label = Examples.of if set(complete.concepts) <= set(vocabulary.concepts) else Examples.within
    parts = {"train": dataset.split("train"), **dataset.halves()}
    splits = {name: images[images["concepts"].map(len) > 0] for name, images in parts.items()}
    if len(test := dataset.split("test").dropna(subset="path")):
        splits["test"] = test
    return {name: label(images, vocabulary) for name, images in splits.items()}


def share_pixels(
    parts: Mapping[str, Examples], size: int, folder: str | Path, resize: str = "nearest"
) -> dict[str, Examples]:
    """The parts of a split with pixels that all splits of the same images share: cached once (`cache_pixels`)."""
    images = pd.concat([part.images for part in parts.values()]).sort_values("image_id", ignore_index=True)
    pixels, row_of = cache_pixels(images, size, folder, resize), pd.Index(images["image_id"])
    return {
        name: replace(part, pixels=ChosenPixels(pixels, row_of.get_indexer(part.images["image_id"])))
        for name, part in parts.items()
    }
