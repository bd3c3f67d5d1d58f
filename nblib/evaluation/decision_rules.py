"""Decision rules: fitted on the probabilities of one half, told by their F1 on the other.

    rule = TunedThreshold.fit(validation_half.probabilities, validation_half.labels)
    sample_f1(test_half.labels, rule.select(test_half.probabilities))

All rules have this shape, and `compare_rules` goes through them. A rule scored on the half it was fitted on tells
nothing: that is why `compare_rules` takes two halves, and refuses two that share an image.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import expit, logit

from nblib.data import Examples
from nblib.evaluation.bootstrap import compare_f1
from nblib.evaluation.calibration import CALIBRATIONS, EPSILON, Isotonic, PlattScaling
from nblib.evaluation.expected_f1 import expected_f1, plugin_f1
from nblib.evaluation.metrics import as_csr, f1_by_threshold, f1_per_image
from nblib.evaluation.selection import CAP, most_probable, select, select_top_k

# Thresholds that are tried: multiples of a power of two, the same number in every precision.
TRIED = np.arange(1, 1024) / 1024


@dataclass(frozen=True)
class Threshold:
    """One threshold for all, given and not tuned: the rule of the paper."""

    threshold: float = 0.5

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels) -> "Threshold":
        """The paper's 0.5, whatever the probabilities, (N, K), and labels, (N, K)."""
        return cls()

    def select(self, probabilities: np.ndarray, cap: int = CAP, nomissing: bool = False) -> sparse.csr_array:
        """Concepts kept of each image, (N, K), as `nblib.evaluation.selection.select` does."""
        return select(probabilities, self.threshold, cap, nomissing)


@dataclass(frozen=True)
class TunedThreshold(Threshold):
    """One threshold for all: the one with the best F1."""

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels) -> "TunedThreshold":
        """The best of `TRIED` on these probabilities, (N, K), and labels, (N, K)."""
        return cls(float(TRIED[np.argmax(f1_by_threshold(labels, probabilities, TRIED))]))


@dataclass(frozen=True, eq=False)
class ConceptThresholds:
    """A threshold for each concept, (K,): the nearer to that for all, the fewer images the concept has."""

    thresholds: np.ndarray

    def __repr__(self) -> str:
        low, middle, high = np.quantile(self.thresholds, [0, 0.5, 1])
        return f"ConceptThresholds({len(self.thresholds):,} from {low:.3f} to {high:.3f}, median {middle:.3f})"

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels, weight: float = 10, rounds: int = 2) -> "ConceptThresholds":
        """Concept by concept the threshold that raises F1 over images most, while all others stay as they are.

        Args:
            probabilities: (N, K).
            labels: (N, K).
            weight: that of the threshold for all, against one for each image that has the concept; their mean is taken
                between logits. Concepts without images keep the threshold for all.
            rounds: how often it goes through the concepts.
        """
        start = TunedThreshold.fit(probabilities, labels).threshold
        columns, true = np.array(probabilities.T, dtype=np.float64), np.array(as_csr(labels).toarray().T, dtype=bool)
        kept = columns > start
        sizes, hits = true.sum(axis=0) + kept.sum(axis=0), (true & kept).sum(axis=0)
        thresholds, images = np.full(len(columns), start), true.sum(axis=1)
        for concept in np.tile(np.flatnonzero(images), rounds):
            sizes -= kept[concept]
            hits -= kept[concept] & true[concept]
            gains = 2 * (hits + true[concept]) / (sizes + 1) - 2 * hits / np.maximum(sizes, 1)
            own, share = _best_threshold(columns[concept], gains), images[concept] / (images[concept] + weight)
            thresholds[concept] = expit(share * logit(own) + (1 - share) * logit(start))
            kept[concept] = columns[concept] > thresholds[concept]
            sizes += kept[concept]
            hits += kept[concept] & true[concept]
        return cls(thresholds)

    def select(self, probabilities: np.ndarray, cap: int = CAP, nomissing: bool = False) -> sparse.csr_array:
        """Concepts kept of each image, (N, K), as `nblib.evaluation.selection.select` does."""
        return select(probabilities, self.thresholds, cap, nomissing)


