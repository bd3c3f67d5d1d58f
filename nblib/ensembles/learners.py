"""Learners on frozen features: logistic regression, MLP, kernel ridge, k-nearest neighbours.

A learner is prepared once for all examples, whatever their labels: neighbours are searched, a kernel is computed. It is
then fitted on some rows and predicts others, as often as folds need it:

    fit = LEARNERS["kernel ridge"](examples)
    probabilities = fit(train_rows)(other_rows)  # (N, K) float32

`LEARNERS` names all of them; `learn_members` fits them so that none predicts an image it has learnt from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import keras
import numpy as np
from scipy import sparse

from nblib.data import ConceptVocabulary, Dataset, Examples, concatenate, labelled_splits
from nblib.ensembles.ensembles import OTHER_HALF, Member, Members
from nblib.ensembles.neighbours import KS, Index, tune_vote
from nblib.experiments import Experiment
from nblib.training import LOSSES, extract_features, prepare_kernel_ridge

Predict = Callable[[np.ndarray], np.ndarray]  # rows -> their probabilities, (N, K)
Fit = Callable[[np.ndarray], Predict]  # rows to learn from
Learn = Callable[[Examples], Fit]
TUNED_ON = 20_000  # images, drawn from those learnt from, on which the vote of neighbours is tuned


def read_feature_sets(
    dataset: Dataset, experiment: Experiment, layers: tuple[str, ...] = ("block4_pool", "block5_pool")
) -> dict[str, Examples]:
    """Train, val1, val2 and, where there are test images, test in one label space, with features of a frozen backbone.

    Features are `nblib.training.extract_features` with the experiment's backbone, computed once.
    """
    return {
        name: replace(examples, features=np.asarray(extract_features(examples.images, experiment, layers)))
        for name, examples in labelled_splits(dataset).items()
    }


def learn_frequencies(examples: Examples) -> Fit:
    """The frequency of each concept, the same for every image: what is known without looking at one."""

    def fit(rows: np.ndarray) -> Predict:
        usual = _frequencies(examples, rows)
        return lambda wanted: np.tile(usual, (len(wanted), 1))

    return fit


def learn_neighbours(examples: Examples) -> Fit:
    """Weighted k-nearest neighbours; k and inverse temperature have the best leave-one-out F1 on the rows."""
    index, order = Index(examples), np.random.default_rng(2020).permutation(len(examples))

    def fit(rows: np.ndarray) -> Predict:
        allowed = np.zeros(len(examples), bool)
        allowed[rows] = True
        tuned_on = rows[np.sort(np.argsort(order[rows])[:TUNED_ON])]
        nearest = index.others(tuned_on, allowed, max(KS))
        k, inverse_temperature = tune_vote(index, examples.labels[tuned_on], nearest)
        return lambda wanted: index.vote(index.others(wanted, allowed, k), inverse_temperature).toarray()

    return fit


def learn_kernel_ridge(examples: Examples, gamma: float = 2.5, alpha: float = 0.1) -> Fit:
    """Kernel ridge regression of all concepts at once, in closed form; within clusters where images are many.

    The kernel is exp(-gamma * distance ** 2), on features of length 1; alpha is the regularisation.
    """
    return prepare_kernel_ridge(examples.features, examples.labels, gamma, alpha)


def learn_head(
    examples: Examples,
    units: int = 0,
    loss: str = "bce",
    dropout: float = 0.5,
    epochs: int = 25,
    learning_rate: float = 2e-3,
    batch_size: int = 128,
    seed: int = 2020,
) -> Fit:
    """Logistic regression, or with `units` an MLP with one hidden layer of so many rectified linear units.

    Features are standardised; AdamW, with the learning rate falling to 0 along a cosine.
    """

    def fit(rows: np.ndarray) -> Predict:
        keras.utils.set_random_seed(seed)
        features = examples.features[rows]
        standardised = keras.layers.Normalization()
        standardised.adapt(features)
        hidden = [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(dropout)] if units else []
        rare = keras.initializers.Constant(-5)  # nearly all concepts are absent
        sigmoids = keras.layers.Dense(examples.labels.shape[1], activation="sigmoid", bias_initializer=rare)
        head = keras.Sequential([standardised, keras.layers.Dropout(dropout), *hidden, sigmoids])
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * -(-len(rows) // batch_size))
        head.compile(loss=LOSSES[loss], optimizer=keras.optimizers.AdamW(rate, weight_decay=1e-4))
        labels = examples.labels[rows].toarray().astype(np.float32)
        head.fit(features, labels, batch_size=batch_size, epochs=epochs, verbose=0)
        # `predict` of many heads warns of retracing
        return lambda wanted: np.asarray(head(examples.features[wanted], training=False))

    return fit


def learn_per_category(examples: Examples, learn: Learn = learn_kernel_ridge) -> Fit:
    """One model per category, weighted by the category's probability for the image: the paper's future work.

    The category of a predicted image need not be known: kernel ridge regression predicts it.
    """
    known = np.flatnonzero([category is not None for category in examples.categories])
    names, numbers = np.unique(examples.categories[known].astype(str), return_inverse=True)
    category = np.full(len(examples), -1)
    category[known] = numbers
    one_hot = sparse.csr_array(category[:, None] == np.arange(len(names)))
    of_categories = replace(examples, vocabulary=ConceptVocabulary(tuple(names)), labels=one_hot)
    fit_category, fit_concepts = learn_kernel_ridge(of_categories), learn(examples)

    def fit(rows: np.ndarray) -> Predict:
        present = np.setdiff1d(category[rows], -1)
        if len(present) < 2:
            return fit_concepts(rows)
        predict_category = fit_category(rows[category[rows] >= 0])
        models = [fit_concepts(rows[category[rows] == number]) for number in present]

        def predict(wanted: np.ndarray) -> np.ndarray:
            shares = predict_category(wanted)[:, present]
            shares = (shares / shares.sum(axis=1, keepdims=True)).T[:, :, None]
            return sum(share * model(wanted) for share, model in zip(shares, models, strict=True))

        return predict

    return fit


LEARNERS: dict[str, Learn] = {
    "frequencies": learn_frequencies,
    "frequencies per category": partial(learn_per_category, learn=learn_frequencies),
    "k-nearest neighbours": learn_neighbours,
    "kernel ridge": learn_kernel_ridge,
    "kernel ridge per category": learn_per_category,
    "logistic regression": learn_head,
    "MLP": partial(learn_head, units=512),
}


def learn_members(feature_sets: Mapping[str, Examples], learners: Mapping[str, Learn] = LEARNERS) -> Members:
    """`members[tuned_on][learner]`: val1, val2 and, where there are test images, test, with predicted probabilities.

    A model fitted on train predicts the half that tunes; one fitted on train and that half predicts the other half; one
    fitted on all three predicts test. None predicts images it has learnt from.
    """
    examples, rows = concatenate(feature_sets.values()), {}
    for name, part in feature_sets.items():
        rows[name] = np.arange(len(part)) + sum(map(len, rows.values()))

    members = {half: {} for half in OTHER_HALF}
    for name, learn in learners.items():
        fit = learn(examples)

        def predicted(learnt_from: Sequence[str], wanted: Sequence[str], fit: Fit = fit) -> Member:
            predict = fit(np.concatenate([rows[part] for part in learnt_from]))
            parts = {part: predict(rows[part]) for part in wanted}
            return {part: replace(feature_sets[part], features=None, probabilities=parts[part]) for part in wanted}

        from_train = predicted(("train",), tuple(OTHER_HALF))
        test = predicted(("train", *OTHER_HALF), ("test",)) if "test" in rows else {}
        for half, other in OTHER_HALF.items():
            members[half][name] = {half: from_train[half], **predicted(("train", half), (other,)), **test}
    return members


def _frequencies(examples: Examples, rows: np.ndarray) -> np.ndarray:
    """The share of the rows that has each concept, (K,) float32."""
    return np.asarray(examples.labels[rows].sum(axis=0) / max(len(rows), 1), np.float32)
