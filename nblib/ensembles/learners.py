"""Ways from features to concepts that take seconds: each learns from a examples and gives a function that predicts.

A learner is a function of a `Examples`; what it returns takes features, (N, D), and gives probabilities, (N, K). All of
them stand in `LEARNERS`, and `learn_members` goes through them without letting any see an image it is measured on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import keras
import numpy as np
from scipy import sparse
from sklearn.kernel_ridge import KernelRidge

from nblib.data import ConceptVocabulary, Dataset, Examples, concatenate, labelled_splits
from nblib.ensembles.neighbours import Index, tune_vote
from nblib.experiments import Experiment
from nblib.training import LOSSES, extract_features

Predict = Callable[[np.ndarray], np.ndarray]


def read_feature_sets(
    dataset: Dataset, experiment: Experiment, layers: tuple[str, ...] = ("block4_pool", "block5_pool")
) -> dict[str, Examples]:
    """Train, val1, val2 and, where there is one, test in one label space, with features of a frozen backbone.

    Features are `nblib.training.extract_features` with the experiment's backbone, computed once.
    """
    return {
        name: replace(examples, features=np.asarray(extract_features(examples.images, experiment, layers)))
        for name, examples in labelled_splits(dataset).items()
    }


def learn_frequencies(examples: Examples) -> Predict:
    """Every image gets how often each concept occurs: what can be known without looking."""
    frequencies = examples.labels.sum(axis=0) / max(len(examples.image_ids), 1)
    return lambda features: np.tile(np.asarray(frequencies), (len(features), 1))


def learn_neighbours(examples: Examples) -> Predict:
    """A vote of the images most alike, as many and as sharp as best tells each image of the examples from all others."""
    library = Index(examples.features, examples.labels)
    k, sharpness = tune_vote(library, examples.labels, library.others(100))
    return lambda features: library.vote(library.neighbours(features, k), sharpness)


def learn_kernel(examples: Examples, gamma: float = 2.5, alpha: float = 0.1) -> Predict:
    """Kernel ridge regression of all concepts at once on features of length 1: solved, not trained, in a second or two.

    Every image of the examples pulls as exp(-gamma * distance ** 2), less what others like it pull already.
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
    """A head of one layer of sigmoids, or of two with `units` rectified linear ones between, trained on features.

    Features are standardised; AdamW, its rate falling to 0 along a cosine.
    """
    keras.utils.set_random_seed(seed)
    spread = keras.layers.Normalization()
    spread.adapt(examples.features)
    hidden = [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(dropout)] if units else []
    rare = keras.initializers.Constant(-5)  # nearly all concepts are absent
    sigmoids = keras.layers.Dense(examples.labels.shape[1], activation="sigmoid", bias_initializer=rare)
    head = keras.Sequential([spread, keras.layers.Dropout(dropout), *hidden, sigmoids])
    steps = epochs * -(-len(examples.features) // batch_size)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    head.compile(loss=LOSSES[loss], optimizer=keras.optimizers.AdamW(rate, weight_decay=1e-4))
    labels = examples.labels.toarray().astype(np.float32)
    head.fit(examples.features, labels, batch_size=batch_size, epochs=epochs, verbose=0)
    return lambda features: np.asarray(head(features, training=False))  # `predict` warns where many heads are asked


def learn_by_category(examples: Examples, learn: Callable[[Examples], Predict] = learn_kernel) -> Predict:
    """One model a category, each weighed by how probable its category is for the image: the paper's future work.

    The category of an image that is asked about need not be known: kernel ridge regression predicts it.
    """
    known = np.array([category is not None for category in examples.categories])
    names, numbers = np.unique(examples.categories[known].astype(str), return_inverse=True)
    if len(names) < 2:
        return learn(examples)
    examples = examples.take(np.flatnonzero(known))
    which = learn_kernel(
        Examples(
            examples.images,
            ConceptVocabulary(tuple(names.tolist())),
            sparse.csr_array(np.eye(len(names))[numbers]),
            features=examples.features,
        )
    )
    models = [learn(examples.take(np.flatnonzero(numbers == number))) for number in range(len(names))]

    def predict(features: np.ndarray) -> np.ndarray:
        shares = which(features)
        shares = (shares / shares.sum(axis=1, keepdims=True)).T[:, :, None]
        return sum(share * model(features) for share, model in zip(shares, models, strict=True))

    return predict


LEARNERS: dict[str, Callable[[Examples], Predict]] = {
    "frequencies": learn_frequencies,
    "frequencies of the category": partial(learn_by_category, learn=learn_frequencies),
    "neighbours": learn_neighbours,
    "kernel": learn_kernel,
    "kernel of the category": learn_by_category,
    "one layer": learn_head,
    "two layers": partial(learn_head, units=512),
}
Members = dict[str, dict[str, dict[str, np.ndarray]]]


def learn_members(
    feature_sets: Mapping[str, Examples], learners: Mapping[str, Callable[[Examples], Predict]] = LEARNERS
) -> Members:
    """`members[tuned_on][learner][images]`: probabilities, (N, K), of val1, val2 and test, for tuning on either half.

    The half that tunes is predicted from train, the other half from train and that half, and test from all: nothing is
    predicted by what has learnt from it.
    """
    members = {"val1": {}, "val2": {}}
    for name, learn in learners.items():
        alone = learn(feature_sets["train"])
        tested = {}
        if "test" in feature_sets:
            tested["test"] = _learnt(learn, feature_sets, "val1", "val2")(feature_sets["test"].features)
        for tuned_on, other in (("val1", "val2"), ("val2", "val1")):
            members[tuned_on][name] = {
                tuned_on: alone(feature_sets[tuned_on].features),
                other: _learnt(learn, feature_sets, tuned_on)(feature_sets[other].features),
                **tested,
            }
    return members


def mean_of(members: Members, names: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """The mean of the members of these names: `[tuned_on][images]`, to be set beside them under a name of its own."""
    return {
        tuned_on: {images: np.mean([named[name][images] for name in names], axis=0) for images in named[names[0]]}
        for tuned_on, named in members.items()
    }


def _learnt(learn: Callable[[Examples], Predict], feature_sets: Mapping[str, Examples], *halves: str) -> Predict:
    return learn(concatenate(feature_sets[name] for name in ("train", *halves)))
