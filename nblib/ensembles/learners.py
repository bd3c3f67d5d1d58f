"""Learners on frozen features: logistic regression, MLP, kernel ridge, k-nearest neighbours.

A learner is prepared once for all examples, whatever their labels: neighbours are searched, a kernel is computed. It is
then fitted on some rows and predicts others, as often as folds need it:

    fit = LEARNERS["kernel ridge"](examples)
    probabilities = fit(train_rows)(other_rows)  # (N, K) float32

`LEARNERS` names all of them; `learn_members` fits them so that none predicts an image it has learnt from.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from scipy import sparse

from nblib.data import ConceptVocabulary, Dataset, Examples, concatenate, labelled_splits
from nblib.ensembles.ensembles import EVALUATED_ON, TEST, TUNED_ON, Members
from nblib.ensembles.neighbours import KS, Index, tune_vote
from nblib.experiments import Experiment
from nblib.system import ProgressBar
from nblib.training import extract_features, prepare_head, prepare_kernel_ridge

Predict = Callable[[np.ndarray], np.ndarray]  # rows -> their probabilities, (N, K)
Fit = Callable[[np.ndarray], Predict]  # rows to learn from
Learn = Callable[[Examples], Fit]
VOTE_TUNED_ON = 20_000  # images, drawn from those learnt from, on which the vote of neighbours is tuned


def read_features(
    dataset: Dataset, experiment: Experiment, layers: tuple[str, ...] = ("block4_pool", "block5_pool")
) -> Examples:
    """Train, validation and, where there are any, test images in one label space, with features of a frozen backbone.

    Features are `nblib.training.extract_features` with the experiment's backbone, computed once.
    """
    examples = concatenate(labelled_splits(dataset).values())
    return replace(examples, features=np.asarray(extract_features(examples.images, experiment, layers)))


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
        tuned_on = rows[np.sort(np.argsort(order[rows])[:VOTE_TUNED_ON])]
        nearest = index.others(tuned_on, allowed, max(KS))
        k, inverse_temperature = tune_vote(index, examples.labels[tuned_on], nearest)
        return lambda wanted: index.vote(index.others(wanted, allowed, k), inverse_temperature).toarray()

    return fit


def learn_kernel_ridge(examples: Examples, gamma: float = 2.5, alpha: float = 0.1) -> Fit:
    """Kernel ridge regression of all concepts at once, in closed form; within clusters where images are many.

    The kernel is exp(-gamma * distance ** 2), on features of length 1; alpha is the regularisation.
    """
    return prepare_kernel_ridge(examples.features, examples.labels, gamma, alpha)


def learn_head(examples: Examples, **options: float) -> Fit:
    """Logistic regression, or with `units` an MLP with one hidden layer: `nblib.training.prepare_head`."""
    return prepare_head(examples.features, examples.labels, **options)


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


def learn_members(
    examples: Examples, ways: Mapping[str, pd.Series], learners: Mapping[str, Learn] = LEARNERS
) -> dict[str, Members]:
    """`members[fold][learner]` for each way of dividing the validation images into folds.

    A model fitted on train predicts the images that tune, those of all other folds; one fitted on train and these
    predicts the images that are evaluated on; one fitted on all images with labels predicts test. None predicts images
    it has learnt from, and what all folds need is learnt once.

    Args:
        examples: train, validation and, where there are any, test images, with features.
        ways: folds of the validation images, indexed by image_id, by the name of the way.
        learners: by name.
    """
    split = examples.images["split"].to_numpy()
    train, validation, test = (np.flatnonzero(split == name) for name in ("train", "val", "test"))
    folds = {way: fold.loc[examples.image_ids[validation]].to_numpy() for way, fold in ways.items()}
    members = {way: {str(fold): {} for fold in np.unique(of_way)} for way, of_way in folds.items()}
    bare = replace(examples, features=None)

    def predicted(rows: np.ndarray, probabilities: np.ndarray) -> Examples:
        return replace(bare.take(rows), probabilities=np.asarray(probabilities, np.float32))

    fits = len(learners) * (1 + bool(len(test)) + sum(map(len, members.values())))
    with ProgressBar(desc="learners", total=fits, unit="fit") as progress:
        for name, learn in learners.items():
            fit = learn(examples)
            from_train = fit(train)(validation)
            progress.update()
            rest = {}
            if len(test):
                rest = {TEST: predicted(test, fit(np.concatenate([train, validation]))(test))}
                progress.update()
            for way, of_way in folds.items():
                for fold in np.unique(of_way):
                    tuned_on, evaluated_on = validation[of_way != fold], validation[of_way == fold]
                    probabilities = fit(np.concatenate([train, tuned_on]))(evaluated_on)
                    members[way][str(fold)][name] = {
                        TUNED_ON: predicted(tuned_on, from_train[of_way != fold]),
                        EVALUATED_ON: predicted(evaluated_on, probabilities), **rest,
                    }  # fmt: skip
                    progress.update()
    return members


def _frequencies(examples: Examples, rows: np.ndarray) -> np.ndarray:
    """The share of the rows that has each concept, (K,) float32."""
    return np.asarray(examples.labels[rows].sum(axis=0) / max(len(rows), 1), np.float32)
