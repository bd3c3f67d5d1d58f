"""Decision rules: fitted on the probabilities of one half, evaluated by their F1 on the other.

    rule = TunedThreshold.fit(validation_half.probabilities, validation_half.labels)
    sample_f1(test_half.labels, rule.select(test_half.probabilities))

All rules have this interface. The F1 of a rule on the half it was fitted on is optimistic.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import expit, logit

from nblib.data import Examples
from nblib.evaluation.blocks import columns_of, row_blocks, stack_selected
from nblib.evaluation.bootstrap import compare_f1
from nblib.evaluation.calibration import CALIBRATIONS, EPSILON, Isotonic, PlattScaling
from nblib.evaluation.conformal import LEVEL, NumberInterval, number_features
from nblib.evaluation.expected_f1 import expected_f1, plugin_f1
from nblib.evaluation.metrics import as_csr, f1_by_threshold, f1_of_counts, f1_per_image
from nblib.evaluation.selection import CAP, most_probable, select, select_top_k

# The thresholds among which one is tuned: multiples of a power of two, the same numbers in every precision.
THRESHOLDS = np.arange(1, 1024) / 1024


@dataclass(frozen=True)
class Threshold:
    """One threshold for all concepts, given and not tuned: the rule of the paper. Or one per concept, (K,)."""

    threshold: float | np.ndarray = 0.5

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels) -> "Threshold":
        """The paper's 0.5, whatever the probabilities, (N, K), and labels, (N, K)."""
        return cls()

    def select(self, probabilities: np.ndarray, cap: int = CAP, nomissing: bool = False) -> sparse.csr_array:
        """Concepts selected for each image, (N, K), as `nblib.evaluation.selection.select` does."""
        return select(probabilities, self.threshold, cap, nomissing)


@dataclass(frozen=True)
class TunedThreshold(Threshold):
    """One threshold for all concepts: the one with the best F1."""

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels) -> "TunedThreshold":
        """The best of `THRESHOLDS` on these probabilities, (N, K), and labels, (N, K)."""
        return cls(float(THRESHOLDS[np.argmax(f1_by_threshold(labels, probabilities, THRESHOLDS))]))


@dataclass(frozen=True, eq=False)
class ConceptThresholds(Threshold):
    """A threshold per concept, (K,), shrunk towards the common threshold: the more, the fewer images it has."""

    threshold: np.ndarray

    def __repr__(self) -> str:
        low, middle, high = np.quantile(self.threshold, [0, 0.5, 1])
        return f"ConceptThresholds({len(self.threshold):,} from {low:.3f} to {high:.3f}, median {middle:.3f})"

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels, weight: float = 10) -> "ConceptThresholds":
        """Coordinate ascent: concept by concept the threshold with the best F1 over images, all others fixed.

        `weight` is a pseudo-count: the common threshold weighs as much as that many images with the concept; logits
        are averaged. Concepts without images get the common threshold.
        """
        start, labels = TunedThreshold.fit(probabilities, labels).threshold, as_csr(labels)
        by_concept, fit = labels.tocsc(), _CoordinateAscent(probabilities, labels, start)
        thresholds = np.full(labels.shape[1], start)
        for _ in range(2):
            for concept, column in enumerate(columns_of(probabilities)):
                true = by_concept.indices[by_concept.indptr[concept] : by_concept.indptr[concept + 1]]
                if not len(true):
                    continue
                fit.count(column, true, thresholds[concept], -1)
                share = len(true) / (len(true) + weight)
                own = fit.best_threshold(column, true)
                thresholds[concept] = expit(share * logit(own) + (1 - share) * logit(start))
                fit.count(column, true, thresholds[concept], +1)
        return cls(thresholds)


@dataclass(frozen=True)
class TopK:
    """The k most probable concepts of every image, the same k for all."""

    k: int

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels) -> "TopK":
        """The k with the best F1 on these probabilities, (N, K), and labels, (N, K); at most the cap."""
        labels = as_csr(labels)
        f1 = np.concatenate([_f1_of_top(probabilities[rows], labels[rows]) for rows in row_blocks(len(probabilities))])
        return cls(int(f1.sum(axis=0).argmax()) + 1)

    def select(self, probabilities: np.ndarray, cap: int = CAP, nomissing: bool = False) -> sparse.csr_array:
        """Concepts selected for each image, (N, K)."""
        return select_top_k(probabilities, self.k, cap, nomissing)


