"""Learners on frozen features, fitted in seconds: logistic regression, MLP, kernel ridge, k-nearest neighbours.

A learner is a function of `Examples`; it returns a function from features, (N, D), to probabilities, (N, K).
`LEARNERS` names all of them; `learn_members` fits them so that none predicts an image it has learnt from.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import keras
import numpy as np
from scipy import sparse
from sklearn.kernel_ridge import KernelRidge

from nblib.data import ConceptVocabulary, Dataset, Examples, concatenate, labelled_splits
from nblib.ensembles.ensembles import OTHER_HALF, Members
from nblib.ensembles.neighbours import Index, tune_vote
from nblib.experiments import Experiment
from nblib.training import LOSSES, extract_features

Predict = Callable[[np.ndarray], np.ndarray]
Learn = Callable[[Examples], Predict]


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


def learn_frequencies(examples: Examples) -> Predict:
    """The frequency of each concept, the same for every image: what is known without looking at one."""
    frequencies = examples.labels.sum(axis=0) / max(len(examples), 1)
    return lambda features: np.tile(np.asarray(frequencies), (len(features), 1))


def learn_neighbours(examples: Examples) -> Predict:
    """Weighted k-nearest neighbours; k and inverse temperature have the best leave-one-out F1 on the examples."""
    index = Index(examples)
    k, inverse_temperature = tune_vote(index, examples.labels, index.others(100))
    return lambda features: index.vote(index.neighbours(features, k), inverse_temperature)


def learn_kernel_ridge(examples: Examples, gamma: float = 2.5, alpha: float = 0.1) -> Predict:
    """Kernel ridge regression of all concepts at once, in closed form: a second or two.

    The kernel is exp(-gamma * distance ** 2), on features of length 1; alpha is the regularisation.
    """
    usual = examples.labels.mean(axis=0)
    ridge = KernelRidge(alpha=alpha, kernel="rbf", gamma=gamma)
    ridge.fit(examples.features, examples.labels.toarray() - usual)
    return lambda features: np.clip(ridge.predict(features) + usual, 0, 1)


def learn_head(
    examples: Examples,
    units: int = 0,
    loss: str = "bce",
    dropout: float = 0.5,
    epochs: int = 25,
    learning_rate: float = 2e-3,
    batch_size: int = 128,
    seed: int = 2020,
) -> Predict:
    """Logistic regression, or with `units` an MLP with one hidden layer of so many rectified linear units.

    Features are standardised; AdamW, with the learning rate falling to 0 along a cosine.
    """
    keras.utils.set_random_seed(seed)
    standardised = keras.layers.Normalization()
    standardised.adapt(examples.features)
    hidden = [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(dropout)] if units else []
    rare = keras.initializers.Constant(-5)  # nearly all concepts are absent
    sigmoids = keras.layers.Dense(examples.labels.shape[1], activation="sigmoid", bias_initializer=rare)
    head = keras.Sequential([standardised, keras.layers.Dropout(dropout), *hidden, sigmoids])
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * -(-len(examples) // batch_size))
    head.compile(loss=LOSSES[loss], optimizer=keras.optimizers.AdamW(rate, weight_decay=1e-4))
    labels = examples.labels.toarray().astype(np.float32)
    head.fit(examples.features, labels, batch_size=batch_size, epochs=epochs, verbose=0)
    return lambda features: np.asarray(head(features, training=False))  # `predict` of many heads warns of retracing


def learn_per_category(examples: Examples, learn: Learn = learn_kernel_ridge) -> Predict:
    """One model per category, weighted by the category's probability for the image: the paper's future work.

    The category of a predicted image need not be known: kernel ridge regression predicts it.
    """
    known = np.array([category is not None for category in examples.categories])
    names, numbers = np.unique(examples.categories[known].astype(str), return_inverse=True)
    if len(names) < 2:
        return learn(examples)
    examples = examples.take(np.flatnonzero(known))
    one_hot = sparse.csr_array(np.eye(len(names))[numbers])
    categories = learn_kernel_ridge(replace(examples, vocabulary=ConceptVocabulary(tuple(names)), labels=one_hot))
    models = [learn(examples.take(np.flatnonzero(numbers == number))) for number in range(len(names))]

    def predict(features: np.ndarray) -> np.ndarray:
        shares = categories(features)
        shares = (shares / shares.sum(axis=1, keepdims=True)).T[:, :, None]
        return sum(share * model(features) for share, model in zip(shares, models, strict=True))

    return predict


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
    members = {half: {} for half in OTHER_HALF}
    for name, learn in learners.items():
        from_train = _learnt(learn, feature_sets, "train")
        test = {}
        if "test" in feature_sets:
            test["test"] = _predicted(_learnt(learn, feature_sets, "train", *OTHER_HALF), feature_sets["test"])
        for tuned_on, other in OTHER_HALF.items():
            members[tuned_on][name] = {
                tuned_on: _predicted(from_train, feature_sets[tuned_on]),
                other: _predicted(_learnt(learn, feature_sets, "train", tuned_on), feature_sets[other]),
                **test,
            }
    return members


def _learnt(learn: Learn, feature_sets: Mapping[str, Examples], *names: str) -> Predict:
    return learn(concatenate(feature_sets[name] for name in names))


def _predicted(predict: Predict, examples: Examples) -> Examples:
    """The examples with probabilities, and without the features that these were predicted from."""
    return replace(examples, features=None, probabilities=predict(examples.features))
