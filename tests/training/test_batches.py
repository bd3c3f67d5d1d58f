"""Batches: the order of an epoch, flipped copies, and what a network is given."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nblib.data import ConceptVocabulary, Examples, cache_pixels
from nblib.training.batches import (
    GREATEST_WEIGHT,
    batches_per_epoch,
    epoch_order,
    ordered_batches,
    rarest_weights,
    training_batches,
)


def test_an_epoch_with_flipped_copies_has_every_image_once_as_it_is_and_once_flipped():
    rows, flipped = epoch_order(7, flipped_copies=True, seed=1, epoch=0)
    assert sorted(zip(rows.tolist(), flipped.tolist(), strict=True)) == [
        (row, copy) for row in range(7) for copy in (False, True)
    ]


def test_an_epoch_without_flipped_copies_has_every_image_once():
    rows, flipped = epoch_order(7, flipped_copies=False, seed=1, epoch=0)
    assert sorted(rows) == list(range(7))
    assert not flipped.any()


def test_seed_and_epoch_decide_the_order():
    def order(seed, epoch):
        rows, flipped = epoch_order(50, flipped_copies=True, seed=seed, epoch=epoch)
        return [*rows, *flipped]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)
    assert order(1, 2) != order(2, 1)


@pytest.fixture
def examples(tmp_path):
    """Five examples whose pixels and labels identify their row; the first three are grey."""
    rows = []
    for number, mode in enumerate(["L", "L", "L", "RGB", "RGB"]):
        noise = np.random.default_rng(number).integers(0, 256, (17, 20 + number, 3), dtype=np.uint8)
        Image.fromarray(noise).convert(mode).save(tmp_path / f"{number}.png")
        rows.append((str(number), tmp_path / f"{number}.png"))
    pixels = cache_pixels(pd.DataFrame(rows, columns=["image_id", "path"]), 6, tmp_path / "pixels")
    images = pd.DataFrame({"image_id": list("abcde"), "concepts": [(f"C000000{number}",) for number in range(5)]})
    vocabulary = ConceptVocabulary(tuple(f"C000000{number}" for number in range(8)))
    return replace(Examples.of(images, vocabulary), pixels=pixels)


def in_colour(pixels):
    """A batch as (n, size, size, 3)."""
    return np.broadcast_to(pixels, (*pixels.shape[:3], 3))


def one_epoch(examples, batch_size, flipped_copies, **how):
    batches = training_batches(examples, batch_size, flipped_copies, **how)
    return list(islice(batches, batches_per_epoch(examples, batch_size, flipped_copies)))


def test_flipped_examples_are_mirrored_left_to_right_and_keep_their_labels(examples):
    before = np.array(examples.pixels)
    batches = one_epoch(examples, 3, True, seed=1)
    assert [len(pixels) for pixels, _ in batches] == [3, 3, 3, 1]
    pixels = np.concatenate([in_colour(pixels) for pixels, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    rows, flipped = epoch_order(5, True, seed=1, epoch=0)
    for row, mirrored, image, label in zip(rows, flipped, pixels, labels, strict=True):
        picture = Image.fromarray(before[row])
        expected = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else picture
        assert np.array_equal(image, np.asarray(expected))
        assert label.tolist() == np.eye(5, 8)[row].tolist()
    assert np.array_equal(examples.pixels, before)


def test_batches_have_the_types_a_network_takes(examples):
    pixels, labels = next(training_batches(examples, 2, True, seed=1))
    assert (pixels.dtype, labels.dtype) == (np.uint8, np.float32)
    pixels, labels = next(ordered_batches(examples, 2))
    assert (pixels.dtype, labels.dtype) == (np.uint8, np.float32)


def test_a_batch_of_grey_images_has_one_channel_and_any_other_three(examples):
    assert [pixels.shape for pixels, _ in ordered_batches(examples, 2)] == [(2, 6, 6, 1), (2, 6, 6, 3), (1, 6, 6, 3)]
    assert [pixels.shape for pixels, _ in ordered_batches(examples, 3)] == [(3, 6, 6, 1), (2, 6, 6, 3)]


def test_a_later_first_epoch_goes_on_where_the_earlier_ones_end(examples):
    steps = batches_per_epoch(examples, 4, True)
    onward = list(islice(training_batches(examples, 4, True, seed=1), 3 * steps))[2 * steps :]
    resumed = one_epoch(examples, 4, True, seed=1, first_epoch=2)
    for (pixels, labels), (same_pixels, same_labels) in zip(onward, resumed, strict=True):
        assert np.array_equal(pixels, same_pixels) and np.array_equal(labels, same_labels)


def test_ordered_batches_are_all_examples_once_in_their_order(examples):
    batches = list(ordered_batches(examples, 2))
    assert [len(pixels) for pixels, _ in batches] == [2, 2, 1]
    assert np.array_equal(np.concatenate([in_colour(pixels) for pixels, _ in batches]), examples.pixels)
    assert np.array_equal(np.concatenate([labels for _, labels in batches]), np.eye(5, 8))


@pytest.mark.parametrize(
    ("batch_size", "flipped_copies", "batches"),
    [(1, False, 5), (2, False, 3), (5, False, 1), (3, True, 4), (32, True, 1)],
)
def test_batches_per_epoch_counts_the_last_smaller_one(examples, batch_size, flipped_copies, batches):
    assert batches_per_epoch(examples, batch_size, flipped_copies) == batches


def of_concepts(*concepts):
    images = pd.DataFrame({"image_id": [str(row) for row in range(len(concepts))], "concepts": concepts})
    return Examples.of(images, ConceptVocabulary(("C0000001", "C0000002")))


def test_an_image_weighs_as_much_as_the_rarest_of_its_concepts():
    examples = of_concepts(("C0000001",), ("C0000001",), ("C0000001", "C0000002"), ("C0000001",), ())
    assert rarest_weights(examples).tolist() == pytest.approx([1 / 4, 1 / 4, 1, 1 / 4, 1 / 5])


def test_no_image_weighs_more_than_ten_times_the_mean():
    weights = rarest_weights(of_concepts(("C0000002",), *[("C0000001",)] * 999))
    assert weights.tolist()[1:] == pytest.approx([1 / 999] * 999)
    assert weights[0] == pytest.approx(GREATEST_WEIGHT * (1 + 1) / 1000)


def test_images_are_drawn_as_often_as_their_weights_say_and_the_same_for_the_same_epoch():
    weights = np.array([1.0, 2.0, 5.0])
    rows, flipped = epoch_order(3, True, 1, 0, weights)
    assert len(rows) == 6 and set(rows) <= {0, 1, 2} and set(flipped) <= {False, True}
    drawn = np.concatenate([epoch_order(3, True, 1, epoch, weights)[0] for epoch in range(3000)])
    np.testing.assert_allclose(np.bincount(drawn) / len(drawn), weights / 8, atol=0.01)
    for ours, theirs in zip(epoch_order(3, True, 1, 7, weights), epoch_order(3, True, 1, 7, weights), strict=True):
        np.testing.assert_array_equal(ours, theirs)