@dataclass(frozen=True)
class ExpectedF1:
    """For each image the concepts with the highest expected F1, as if calibrated probabilities were independent."""

    calibration: PlattScaling | Isotonic
    expected: ClassVar[Callable] = staticmethod(expected_f1)

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels, calibration: str = "isotonic") -> "ExpectedF1":
        """Calibrates on these probabilities, (N, K), and labels, (N, K), by a name in `CALIBRATIONS`."""
        return cls(CALIBRATIONS[calibration].fit(probabilities, labels))

    def select(self, probabilities: np.ndarray, cap: int = CAP, nomissing: bool = False) -> sparse.csr_array:
        """Concepts selected for each image, (N, K): at least one, so that `nomissing` changes nothing."""
        return stack_selected(lambda rows: self._selected(probabilities[rows], cap, nomissing), len(probabilities))

    def _selected(self, probabilities, cap, nomissing):
        expected = self.expected(self.calibration.apply(probabilities), cap)
        return select_top_k(probabilities, expected.argmax(axis=1) + 1, cap, nomissing)


@dataclass(frozen=True)
class PluginF1(ExpectedF1):
    """As `ExpectedF1`, with the number of true concepts replaced by its expectation: faster, nearly the same."""

    expected: ClassVar[Callable] = staticmethod(plugin_f1)


@dataclass(frozen=True, eq=False)
class ConformalNumber:
    """One threshold for all concepts, but as many concepts as the image can have by a split-conformal interval.

    Where fewer are above the threshold than its lower end, the next most probable are added; where more than its upper
    end, the least probable are dropped. So did the second place of 2026, which gained 0.0010 by it.

    Attributes:
        common_threshold: the tuned one.
        weights, radius: of `nblib.evaluation.conformal.NumberInterval`.
    """

    common_threshold: float
    weights: np.ndarray
    radius: float

    def __repr__(self) -> str:
        return f"ConformalNumber(threshold {self.common_threshold:.3f}, radius {self.radius:.3f})"

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels, level: float = LEVEL) -> "ConformalNumber":
        """Tunes the threshold and the interval, which holds for `level` of the images, on these; (N, K) both."""
        threshold = TunedThreshold.fit(probabilities, labels).threshold
        number = np.diff(as_csr(labels).indptr)
        interval = NumberInterval.fit(number_features(probabilities, threshold), number, level)
        return cls(threshold, interval.weights, interval.radius)

    def select(self, probabilities: np.ndarray, cap: int = CAP, nomissing: bool = False) -> sparse.csr_array:
        """Concepts selected for each image, (N, K)."""
        return stack_selected(lambda rows: self._selected(probabilities[rows], cap, nomissing), len(probabilities))

    def _selected(self, probabilities, cap, nomissing):
        features = number_features(probabilities, self.common_threshold)
        low, high = NumberInterval(self.weights, self.radius).bounds(features)
        above = np.count_nonzero(probabilities > self.common_threshold, axis=1)
        return select_top_k(probabilities, np.clip(above, low, high), cap, nomissing)


RULES = {
    "threshold": Threshold,
    "tuned_threshold": TunedThreshold,
    "concept_thresholds": ConceptThresholds,
    "top_k": TopK,
    "expected_f1": ExpectedF1,
    "plugin_f1": PluginF1,
    "conformal_number": ConformalNumber,
}


def fit_rule(name: str, tuned_on: Examples | None, **options):
    """The rule of this name in `RULES`, fitted on one half with the options of its `fit`; evaluate it on the other.

    Raises:
        ValueError: there is no such rule, or no half (None), as for a run that was trained on all images.
    """
    if name not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}; received {name!r}.")
    if tuned_on is None:
        raise ValueError(f"rule {name!r} is tuned on an unseen half; a run trained on all images has none: "
                         "use the rule 'threshold', with a threshold tuned on a run that has one.")  # fmt: skip
    return RULES[name].fit(tuned_on.probabilities, tuned_on.labels, **options)


