"""Logistic regression and MLP on features: small networks of their own, trained in seconds."""

from collections.abc import Callable

import keras
import numpy as np
from scipy import sparse

from nblib.training.losses import LOSSES

RARE = -5  # initial bias of the sigmoids: nearly all concepts are absent

Predict = Callable[[np.ndarray], np.ndarray]  # rows -> (N, K)


def prepare_head(
    features: np.ndarray,
    labels: sparse.csr_array,
    units: int = 0,
    loss: str = "bce",
    dropout: float = 0.5,
    epochs: int = 25,
    learning_rate: float = 2e-3,
    batch_size: int = 128,
    seed: int = 2020,
) -> Callable[[np.ndarray], Predict]:
    """A function that fits rows of `features`, (M, D), to their `labels`, (M, K), and returns a `Predict`.

    Logistic regression, or with `units` an MLP with one hidden layer of so many rectified linear units. Features are
    standardised; AdamW, with the learning rate falling to 0 along a cosine.
    """

    def fit(rows: np.ndarray) -> Predict:
        keras.utils.set_random_seed(seed)
        standardised = keras.layers.Normalization()
        standardised.adapt(features[rows])
        hidden = [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(dropout)] if units else []
        bias = keras.initializers.Constant(RARE)
        sigmoids = keras.layers.Dense(labels.shape[1], activation="sigmoid", bias_initializer=bias)
        head = keras.Sequential([standardised, keras.layers.Dropout(dropout), *hidden, sigmoids])
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * -(-len(rows) // batch_size))
        head.compile(loss=LOSSES[loss], optimizer=keras.optimizers.AdamW(rate, weight_decay=1e-4))
        of_rows = labels[rows].toarray().astype(np.float32)
        head.fit(features[rows], of_rows, batch_size=batch_size, epochs=epochs, verbose=0)
        # `predict` of many heads warns of retracing
        return lambda wanted: np.asarray(head(features[wanted], training=False))

    return fit
