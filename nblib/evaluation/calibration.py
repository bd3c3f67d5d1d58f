"""Probabilities that mean what they say: of concepts given 0.3, three in ten are true. Their order stays as it was."""

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from nblib.evaluation.metrics import as_csr

# A network in single precision says 0 and 1; nearer to them than this nothing is believed.
EPSILON = 1e-7
# Logits as near as this are taken as one: some ten thousand numbers to learn from, however many images.
STEP = 1e-3


@dataclass(frozen=True)
class PlattScaling:
    """logit(p) / temperature + shift, two numbers for all concepts: the most likely ones, given the truth."""

    temperature: float
    shift: float

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels) -> "PlattScaling":
        """The calibration of these probabilities, (N, K), on their truth, (N, K)."""
        logits, true, times = _grouped_logits(probabilities, labels)

        def unlikely(slope_and_shift):
            slope, shift = slope_and_shift
            z = slope * logits + shift
            loss = np.logaddexp(0, z) - true * z
            wrong = expit(z) - true
            return times @ loss / times.sum(), [times @ (wrong * logits) / times.sum(), times @ wrong / times.sum()]

        best = minimize(unlikely, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=[(1e-3, 1e3), (-50, 50)])
        return cls(float(1 / best.x[0]), float(best.x[1]))

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, (N, K)."""
        return expit(logits(probabilities) / self.temperature + self.shift)


@dataclass(frozen=True, eq=False)
class Isotonic:
    """A rising line through how often concepts are true that are given about the same probability."""

    steps: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels) -> "Isotonic":
        """The calibration of these probabilities, (N, K), on their truth, (N, K)."""
        logits, true, times = _grouped_logits(probabilities, labels)
        fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(logits, true, sample_weight=times)
        return cls(fitted.X_thresholds_, fitted.y_thresholds_)

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, (N, K)."""
        return np.interp(logits(probabilities), self.steps, self.values)


CALIBRATIONS = {"platt": PlattScaling, "isotonic": Isotonic}


def logits(probabilities: np.ndarray) -> np.ndarray:
    """Log odds, (N, K) float64, of probabilities kept apart from 0 and 1."""
    return logit(np.clip(probabilities, EPSILON, 1 - EPSILON, dtype=np.float64))


def _grouped_logits(probabilities, labels):
    """Logits that occur, ascending, in steps of `STEP`; the share that is true at each; how many there are."""
    groups = np.rint(logits(probabilities) / STEP).astype(np.int64)
    lowest = groups.min()
    labels = as_csr(labels)
    rows = np.repeat(np.arange(labels.shape[0]), np.diff(labels.indptr))
    times = np.bincount((groups - lowest).ravel())
    true = np.bincount(groups[rows, labels.indices] - lowest, minlength=len(times))
    occur = np.flatnonzero(times)
    return (occur + lowest) * STEP, true[occur] / times[occur], times[occur]