def compare_rules(tuned_on: Examples, evaluated_on: Examples, rules=tuple(RULES), **limits) -> pd.DataFrame:
    """One row per rule, fitted on one half and evaluated on the other, with 95 % intervals over images.

    Args:
        tuned_on: the validation half, which also chose the run's epoch.
        evaluated_on: the test half, on which nothing was tuned.
        rules: names in `RULES`; gains are over the first.
        limits: cap, nomissing.

    Returns:
        Indexed by rule: f1, low, high, gain, gain_low, gain_high, concepts per image, images without concepts.

    Raises:
        ValueError: the halves share an image or differ in their vocabulary, or there is no such rule.
    """
    if len(shared := np.intersect1d(tuned_on.image_ids, evaluated_on.image_ids)):
        raise ValueError(f"tuned_on and evaluated_on share {len(shared):,} images, such as {shared[0]}: "
                         f"a rule must be evaluated on images it was not tuned on.")  # fmt: skip
    if tuned_on.vocabulary != evaluated_on.vocabulary:
        raise ValueError("tuned_on and evaluated_on have different vocabularies; take both halves of one run.")
    selected = {name: fit_rule(name, tuned_on).select(evaluated_on.probabilities, **limits) for name in rules}
    table = compare_f1({name: f1_per_image(evaluated_on.labels, each) for name, each in selected.items()})
    sizes = np.array([np.diff(each.indptr) for each in selected.values()])
    table["concepts per image"], table["images without concepts"] = sizes.mean(axis=1), (sizes == 0).sum(axis=1)
    return table.rename_axis("rule")


def _f1_of_top(probabilities, labels):
    """F1 of each image's k most probable concepts, k from 1 to the cap, (n, k)."""
    labels = labels.toarray()
    hits = np.take_along_axis(labels, most_probable(probabilities, CAP), axis=1).cumsum(axis=1, dtype=np.int64)
    true = labels.sum(axis=1, keepdims=True, dtype=np.int64)
    return f1_of_counts(hits, true, np.arange(1, hits.shape[1] + 1))


class _CoordinateAscent:
    """How many concepts each image has, how many of them and how many in all are selected: three arrays, (N,)."""

    def __init__(self, probabilities: np.ndarray, labels: sparse.csr_array, threshold: float):
        self.number_true = np.diff(labels.indptr).astype(np.int64)
        counts = [np.count_nonzero(probabilities[rows] > threshold, axis=1) for rows in row_blocks(len(probabilities))]
        rows, columns = labels.nonzero()
        self.sizes = np.concatenate(counts)
        self.hits = np.bincount(rows[probabilities[rows, columns] > threshold], minlength=len(self.sizes))

    def count(self, column: np.ndarray, true: np.ndarray, threshold: float, change: int) -> None:
        """Adds a concept to what is selected of the images above its threshold, or removes it; `true` have it."""
        self.sizes[column > threshold] += change
        self.hits[true[column[true] > threshold]] += change

    def best_threshold(self, column: np.ndarray, true: np.ndarray) -> float:
        """The threshold with the largest summed gain of F1: halfway between two probabilities, 0 and 1.

        Only images that have the concept gain, so that the best cut is below one of them, and no image below all of
        them matters, apart from the next one.
        """
        lowest = column[true].min()
        images, below = np.flatnonzero(column >= lowest), column[column < lowest].max(initial=0)
        has_it = np.zeros(len(images), dtype=bool)
        has_it[np.searchsorted(images, true)] = True
        number_true, sizes, hits = self.number_true[images], self.sizes[images], self.hits[images]
        gains = f1_of_counts(hits + has_it, number_true, sizes + 1) - f1_of_counts(hits, number_true, sizes)
        order = np.argsort(-column[images], kind="stable")
        edges = np.concatenate([[1], column[images][order], [below]])
        sums = np.concatenate([[0], np.cumsum(gains[order])])
        cut = np.argmax(np.where(edges[:-1] > edges[1:], sums, -np.inf))
        return np.clip((edges[cut] + edges[cut + 1]) / 2, EPSILON, 1 - EPSILON)
