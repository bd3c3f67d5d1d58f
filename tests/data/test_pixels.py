"""Pixels by rows, as batches, and with grey and coloured images separately, whether decoded or cached."""

import numpy as np
import pytest

from nblib.data.pixel_store import PixelStore
from nblib.data.pixels import DecodedPixels, JoinedPixels

SIZE = 5
IMAGES = [np.random.default_rng(row).integers(0, 256, (SIZE, SIZE, 3)[: 2 + (row % 4 == 0)], dtype=np.uint8)
          for row in range(12)]  # fmt: skip
EXPECTED = np.stack([np.broadcast_to(image.reshape(SIZE, SIZE, -1), (SIZE, SIZE, 3)) for image in IMAGES])


@pytest.fixture(params=["decoded", "cached", "joined"])
def pixels(request, tmp_path):
    """Twelve images; 0, 4 and 8 are in colour."""
    if request.param == "joined":
        return JoinedPixels([DecodedPixels(part, SIZE, np.asarray) for part in (IMAGES[:5], IMAGES[5:6], IMAGES[6:])])
    if request.param == "decoded":
        return DecodedPixels(IMAGES, SIZE, np.asarray)
    return PixelStore(tmp_path / "store", "key", SIZE, IMAGES, np.asarray).load()


def test_shape_and_type_are_those_of_an_array(pixels):
    assert (pixels.shape, pixels.dtype, len(pixels)) == (EXPECTED.shape, EXPECTED.dtype, 12)
    assert np.array_equal(pixels, EXPECTED)


@pytest.mark.parametrize(
    "rows", [3, -1, slice(4, 9), slice(None, None, 7), np.array([5, 0, 5]), np.arange(12) % 3 == 0]
)
def test_rows_are_selected_as_from_an_array(pixels, rows):
    assert np.array_equal(pixels[rows], EXPECTED[rows])


@pytest.mark.parametrize("rows", [[1, 2, 3, 5], [0, 4, 8], [7, 4, 1, 0]], ids=["grey", "colour", "mixed"])
def test_images_of_a_batch_are_mirrored_where_flipped(pixels, rows):
    rows, flipped = np.array(rows), np.arange(len(rows)) % 2 == 0
    batch = pixels.batch(rows, flipped)
    assert batch.shape[3] == (3 if (rows % 4 == 0).any() else 1)
    for image, row, mirrored in zip(batch, rows, flipped, strict=True):
        assert np.array_equal(np.broadcast_to(image, (SIZE, SIZE, 3)), EXPECTED[row][:, :: -1 if mirrored else 1])


@pytest.mark.parametrize("rows", [[1, 4, 3, 0, 6], [3, 1], [8, 0, 4], [0]], ids=["mixed", "grey", "colour", "one"])
def test_grey_and_coloured_images_of_a_batch_come_separately(pixels, rows):
    rows, flipped = np.array(rows), np.arange(len(rows)) % 2 == 0
    positions, grey, coloured = pixels.batch_by_colour(rows, flipped)
    assert positions.dtype == np.int32
    assert grey.shape == ((rows % 4 > 0).sum(), SIZE, SIZE, 1)
    assert coloured.shape == ((rows % 4 == 0).sum(), SIZE, SIZE, 3)
    together = np.concatenate([np.broadcast_to(grey, (*grey.shape[:3], 3)), coloured])
    expected = np.broadcast_to(pixels.batch(rows, flipped), (len(rows), SIZE, SIZE, 3))
    assert np.array_equal(together[positions], expected)
    assert np.array_equal(pixels.batch_by_colour(rows)[1], pixels.batch_by_colour(rows, np.zeros(len(rows), bool))[1])
