from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from labelled import labelled
from scipy import sparse
from sklearn.kernel_ridge import KernelRidge

from nblib.data import concatenate, read_dataset
from nblib.ensembles.learners import (
    LEARNERS,
    learn_frequencies,
    learn_head,
    learn_kernel_ridge,
    learn_members,
    learn_neighbours,
    learn_per_category,
    read_feature_sets,
)
from nblib.evaluation import sample_f1
from nblib.experiments import Experiment

# Two kinds of images that differ in their first feature; CT images have concepts 0 and 1 or 2, MR images 3.
CT, MR = [1.0, 0.0, 0.1], [0.0, 1.0, 0.1]
LABELS = [[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]]
FREQUENCIES = [4 / 6, 3 / 6, 1 / 6, 2 / 6]

QUICK = {"epochs": 40, "learning_rate": 0.05}


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


@pytest.mark.parametrize("learn", [partial(learn_head, **QUICK), partial(learn_head, units=16, **QUICK)])
def test_a_head_learns_concepts_from_features(learn, examples):
    probabilities = learnt(learn, repeated(examples, 50), [CT, MR])
    assert (probabilities > 0.5).astype(int).tolist() == [[1, 1, 0, 0], [0, 0, 0, 1]]


def test_the_seed_determines_a_head(examples):
    rows = np.arange(6)
    first, again, other = (learn_head(examples, epochs=1, seed=seed)(rows)(rows) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


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
def feature_sets(sample, tmp_path_factory):
    conditions = dict(backbone="small_plain", weights=None, image_size=32, data=str(sample))
    experiment = Experiment(**conditions, runs=str(tmp_path_factory.mktemp("runs")))
    return read_feature_sets(read_dataset(sample), experiment, ("block3_pool", "block4_pool"))


def test_feature_sets_are_the_splits_in_their_order(feature_sets, sample_dataset):
    assert {name: len(part) for name, part in feature_sets.items()} == {
        "train": 84, "val1": 12, "val2": 12, "test": 12
    }  # fmt: skip
    assert feature_sets["train"].image_ids.tolist() == sample_dataset.split("train")["image_id"].tolist()
    assert feature_sets["train"].features.shape == (84, 64 + 128)
    assert feature_sets["test"].labels.nnz == 0 < feature_sets["val1"].labels.nnz


def test_no_model_predicts_images_it_has_learnt_from_and_the_half_that_tunes_is_predicted_from_train_alone(
    feature_sets,
):
    fitted_on = []

    def learn(examples):
        def fit(rows):
            fitted_on.append(set(examples.image_ids[rows]))
            number = len(fitted_on) - 1
            return lambda wanted: np.full((len(wanted), examples.labels.shape[1]), number)

        return fit

    members = learn_members(feature_sets, {"number": learn})
    names = {name: set(part.image_ids) for name, part in feature_sets.items()}
    predicted_by = {
        (tuned_on, part): fitted_on[int(predicted.probabilities[0, 0])]
        for tuned_on, member in members.items()
        for part, predicted in member["number"].items()
    }
    everything = names["train"] | names["val1"] | names["val2"]
    assert predicted_by == {
        ("val1", "val1"): names["train"],
        ("val1", "val2"): names["train"] | names["val1"],
        ("val1", "test"): everything,
        ("val2", "val2"): names["train"],
        ("val2", "val1"): names["train"] | names["val2"],
        ("val2", "test"): everything,
    }


def test_neighbours_predict_better_than_frequencies(feature_sets):
    learners = {name: LEARNERS[name] for name in ("frequencies", "k-nearest neighbours")}
    members = learn_members({name: feature_sets[name] for name in ("train", "val1", "val2")}, learners)
    neighbours, frequencies = (members["val1"][name]["val2"] for name in ("k-nearest neighbours", "frequencies"))
    labels = feature_sets["val2"].labels
    assert neighbours.probabilities.shape == frequencies.probabilities.shape == labels.shape
    assert "test" not in members["val1"]["k-nearest neighbours"]
    by_neighbours, by_frequencies = (sample_f1(labels, each.probabilities > 0.3) for each in (neighbours, frequencies))
    assert by_neighbours > by_frequencies + 0.1
