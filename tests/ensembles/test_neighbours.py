import numpy as np
import pytest
from finished import finished_run
from labelled import labelled
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from nblib.ensembles.neighbours import Index, nearest_train_images, tune_vote

# Four images on a circle, at 0, 60, 90 and 180 degrees, their lengths all different; three concepts.
ANGLES = np.deg2rad([0, 60, 90, 180])
FEATURES = np.array([[1.0], [2.0], [3.0], [4.0]]) * np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])
LABELS = sparse.csr_array(np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=np.uint8))


def index_of(features, labels):
    return Index(labelled([f"image{row}" for row in range(len(features))], None, labels, features=features))


@pytest.fixture
def index():
    return index_of(FEATURES, LABELS)


def test_neighbours_are_those_with_the_smallest_angle_whatever_their_length(index):
    found = index.neighbours(np.array([[0.5, 0.0], [-7.0, 0.0]]), 3)
    assert found.rows.tolist() == [[0, 1, 2], [3, 2, 1]]
    np.testing.assert_allclose(found.similarities, [[1, 0.5, 0], [1, 0, -0.5]], atol=1e-6)


def test_with_inverse_temperature_0_each_neighbour_has_one_vote(index):
    votes = index.vote(index.neighbours(FEATURES[:1], 3))
    np.testing.assert_allclose(votes.toarray(), [[2 / 3, 2 / 3, 0]], atol=1e-6)


def test_a_vote_weighs_the_exponential_of_the_similarity(index):
    """Cosines 1, 0.5 and 0, inverse temperature 2 ln 2: weights 4, 2 and 1 of 7."""
    votes = index.vote(index.neighbours(FEATURES[:1], 3), inverse_temperature=2 * np.log(2))
    np.testing.assert_allclose(votes.toarray(), [[6 / 7, 3 / 7, 0]], atol=1e-6)


def test_with_a_large_inverse_temperature_the_nearest_decides(index):
    votes = index.vote(index.neighbours(FEATURES, 4), inverse_temperature=200)
    np.testing.assert_allclose(votes.toarray(), LABELS.toarray(), atol=1e-6)


def test_more_neighbours_than_images_are_all_images(index):
    assert index.neighbours(FEATURES, 10).rows.shape == (4, 4)


def test_the_first_neighbours_are_the_most_similar(index):
    np.testing.assert_array_equal(index.neighbours(FEATURES, 4).rows[:, :2], index.neighbours(FEATURES, 2).rows)


def test_the_others_are_all_but_the_image_itself(index):
    everything, all_allowed = np.arange(4), np.ones(4, bool)
    assert index.others(everything, all_allowed, 2).rows[[0, 1, 3]].tolist() == [[1, 2], [2, 0], [2, 1]]
    assert index.others(everything, all_allowed, 1).rows.tolist() == [[1], [2], [1], [2]]


def test_images_with_the_same_features_are_neighbours_of_each_other():
    index = index_of(np.ones((4, 2)), sparse.csr_array(np.eye(4, dtype=np.uint8)))
    for image, others in enumerate(index.others(np.arange(4), np.ones(4, bool), 2).rows):
        assert len({image, *others}) == 3


@pytest.mark.parametrize("found", [200, 6])  # with 6 found per image, most have to be searched again
def test_masked_neighbours_are_those_of_a_search_among_the_allowed_as_scikit_learn_makes_it(found, monkeypatch):
    monkeypatch.setattr("nblib.ensembles.neighbours.FOUND", found)
    monkeypatch.setattr("nblib.ensembles.neighbours.BLOCK", 1_000)
    rng = np.random.default_rng(0)
    features, allowed = rng.normal(size=(300, 8)).astype("float32"), rng.random(300) < 0.5
    index = index_of(features, sparse.csr_array((300, 3), dtype=np.uint8))
    for queries, skip in ((np.flatnonzero(~allowed), 0), (np.flatnonzero(allowed), 1)):
        theirs = NearestNeighbors(metric="cosine", algorithm="brute").fit(features[allowed])
        distances, rows = theirs.kneighbors(features[queries], 5 + skip)
        ours = index.others(queries, allowed, 5)
        np.testing.assert_array_equal(ours.rows, np.flatnonzero(allowed)[rows[:, skip:]])
        np.testing.assert_allclose(ours.similarities, 1 - distances[:, skip:], atol=1e-5)


def test_each_image_is_searched_once_whatever_is_allowed(index, monkeypatch):
    index.others(np.array([0, 1]), np.array([False, True, True, True]), 2)
    searched = []
    monkeypatch.setattr("nblib.ensembles.neighbours._search", lambda *arguments: searched.append(arguments))
    found = index.others(np.array([1, 0]), np.array([True, False, True, True]), 2)
    assert found.rows.tolist() == [[2, 0], [2, 3]] and not searched


def test_the_tuned_vote_has_the_best_f1(index):
    """One neighbour gets all right; with three or four, another concept has as many votes as the first."""
    nearest = index.neighbours(FEATURES[:1], 4)
    assert tune_vote(index, np.array([[1, 0, 0]]), nearest, ks=(4, 3, 1), inverse_temperatures=(0,)) == (1, 0)
    assert tune_vote(index, np.array([[1, 1, 0]]), nearest, ks=(1, 3, 4), inverse_temperatures=(0,)) == (3, 0)


def test_a_train_image_shown_as_new_finds_itself_first_and_then_images_ever_less_similar(
    sample, sample_dataset, tmp_path
):
    run = finished_run(sample, tmp_path / "runs", "small")
    train = sample_dataset.split("train")
    new = train.iloc[[3, 7]].assign(image_id=["one", "two"], concepts=[("C0000001",), ()])
    found = nearest_train_images(run, sample_dataset, new, k=3)
    assert found["image_id"].tolist()[::4] == ["one", "two"] and found["similarity"].isna().tolist()[::4] == [True] * 2
    assert found["image_id"].tolist()[1::4] == train["image_id"].iloc[[3, 7]].tolist()
    assert found["concepts"].tolist()[1::4] == train["concepts"].iloc[[3, 7]].tolist()
    cosines = found["similarity"].to_numpy().reshape(2, 4)[:, 1:]
    np.testing.assert_allclose(cosines[:, 0], 1, atol=1e-6)
    assert (np.diff(cosines) <= 0).all()