@dataclass(frozen=True)
class TopK:
    """As many concepts for each image, the most probable ones."""

    number: int

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels) -> "TopK":
        """The number with the best F1 on these probabilities, (N, K), and labels, (N, K); at most the cap."""
        labels = as_csr(labels).toarray()
        hits = np.take_along_axis(labels, most_probable(probabilities, CAP), axis=1).cumsum(axis=1, dtype=np.int64)
        true = labels.sum(axis=1, keepdims=True, dtype=np.int64)
        f1 = 2 * hits / (true + np.arange(1, hits.shape[1] + 1))
        return cls(int(f1.sum(axis=0).argmax()) + 1)

    def select(self, probabilities: np.ndarray, cap: int = CAP, nomissing: bool = False) -> sparse.csr_array:
        """Concepts kept of each image, (N, K)."""
        return select_top_k(probabilities, self.number, cap, nomissing)


@dataclass(frozen=True)
class ExpectedF1:
    """For each image the concepts with the highest expected F1, were calibrated probabilities independent."""

    calibration: PlattScaling | Isotonic
    expected: ClassVar[Callable] = staticmethod(expected_f1)

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels, calibration: str = "isotonic") -> "ExpectedF1":
        """Calibrates on these probabilities, (N, K), and labels, (N, K), by a name in `CALIBRATIONS`."""
        return cls(CALIBRATIONS[calibration].fit(probabilities, labels))

    def select(self, probabilities: np.ndarray, cap: int = CAP, nomissing: bool = False) -> sparse.csr_array:
        """Concepts kept of each image, (N, K): at least one, so that `nomissing` changes nothing."""
        expected = self.expected(self.calibration.apply(probabilities), cap)
        return select_top_k(probabilities, expected.argmax(axis=1) + 1, cap, nomissing)


@dataclass(frozen=True)
class PluginF1(ExpectedF1):
    """As `ExpectedF1`, with the expected number of concepts for their number: faster, nearly the same."""

    expected: ClassVar[Callable] = staticmethod(plugin_f1)


RULES = {
    "threshold": Threshold,
    "tuned_threshold": TunedThreshold,
    "concept_thresholds": ConceptThresholds,
    "most_probable": TopK,
    "expected_f1": ExpectedF1,
    "plugin_f1": PluginF1,
}


def fit_rule(name: str, tuned_on: Examples, **given):
    """The rule of this name in `RULES`, fitted on one half; report it on the other.

    Raises:
        ValueError: there is no such rule.
    """
    if name not in RULES:
        raise ValueError(
            f"rule must be one of {', '.join(RULES)}; received {name!r}. New ones go in nblib.evaluation.decision_rules."
        )
    return RULES[name].fit(tuned_on.probabilities, tuned_on.labels, **given)


def compare_rules(
    tuned_on: Examples, reported_on: Examples, rules: Sequence[str] = tuple(RULES), **limits
) -> pd.DataFrame:
    """One row a rule, fitted on one half and told on the other, with 95 % intervals over images.

    Clean is only to tune on the half that chose a run's epoch, its validation half: the other one has chosen nothing.

    Args:
        tuned_on: the validation half.
        reported_on: the test half.
        rules: names in `RULES`; the gain is over the first.
        limits: cap, nomissing.

    Returns:
        Indexed by rule: f1, low, high, gain, gain_low, gain_high, concepts (an image, mean), without (images).

    Raises:
        ValueError: the halves share an image or differ in their vocabulary, or there is no such rule.
    """
    shared = np.intersect1d(tuned_on.image_ids, reported_on.image_ids)
    if len(shared):
        raise ValueError(f"tuned_on and reported_on share {len(shared):,} images, {shared[0]} for one: "
                         f"a rule must be reported on images it was not tuned on.")  # fmt: skip
    if tuned_on.vocabulary != reported_on.vocabulary:
        raise ValueError("tuned_on and reported_on have different vocabularies; take both of one run.")
    selected = {name: fit_rule(name, tuned_on).select(reported_on.probabilities, **limits) for name in rules}
    table = compare_f1({name: f1_per_image(reported_on.labels, kept) for name, kept in selected.items()})
    sizes = {name: np.diff(kept.indptr) for name, kept in selected.items()}
    table["concepts"] = [size.mean() for size in sizes.values()]
    table["without"] = [int((size == 0).sum()) for size in sizes.values()]
    return table.rename_axis("rule")


def _best_threshold(probabilities, gains):
    """The threshold above which the gains sum to most, (N,): halfway between two probabilities, or one and 0 or 1."""
    order = np.argsort(-probabilities, kind="stable")
    edges = np.concatenate([[1], probabilities[order], [0]])
    sums = np.concatenate([[0], np.cumsum(gains[order])])
    cut = np.argmax(np.where(edges[:-1] > edges[1:], sums, -np.inf))
    return np.clip((edges[cut] + edges[cut + 1]) / 2, EPSILON, 1 - EPSILON)
