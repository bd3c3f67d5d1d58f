"""Calibrated probabilities: of the concepts given 0.3, three in ten are true. Their order stays the same."""

from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit, logit

from nblib.evaluation.blocks import row_blocks
from nblib.evaluation.metrics import as_csr

EPSILON = 1e-7  # probabilities are clipped this far from 0 and 1, which networks predict in single precision
STEP = 1e-3  # logits are rounded to its multiples: some ten thousand numbers to fit, for any number of images
HIGHEST = round(logit(1 - EPSILON) / STEP)  # the highest logit in steps; the lowest is its negative


@dataclass(frozen=True)
class PlattScaling:
    """logit(p) / temperature + shift, two numbers for all concepts, fitted by maximum likelihood."""

    temperature: float
    shift: float

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels) -> "PlattScaling":
        """The calibration of these probabilities, (N, K), fitted on their labels, (N, K)."""
        from scipy.optimize import minimize  # here and below: not all who import evaluation calibrate

        logits, share, counts = _grouped_logits(probabilities, labels)

        def cross_entropy(slope_and_shift):
            slope, shift = slope_and_shift
            z = slope * logits + shift
            loss = np.logaddexp(0, z) - share * z
            error = expit(z) - share
            gradient = [counts @ (error * logits) / counts.sum(), counts @ error / counts.sum()]
            return counts @ loss / counts.sum(), gradient

        best = minimize(cross_entropy, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=[(1e-3, 1e3), (-50, 50)])
        return cls(float(1 / best.x[0]), float(best.x[1]))

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, (N, K)."""
        return expit(logits(probabilities) / self.temperature + self.shift)


@dataclass(frozen=True, eq=False)
class Isotonic:
    """Isotonic regression: a non-decreasing function from predicted probability to observed frequency."""

    steps: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels) -> "Isotonic":
        """The calibration of these probabilities, (N, K), fitted on their labels, (N, K)."""
        from sklearn.isotonic import IsotonicRegression

        logits, share, counts = _grouped_logits(probabilities, labels)
        fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(logits, share, sample_weight=counts)
        return cls(fitted.X_thresholds_, fitted.y_thresholds_)

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, (N, K)."""
        return np.interp(logits(probabilities), self.steps, self.values)


CALIBRATIONS = {"platt": PlattScaling, "isotonic": Isotonic}


def logits(probabilities: np.ndarray) -> np.ndarray:
    """Log odds, (N, K) float64, of probabilities clipped to [EPSILON, 1 - EPSILON]."""
    return logit(np.clip(probabilities, EPSILON, 1 - EPSILON, dtype=np.float64))


def _grouped_logits(probabilities, labels):
    """Logits that occur, ascending, rounded to `STEP`; the share that is true at each; the count of each."""
    labels = as_csr(labels)
    counts, true = np.zeros((2, 2 * HIGHEST + 1), dtype=np.int64)
    for rows in row_blocks(len(probabilities)):
        groups = np.rint(logits(probabilities[rows]) / STEP).astype(np.int32) + HIGHEST
        counts += np.bincount(groups.ravel(), minlength=len(counts))
        true += np.bincount(groups[labels[rows].nonzero()], minlength=len(counts))
    occur = np.flatnonzero(counts)
    return (occur - HIGHEST) * STEP, true[occur] / counts[occur], counts[occur]
