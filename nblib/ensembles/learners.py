"""Ways from features to concepts that take seconds: each learns from a lesson and gives a function that predicts.

A learner is a function of a `Lesson`; what it returns takes features, (N, D), and gives probabilities, (N, K). All of
them stand in `LEARNERS`, and `learn_members` goes through them without letting any see an image it is measured on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import keras
import numpy as np
from scipy import sparse
from sklearn.kernel_ridge import KernelRidge

from nblib.concepts import ConceptVocabulary
from nblib.dataset import Dataset, validation_halves
from nblib.experiment import Experiment
from nblib.features import keep_features
from nblib.losses import LOSSES
from nblib.retrieval import Library, best_vote

Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Lesson:
    """Images to learn from, or to be judged on.

    Attributes:
        image_ids: (N,).
        features: (N, D).
        labels: (N, K) sparse, 0 and 1.
        categories: (N,), of Table 5, or None where it is not known.
    """

    image_ids: np.ndarray
    features: np.ndarray
    labels: sparse.csr_array
    categories: np.ndarray

    def __add__(self, other: "Lesson") -> "Lesson":
        return Lesson(
            np.concatenate([self.image_ids, other.image_ids]),
            np.concatenate([self.features, other.features]),
            sparse.vstack([self.labels, other.labels], format="csr"),
            np.concatenate([self.categories, other.categories]),
        )

    def only(self, rows: np.ndarray) -> "Lesson":
        """These rows of it."""
        return Lesson(self.image_ids[rows], self.features[rows], self.labels[rows], self.categories[rows])


def read_lessons(
    dataset: Dataset, experiment: Experiment, layers: tuple[str, ...] = ("block4_pool", "block5_pool")
) -> tuple[ConceptVocabulary, dict[str, Lesson]]:
    """The label space of train and validation, and lessons by name: train, val1, val2 and, where there is one, test.

    Features are `nblib.features.keep_features` with the experiment's backbone, computed once. Images without concepts
    are left out, but for test.
    """
    vocabulary = ConceptVocabulary.of(dataset.split("train", "val")["concepts"])
    parts = {"train": dataset.split("train"), **validation_halves(dataset.images)}
    parts = {name: images[images["concepts"].map(len) > 0] for name, images in parts.items()}
    lessons = {}
    for name, images in {**parts, "test": dataset.split("test")}.items():
        if len(images):
            features = np.asarray(keep_features(images, experiment, layers))
            labels = vocabulary.encode(images["concepts"] if name != "test" else [()] * len(images))
            lessons[name] = Lesson(images["image_id"].to_numpy(str), features, labels, images["category"].to_numpy())
    return vocabulary, lessons


def learn_frequencies(lesson: Lesson) -> Predict:
    """Every image gets how often each concept occurs: what can be known without looking."""
    frequencies = lesson.labels.sum(axis=0) / max(len(lesson.image_ids), 1)
    return lambda features: np.tile(np.asarray(frequencies), (len(features), 1))


def learn_neighbours(lesson: Lesson) -> Predict:
    """A vote of the images most alike, as many and as sharp as best tells each image of the lesson from all others."""
    library = Library(lesson.features, lesson.labels)
    k, sharpness = best_vote(library, lesson.labels, library.others(100))
    return lambda features: library.vote(library.neighbours(features, k), sharpness)


def learn_kernel(lesson: Lesson, gamma: float = 2.5, alpha: float = 0.1) -> Predict:
    """Kernel ridge regression of all concepts at once on features of length 1: solved, not trained, in a second or two.

    Every image of the lesson pulls as exp(-gamma * distance ** 2), less what others like it pull already.
    """
    usual = lesson.labels.mean(axis=0)
    ridge = KernelRidge(alpha=alpha, kernel="rbf", gamma=gamma)
    ridge.fit(lesson.features, lesson.labels.toarray() - usual)
    return lambda features: np.clip(ridge.predict(features) + usual, 0, 1)


def learn_head(
    lesson: Lesson,
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
    spread.adapt(lesson.features)
    hidden = [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(dropout)] if units else []
    rare = keras.initializers.Constant(-5)  # nearly all concepts are absent
    sigmoids = keras.layers.Dense(lesson.labels.shape[1], activation="sigmoid", bias_initializer=rare)
    head = keras.Sequential([spread, keras.layers.Dropout(dropout), *hidden, sigmoids])
    steps = epochs * -(-len(lesson.features) // batch_size)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    head.compile(loss=LOSSES[loss], optimizer=keras.optimizers.AdamW(rate, weight_decay=1e-4))
    labels = lesson.labels.toarray().astype(np.float32)
    head.fit(lesson.features, labels, batch_size=batch_size, epochs=epochs, verbose=0)
    return lambda features: np.asarray(head(features, training=False))  # `predict` warns where many heads are asked


def learn_by_category(lesson: Lesson, learn: Callable[[Lesson], Predict] = learn_kernel) -> Predict:
    """One model a category, each weighed by how probable its category is for the image: the paper's future work.

    The category of an image that is asked about need not be known: kernel ridge regression predicts it.
    """
    known = np.array([category is not None for category in lesson.categories])
    names, numbers = np.unique(lesson.categories[known].astype(str), return_inverse=True)
    if len(names) < 2:
        return learn(lesson)
    lesson = lesson.only(np.flatnonzero(known))
    which = learn_kernel(replace(lesson, labels=sparse.csr_array(np.eye(len(names))[numbers])))
    models = [learn(lesson.only(np.flatnonzero(numbers == number))) for number in range(len(names))]

    def predict(features: np.ndarray) -> np.ndarray:
        shares = which(features)
        shares = (shares / shares.sum(axis=1, keepdims=True)).T[:, :, None]
        return sum(share * model(features) for share, model in zip(shares, models, strict=True))

    return predict


LEARNERS: dict[str, Callable[[Lesson], Predict]] = {
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
    lessons: Mapping[str, Lesson], learners: Mapping[str, Callable[[Lesson], Predict]] = LEARNERS
) -> Members:
    """`members[tuned_on][learner][images]`: probabilities, (N, K), of val1, val2 and test, for tuning on either half.

    The half that tunes is predicted from train, the other half from train and that half, and test from all: nothing is
    predicted by what has learnt from it.
    """
    members = {"val1": {}, "val2": {}}
    for name, learn in learners.items():
        alone = learn(lessons["train"])
        tested = {}
        if "test" in lessons:
            tested["test"] = _learnt(learn, lessons, "val1", "val2")(lessons["test"].features)
        for tuned_on, other in (("val1", "val2"), ("val2", "val1")):
            members[tuned_on][name] = {
                tuned_on: alone(lessons[tuned_on].features),
                other: _learnt(learn, lessons, tuned_on)(lessons[other].features),
                **tested,
            }
    return members


def mean_of(members: Members, names: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """The mean of the members of these names: `[tuned_on][images]`, to be set beside them under a name of its own."""
    return {
        tuned_on: {images: np.mean([named[name][images] for name in names], axis=0) for images in named[names[0]]}
        for tuned_on, named in members.items()
    }


def _learnt(learn: Callable[[Lesson], Predict], lessons: Mapping[str, Lesson], *halves: str) -> Predict:
    return learn(sum((lessons[half] for half in halves), start=lessons["train"]))
