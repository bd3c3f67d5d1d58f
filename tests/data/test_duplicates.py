import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance

from nblib.data.duplicates import GRID, NEAR, image_signatures, near_duplicates, nearest_distances
from nblib.data.images import decode_image


def table(paths):
    return pd.DataFrame({"image_id": [path and path.stem for path in paths], "path": paths})


@pytest.fixture(scope="module")
def original(sample_dataset):
    return sample_dataset.images["path"].iloc[3]


CHANGES = {
    "resized": lambda image: image.resize((image.width // 2, image.height * 2 // 3)),
    "recompressed": lambda image: image,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "RGBA": lambda image: image.convert("RGBA"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_near_its_original(original, tmp_path, change):
    copy = tmp_path / ("copy.png" if change == "RGBA" else "copy.jpg")
    with Image.open(original) as image:
        CHANGES[change](image.convert("L")).save(copy, **({} if change == "RGBA" else {"quality": 40}))
    pairs = near_duplicates(image_signatures(table([original, copy])))
    assert pairs["image_id"].tolist() == [original.stem]
    assert pairs["other_id"].tolist() == ["copy"]
    assert pairs["distance"].max() <= NEAR


def test_a_bit_says_whether_the_next_cell_is_brighter(tmp_path):
    cells = np.zeros((GRID + 1, GRID + 1), np.uint8)
    cells[0, 1], cells[5, 6] = 200, 2  # the second difference is noise
    images = {"black": np.zeros_like(cells), "bright": cells}
    for name, pixels in images.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    signatures = image_signatures(table([tmp_path / "black.png", tmp_path / "bright.png"]))
    assert signatures.index.tolist() == ["bright"], "an image of one colour resembles nothing"
    assert np.bitwise_count(signatures.to_numpy()).sum(axis=1).tolist() == [1]


def test_images_that_are_missing_or_unreadable_have_no_signature(original, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"not an image")
    assert image_signatures(table([original, None, tmp_path / "broken.jpg"])).index.tolist() == [original.stem]
    nothing = image_signatures(table([None]))
    assert (len(nothing), len(near_duplicates(nothing)), len(nearest_distances(nothing))) == (0, 0, 0)


def test_all_pairs_are_found_that_a_search_of_all_finds():
    rng = np.random.default_rng(0)
    bits = rng.random((150, 512)) < 0.5
    copies = bits[rng.integers(150, size=1200)] ^ (rng.random((1200, 512)) < rng.uniform(0, 0.12, (1200, 1)))
    words = np.packbits(np.concatenate([bits, copies, copies[:5]]), axis=1).view(np.uint64)
    signatures = pd.DataFrame(words, index=[f"i{row:04}" for row in range(len(words))])
    distance = np.array([np.bitwise_count(words ^ word).sum(axis=1, dtype=int) for word in words])
    one, other = np.nonzero(np.triu(distance <= NEAR, k=1))
    expected = set(zip(signatures.index[one], signatures.index[other], strict=True))
    pairs = near_duplicates(signatures)
    assert set(zip(pairs["image_id"], pairs["other_id"], strict=True)) == expected
    assert pairs["distance"].is_monotonic_increasing
    assert pairs["distance"][4] == 0
    np.fill_diagonal(distance, 999)
    assert nearest_distances(signatures, 9999).tolist() == distance.min(axis=1).tolist()


def test_mirrored_and_other_images_are_not_near(original, sample_dataset, tmp_path):
    Image.fromarray(decode_image(original, 200)[:, ::-1]).save(tmp_path / "mirrored.png")
    other = sample_dataset.images.query("category != 'DRXR'")["path"].iloc[0]
    assert near_duplicates(image_signatures(table([original, tmp_path / "mirrored.png", other]))).empty
