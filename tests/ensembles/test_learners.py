from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from labelled import labelled
from scipy import sparse
from sklearn.kernel_ridge import KernelRidge

from nblib.data import concatenate, paper_folds, read_dataset
from nblib.ensembles.ensembles import EVALUATED_ON, TEST, TUNED_ON
from nblib.ensembles.learners import (
    LEARNERS,
    learn_frequencies,
    learn_kernel_ridge,
    learn_members,
    learn_neighbours,
    learn_per_category,
    read_features,
)
from nblib.evaluation import sample_f1
from nblib.experiments import Experiment

# Two kinds of images that differ in their first feature; CT images have concepts 0 and 1 or 2, MR images 3.
CT, MR = [1.0, 0.0, 0.1], [0.0, 1.0, 0.1]
LABELS = [[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]]
FREQUENCIES = [4 / 6, 3 / 6, 1 / 6, 2 / 6]


@pytest.fixture
def examples():
    features = np.array([CT] * 4 + [MR] * 2) + np.random.default_rng(0).normal(0, 0.01, (6, 3))
    labels = sparse.csr_array(np.array(LABELS, dtype=np.uint8))
    categories = ["DRCT"] * 4 + ["DRMR"] * 2
    return labelled([f"image{row}" for row in range(6)], None, labels, categories, features=features.astype("float32"))


def repeated(examples, times):
    return concatenate([examples] * times)


def with_images(examples, features):
    """The examples and, after them, images without labels that have these features; and the rows of both."""
    unlabelled = sparse.csr_array((len(features), 4), dtype=np.uint8)
    ids = [f"other{row}" for row in range(len(features))]
    others = labelled(ids, examples.vocabulary, unlabelled, features=np.array(features, "float32"))
    return concatenate([examples, others]), np.arange(len(examples)), len(examples) + np.arange(len(features))


def learnt(learn, examples, features):
    """Probabilities of images with these features, learnt from the examples."""
    together, known, others = with_images(examples, features)
    return learn(together)(known)(others)


def test_frequencies_are_the_shares_of_images_with_a_concept(examples):
    np.testing.assert_allclose(learnt(learn_frequencies, examples, [CT, MR]), [FREQUENCIES] * 2, rtol=1e-6)


def test_the_model_of_the_predicted_category_answers(examples):
    learn = partial(learn_per_category, learn=learn_frequencies)
    probabilities = learnt(learn, repeated(examples, 40), [CT, MR])
    np.testing.assert_allclose(probabilities, [[1, 3 / 4, 1 / 4, 0], [0, 0, 0, 1]], atol=0.05)


@pytest.mark.parametrize("categories", [[None] * 6, ["DRCT"] * 6])
def test_without_two_known_categories_there_is_one_model(categories, examples):
    one, rows = replace(examples, images=examples.images.assign(category=categories)), np.arange(6)
    per_category, common = learn_per_category(one, learn_frequencies), learn_frequencies(one)
    np.testing.assert_array_equal(per_category(rows)(rows), common(rows)(rows))


def test_kernel_ridge_is_scikit_learn_s_and_predicts_frequencies_far_from_its_examples(examples):
    together, known, _ = with_images(examples, [[-1, -1, 0]])
    predicted = learn_kernel_ridge(together, gamma=50, alpha=1e-3)(known)(np.arange(7))
    theirs = KernelRidge(alpha=1e-3, kernel="rbf", gamma=50).fit(examples.features, np.array(LABELS) - FREQUENCIES)
    expected = theirs.predict(examples.features) + FREQUENCIES
    np.testing.assert_allclose(predicted[:6], np.clip(expected, 0, 1), atol=1e-4)
    np.testing.assert_allclose(predicted[6], FREQUENCIES, atol=1e-3)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_learns_from_its_rows_alone(name, examples):
    """Other labels for the images that it does not learn from change nothing that it predicts."""
    many = repeated(examples, 8)
    learn = LEARNERS[name] if name not in ("logistic regression", "MLP") else partial(LEARNERS[name], epochs=1)
    rows, others = np.arange(30), np.arange(30, 48)
    inverted = many.labels.toarray()
    inverted[30:] = 1 - inverted[30:]
    same, changed = (replace(many, labels=sparse.csr_array(labels)) for labels in (many.labels.toarray(), inverted))
    np.testing.assert_array_equal(learn(same)(rows)(others), learn(changed)(rows)(others))


def test_neighbours_vote_for_their_concepts(examples):
    answer = learnt(learn_neighbours, repeated(examples, 3), [MR])
    np.testing.assert_allclose(answer, [[0, 0, 0, 1]], atol=1e-3)


@pytest.fixture(scope="module")
def features(sample, tmp_path_factory):
    conditions = dict(backbone="small_plain", weights=None, image_size=32, data=str(sample))
    experiment = Experiment(**conditions, runs=str(tmp_path_factory.mktemp("runs")))
    return read_features(read_dataset(sample), experiment, ("block3_pool", "block4_pool"))


def of_split(examples, *names):
    return set(examples.image_ids[examples.images["split"].isin(names)])


def test_features_are_of_all_splits(features, sample_dataset):
    assert features.features.shape == (84 + 24 + 12, 64 + 128)
    assert features.image_ids[:84].tolist() == sample_dataset.split("train")["image_id"].tolist()
    tests = features.where(split="test")
    assert len(tests) == 12 and tests.labels.nnz == 0 < features.where(split="val").labels.nnz


def test_no_model_predicts_images_it_has_learnt_from_and_those_that_tune_are_predicted_from_train_alone(
    features, sample_dataset
):
    fitted_on = []

    def learn(examples):
        def fit(rows):
            fitted_on.append(set(examples.image_ids[rows]))
            number = len(fitted_on) - 1
            return lambda wanted: np.full((len(wanted), examples.labels.shape[1]), number)

        return fit

    ids = sample_dataset.split("val")["image_id"]
    thirds = pd.Series(np.arange(len(ids)) % 3, ids)
    ways = {"thirds": thirds, "halves": paper_folds(sample_dataset)}
    members = learn_members(features, ways, {"number": learn})
    assert list(members["thirds"]) == ["0", "1", "2"] and list(members["halves"]) == ["val1", "val2"]
    train, everything = of_split(features, "train"), of_split(features, "train", "val")
    for way, folds in ways.items():
        for fold, of_fold in members[way].items():
            evaluated = set(ids[folds.loc[ids].astype(str).to_numpy() == fold])
            expected = {
                TUNED_ON: (set(ids) - evaluated, train),
                EVALUATED_ON: (evaluated, everything - evaluated),
                TEST: (of_split(features, "test"), everything),
            }
            assert list(of_fold["number"]) == list(expected)
            for part, predicted in of_fold["number"].items():
                images, learnt_from = expected[part]
                assert set(predicted.image_ids) == images and predicted.features is None
                assert fitted_on[int(predicted.probabilities[0, 0])] == learnt_from
    assert len(fitted_on) == 2 + 3 + 2


def test_neighbours_predict_better_than_frequencies(features, sample_dataset):
    learners = {name: LEARNERS[name] for name in ("frequencies", "k-nearest neighbours")}
    without_test = features.take(np.flatnonzero(features.images["split"] != "test"))
    members = learn_members(without_test, {"halves": paper_folds(sample_dataset)}, learners)["halves"]["val2"]
    assert TEST not in members["frequencies"]
    f1 = {
        name: sample_f1(member[EVALUATED_ON].labels, member[EVALUATED_ON].probabilities > 0.3)
        for name, member in members.items()
    }
    assert f1["k-nearest neighbours"] > f1["frequencies"] + 0.1
