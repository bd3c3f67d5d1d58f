from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from labelled import labelled
from scipy import sparse
from sklearn.kernel_ridge import KernelRidge

from nblib.data import read_dataset
from nblib.ensembles.learners import (
    LEARNERS,
    learn_by_category,
    learn_frequencies,
    learn_head,
    learn_kernel,
    learn_members,
    learn_neighbours,
    mean_of,
    read_feature_sets,
)
from nblib.evaluation import sample_f1
from nblib.experiments import Experiment

# Two kinds of images, told apart by their first feature; CT images have concepts 0 and 1 or 2, MR images 3.
CT, MR = [1.0, 0.0, 0.1], [0.0, 1.0, 0.1]
LABELS = [[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]]

QUICK = {"epochs": 40, "learning_rate": 0.05}


@pytest.fixture
def lesson():
    images = np.array([CT] * 4 + [MR] * 2) + np.random.default_rng(0).normal(0, 0.01, (6, 3))
    categories = np.array(["DRCT"] * 4 + ["DRMR"] * 2, dtype=object)
    names = np.array([f"image{number}" for number in range(6)])
    return labelled(
        names, None, sparse.csr_array(np.array(LABELS, dtype=np.uint8)), categories, features=images.astype("float32")
    )


def repeated(lesson, times):
    return sum([lesson] * (times - 1), start=lesson)


def test_frequencies_are_the_shares_of_images_with_a_concept(lesson):
    np.testing.assert_allclose(learn_frequencies(lesson)(np.zeros((2, 3))), [[4 / 6, 3 / 6, 1 / 6, 2 / 6]] * 2)


def test_a_model_a_category_answers_by_the_category_that_is_predicted(lesson):
    predict = learn_by_category(repeated(lesson, 40), learn_frequencies)
    np.testing.assert_allclose(predict(np.array([CT, MR])), [[1, 3 / 4, 1 / 4, 0], [0, 0, 0, 1]], atol=0.05)


@pytest.mark.parametrize("categories", [[None] * 6, ["DRCT"] * 6])
def test_without_two_known_categories_there_is_one_model(categories, lesson):
    one = replace(lesson, images=lesson.images.assign(category=categories))
    features = lesson.features[:2]
    np.testing.assert_array_equal(learn_by_category(one, learn_frequencies)(features), learn_frequencies(one)(features))


@pytest.mark.parametrize("learn", [partial(learn_head, **QUICK), partial(learn_head, units=16, **QUICK)])
def test_a_head_learns_what_features_tell(learn, lesson):
    probabilities = learn(repeated(lesson, 50))(np.array([CT, MR], dtype="float32"))
    assert (probabilities > 0.5).astype(int).tolist() == [[1, 1, 0, 0], [0, 0, 0, 1]]


def test_the_seed_decides_a_head(lesson):
    first, again, other = (learn_head(lesson, epochs=1, seed=seed)(lesson.features) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


def test_a_kernel_answers_what_it_has_learnt_and_the_usual_far_from_it(lesson):
    predict = learn_kernel(lesson, gamma=50, alpha=1e-6)
    expected = KernelRidge(alpha=1e-6, kernel="rbf", gamma=50).fit(
        lesson.features, np.array(LABELS) - np.mean(LABELS, 0)
    )
    given = expected.predict(lesson.features) + np.mean(LABELS, axis=0)
    np.testing.assert_allclose(predict(lesson.features), np.clip(given, 0, 1), atol=1e-5)
    np.testing.assert_allclose(predict(np.array([[-1, -1, 0]])), [[4 / 6, 3 / 6, 1 / 6, 2 / 6]], atol=1e-3)


def test_the_mean_of_members_is_that_of_their_probabilities_everywhere():
    members = {half: {"a": {"val1": np.zeros((1, 2))}, "b": {"val1": np.ones((1, 2))}} for half in ("val1", "val2")}
    members["val2"]["b"]["val1"] = np.full((1, 2), 3.0)
    mean = mean_of(members, ["a", "b"])
    assert (mean["val1"]["val1"].tolist(), mean["val2"]["val1"].tolist()) == ([[0.5, 0.5]], [[1.5, 1.5]])


def test_neighbours_are_as_many_as_tell_the_lesson_best(lesson):
    answer = learn_neighbours(repeated(lesson, 3))(np.array([MR]))
    np.testing.assert_allclose(answer, [[0, 0, 0, 1]], atol=1e-3)


@pytest.fixture(scope="module")
def lessons(sample, tmp_path_factory):
    conditions = dict(backbone="small_plain", weights=None, image_size=32, data=str(sample))
    experiment = Experiment(**conditions, runs=str(tmp_path_factory.mktemp("runs")))
    return read_feature_sets(read_dataset(sample), experiment, ("block3_pool", "block4_pool"))


def test_lessons_are_the_parts_of_the_data_in_its_order(lessons, sample_dataset):
    assert {name: len(lesson.image_ids) for name, lesson in lessons.items()} == {
        "train": 84, "val1": 12, "val2": 12, "test": 12
    }  # fmt: skip
    assert lessons["train"].image_ids.tolist() == sample_dataset.split("train")["image_id"].tolist()
    assert lessons["train"].features.shape == (84, 64 + 128)
    assert lessons["test"].labels.nnz == 0 < lessons["val1"].labels.nnz


def test_nothing_is_predicted_by_what_has_learnt_from_it_and_the_half_that_tunes_is_not_learnt_from(lessons):
    seen = []

    def learn(lesson):
        seen.append(set(lesson.image_ids))
        number = len(seen) - 1
        return lambda features: np.full((len(features), 2), number)

    members = learn_members(lessons, {"number": learn})
    names = {name: set(lesson.image_ids) for name, lesson in lessons.items()}
    by = {
        (tuned_on, images): seen[int(answer[0, 0])]
        for tuned_on, member in members.items()
        for images, answer in member["number"].items()
    }
    everything = names["train"] | names["val1"] | names["val2"]
    assert by == {
        ("val1", "val1"): names["train"],
        ("val1", "val2"): names["train"] | names["val1"],
        ("val1", "test"): everything,
        ("val2", "val2"): names["train"],
        ("val2", "val1"): names["train"] | names["val2"],
        ("val2", "test"): everything,
    }


def test_the_vote_of_neighbours_knows_more_than_frequencies(lessons):
    learners = {name: LEARNERS[name] for name in ("frequencies", "neighbours")}
    members = learn_members({name: lessons[name] for name in ("train", "val1", "val2")}, learners)
    known, guessed = (members["val1"][name]["val2"] for name in ("neighbours", "frequencies"))
    truth = lessons["val2"].labels
    assert known.shape == guessed.shape == truth.shape and "test" not in members["val1"]["neighbours"]
    assert sample_f1(truth, known > 0.3) > sample_f1(truth, guessed > 0.3) + 0.1
