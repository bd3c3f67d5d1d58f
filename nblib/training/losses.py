"""The paper's four losses: binary cross-entropy, 1 - soft F1, their product and sum. And three newer ones.

Each takes `y_true` and `y_pred`, (N, K), in [0, 1], and returns one number per image, (N,), as Keras' own losses do;
Keras takes their mean. Where devices share a batch, N is the images of one of them, and the batch's mean is still that
of the whole batch. Paper: section 4, experiments 9 and 10, Listings 1.2 and 1.3.
"""

from collections.abc import Callable
from functools import wraps

import numpy as np
import pandas as pd
from keras import losses, ops

from nblib.training.devices import batch_mean

# Keras' fuzz factor, the paper's K.epsilon(): keeps 0 / 0 at 0, so that Listing 1.2's guard against NaN is not needed.
EPSILON = 1e-7


def labels_of_sigmoids(y_true, y_pred):
    """`y_true` without the column that follows where the label space lacks concepts (`training_batches`), (N, K)."""
    return y_true[:, : y_pred.shape[-1]]


def of_sigmoids(loss: Callable) -> Callable:
    """`loss`, of the concepts in the label space only: a network can't learn those that it lacks."""
    return wraps(loss)(lambda y_true, y_pred: loss(labels_of_sigmoids(y_true, y_pred), y_pred))


def smoothed(loss: Callable, smoothing: float) -> Callable:
    """`loss` of labels that are smoothing / 2 instead of 0, and 1 - smoothing / 2 instead of 1, as Keras does it."""
    if not smoothing:
        return loss
    return wraps(loss)(
        lambda y_true, y_pred: loss(ops.cast(y_true, y_pred.dtype) * (1 - smoothing) + smoothing / 2, y_pred)
    )


def soft_f1(y_true, y_pred):
    """F1 of each image with probabilities as soft counts, (N,). Paper: Listing 1.2."""
    y_true = ops.cast(y_true, y_pred.dtype)
    true_positives = ops.sum(y_true * y_pred, axis=-1)
    precision = true_positives / (ops.sum(y_pred, axis=-1) + EPSILON)
    recall = true_positives / (ops.sum(y_true, axis=-1) + EPSILON)
    return 2 * precision * recall / (precision + recall + EPSILON)


def bce(y_true, y_pred):
    """Binary cross-entropy of each image, the mean over its K sigmoids, (N,)."""
    return losses.binary_crossentropy(y_true, y_pred)


def one_minus_f1(y_true, y_pred):
    """1 - soft F1 of each image, (N,); its mean is the batch loss of Listing 1.2."""
    return 1 - soft_f1(y_true, y_pred)


def f1_times_bce(y_true, y_pred):
    """The batch's mean 1 - soft F1, one number, times the cross-entropy of each image, (N,). Paper: Listing 1.3."""
    return batch_mean(one_minus_f1(y_true, y_pred)) * bce(y_true, y_pred)


def f1_plus_bce(y_true, y_pred):
    """The batch's mean 1 - soft F1 plus the cross-entropy of each image, (N,). Paper: section 4, experiment 10."""
    return batch_mean(one_minus_f1(y_true, y_pred)) + bce(y_true, y_pred)


def f1_times_bce_per_image(y_true, y_pred):
    """1 - soft F1 of each image times its own cross-entropy, (N,): images that are far off count more.

    Only the product differs: 1 - soft F1 and the sum have the same mean, per image or per batch.
    """
    return one_minus_f1(y_true, y_pred) * bce(y_true, y_pred)


def focal(y_true, y_pred, gamma: float = 2.0):
    """Cross-entropy of each image, each sigmoid weighted by how wrong it is to the power of gamma, (N,).

    Lin and others, "Focal Loss for Dense Object Detection" (2017), without their weight of the positives.
    """
    return losses.binary_focal_crossentropy(y_true, y_pred, gamma=gamma)


def asymmetric(y_true, y_pred, gamma_true: float = 1.0, gamma_false: float = 4.0, margin: float = 0.05):
    """Focal cross-entropy of each image with one gamma for its concepts and another for all others, (N,).

    The many concepts that an image does not have count little: their probabilities are lowered by the margin first, so
    that those below it do not count. Ridnik and others, "Asymmetric Loss for Multi-Label Classification" (2021); the
    mean over the K sigmoids where they have the sum.
    """
    y_true = ops.cast(y_true, y_pred.dtype)
    lowered = ops.maximum(y_pred - margin, 0)
    of_true = y_true * (1 - y_pred) ** gamma_true * ops.log(ops.maximum(y_pred, EPSILON))
    of_false = (1 - y_true) * lowered**gamma_false * ops.log(ops.maximum(1 - lowered, EPSILON))
    return -ops.mean(of_true + of_false, axis=-1)


PAPER_LOSSES = {"bce": bce, "one_minus_f1": one_minus_f1, "f1_times_bce": f1_times_bce, "f1_plus_bce": f1_plus_bce}
LOSSES = {**PAPER_LOSSES, "f1_times_bce_per_image": f1_times_bce_per_image, "focal": focal, "asymmetric": asymmetric}


def loss_slices(labels: np.ndarray, margins: np.ndarray) -> pd.DataFrame:
    """The paper's losses on the straight line from an untrained network to the truth: (loss, margin, value), tidy.

    Args:
        labels: (N, K), dense, 0 and 1.
        margins: positions on the line; at margin m the logit of a true concept is m and that of any other -m, so that
            all probabilities are 0.5 at 0 and nearly the truth at 10.

    Paper: section 4, experiments 9-10, the "huge plateau with a solitary hole" and the "wide bag".
    """
    truth = np.asarray(labels, dtype="float32")
    rows = []
    for margin in margins:
        predicted = ops.sigmoid((2 * truth - 1) * np.float32(margin))
        rows += [(name, margin, float(ops.mean(loss(truth, predicted)))) for name, loss in PAPER_LOSSES.items()]
    return pd.DataFrame(rows, columns=["loss", "margin", "value"])
