import io
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nblib.data.examples import Examples
from nblib.data.images import cache_pixels, decode_compactly, decode_image, image_sizes
from nblib.data.vocabulary import ConceptVocabulary
from nblib.training.batches import batches_per_epoch, epoch_order, ordered_batches, training_batches


def by_pillow(path, size):
    """What Pillow makes of the file: RGB, then nearest neighbour."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.NEAREST))


def made_image(mode, width=37, height=23):
    rng = np.random.default_rng(len(mode) * 1000 + width)
    colours = Image.fromarray(rng.integers(0, 256, (height, width, 4), dtype=np.uint8))
    return colours if mode == "RGBA" else colours.convert("RGB").convert(mode)


# ---- decode


@pytest.mark.parametrize("size", [32, 57, 300])
def test_decoding_the_sample_is_what_pillow_does(sample, size):
    paths = sorted(sample.rglob("*.jpg"))[::10]
    assert len(paths) == 12
    for path in paths:
        assert np.array_equal(decode_image(path, size), by_pillow(path, size))


@pytest.mark.parametrize("size", [(37, 23), (1, 1), (5, 101)])
@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("L", ".png"), ("RGB", ".png"), ("RGBA", ".png"), ("LA", ".png"), ("P", ".png"), ("1", ".png"), ("L", ".jpg"),
     ("RGB", ".jpg"), ("CMYK", ".jpg")],
)  # fmt: skip
def test_every_mode_is_decoded_as_pillow_does(tmp_path, mode, suffix, size):
    path = tmp_path / f"image{suffix}"
    made_image(mode, *size).save(path)
    with Image.open(path) as image:
        assert image.mode == mode
    decoded = decode_image(path, 29)
    assert decoded.shape == (29, 29, 3) and decoded.dtype == np.uint8
    assert np.array_equal(decoded, by_pillow(path, 29))


def nearest(width, size):
    """The column of the image, `width` wide, behind each of `size`: the middle of the first, then step by step.

    Pillow's NEAREST adds doubles; where a middle falls on the border of two columns the sum's last bit decides.
    """
    step = width / size
    middle, columns = step / 2, []
    for _ in range(size):
        columns.append(int(middle))
        middle += step
    return np.array(columns)


@pytest.mark.parametrize("size", [224, 227, 450])
def test_every_width_and_height_is_resized_by_the_nearest_pixel_without_cropping(tmp_path, size):
    for length in [*range(1, 1000, 9), 1024, 2048, 3333]:
        line = np.random.default_rng(length).integers(0, 256, length, dtype=np.uint8)
        expected = np.broadcast_to(line[nearest(length, size)], (size, size))
        for name, grey in (("row", line[None]), ("column", line[:, None])):
            Image.fromarray(grey).save(tmp_path / "line.png")
            decoded = decode_image(tmp_path / "line.png", size)[..., 0]
            assert np.array_equal(decoded if name == "row" else decoded.T, expected), (name, length)


def test_the_first_and_the_last_pixels_of_an_enlarged_image_are_its_corners(tmp_path):
    Image.fromarray(np.array([[10, 20, 30], [40, 50, 60]], dtype=np.uint8)).save(tmp_path / "image.png")
    assert decode_image(tmp_path / "image.png", 32)[[0, 0, -1, -1], [0, -1, 0, -1], 0].tolist() == [10, 30, 40, 60]


def cmyk_as_rgb(pixels):
    """Pillow's rule, without colour profile: what ink leaves of the light, rounded."""
    light = 255 - pixels[..., 3:].astype(float)
    return (light - np.rint(pixels[..., :3] * light / 255)).astype(np.uint8)


PALETTE = np.random.default_rng(256).integers(0, 256, (256, 3), dtype=np.uint8)
AS_RGB = {
    "L": lambda pixels: np.stack([pixels] * 3, axis=-1),
    "RGB": lambda pixels: pixels,
    "P": lambda pixels: PALETTE[pixels],
    "I;16": lambda pixels: np.stack([(pixels // 256).astype(np.uint8)] * 3, axis=-1),
    "CMYK": cmyk_as_rgb,
}


def save_losslessly(pixels, mode, path):
    image = Image.fromarray(pixels)
    if mode == "P":
        image.putpalette(PALETTE.tobytes())
    if mode == "CMYK":  # an array of four channels is taken for RGBA
        image = Image.merge("CMYK", image.split())
    image.save(path)


@pytest.mark.parametrize(("width", "height"), [(37, 23), (227, 100), (500, 333), (1, 640)])
@pytest.mark.parametrize("mode", AS_RGB)
def test_every_mode_is_resized_by_index_and_turned_into_rgb_by_its_definition(tmp_path, mode, width, height):
    shape = {"RGB": (height, width, 3), "CMYK": (height, width, 4)}.get(mode, (height, width))
    values = np.random.default_rng(width).integers(0, 2**16 if mode == "I;16" else 2**8, shape)
    pixels = values.astype(np.uint16 if mode == "I;16" else np.uint8)
    save_losslessly(pixels, mode, tmp_path / "image.tiff")
    with Image.open(tmp_path / "image.tiff") as image:
        assert (image.mode, image.size) == (mode, (width, height))
    chosen = pixels[nearest(height, 227)][:, nearest(width, 227)]
    assert np.array_equal(decode_image(tmp_path / "image.tiff", 227), AS_RGB[mode](chosen))


def test_sixteen_bits_keep_their_upper_eight(tmp_path):
    """Pillow's own conversion would clip everything above 255 to white."""
    grey = np.random.default_rng(16).integers(0, 2**16, (23, 37), dtype=np.uint16)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    Image.fromarray((grey // 256).astype(np.uint8)).save(tmp_path / "flat.png")
    with Image.open(tmp_path / "deep.png") as image:
        assert image.mode == "I;16"
    assert np.array_equal(decode_image(tmp_path / "deep.png", 29), by_pillow(tmp_path / "flat.png", 29))


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_of_a_png_with_16_bits_a_colour_the_upper_8_are_taken(tmp_path):
    deep = np.random.default_rng(48).integers(0, 2**16, (23, 37, 3), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)  # a row begins with its filter, here none
    head = struct.pack(">IIBBBBB", 37, 23, 16, 2, 0, 0, 0)  # 16 bits, RGB
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path = tmp_path / "deep.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    eight = tmp_path / "eight.png"
    Image.fromarray((deep >> 8).astype(np.uint8)).save(eight)
    assert np.array_equal(decode_image(path, 32), decode_image(eight, 32))


def test_a_palette_with_transparency_is_decoded_without_its_transparency(tmp_path):
    image = made_image("P")
    image.save(tmp_path / "clear.png", transparency=bytes(range(200)))
    image.save(tmp_path / "opaque.png")
    assert np.array_equal(decode_image(tmp_path / "clear.png", 29), by_pillow(tmp_path / "opaque.png", 29))


def broken_files():
    stream = io.BytesIO()
    made_image("RGB", 200, 200).save(stream, "JPEG")
    deep = io.BytesIO()
    Image.fromarray(np.random.default_rng(16).integers(0, 2**16, (99, 99), dtype=np.uint16)).save(deep, "PNG")
    truncated = {"truncated": stream.getvalue()[:4000], "truncated in 16 bits": deep.getvalue()[:4000]}
    return {"empty": b"", "text": b"no image at all", **truncated}


@pytest.mark.parametrize("kind", broken_files())
def test_a_file_that_is_no_image_is_named(tmp_path, kind):
    path = tmp_path / "ROCO2_CLEF_00001.jpg"
    path.write_bytes(broken_files()[kind])
    with pytest.raises(ValueError, match=r"ROCO2_CLEF_00001\.jpg can't be read as an image"):
        decode_image(path, 32)


# ---- decode for the store


def as_rgb(image):
    return np.stack([image] * 3, axis=-1) if image.ndim == 2 else image


def assert_the_same_pixels(path, size):
    """Decoded either way, in grey exactly where all pixels are grey."""
    expected, compact = decode_image(path, size), decode_compactly(path, size)
    assert compact.dtype == np.uint8 and np.array_equal(as_rgb(compact), expected), path
    assert (compact.ndim == 2) == bool((expected == expected[..., :1]).all()), path


def odd_sizes():
    rng = np.random.default_rng(3)
    return [(1, 1), (2, 3), (7, 1), (15, 17), (16, 16), (33, 250), (227, 227), *rng.integers(1, 700, (8, 2)).tolist()]


JPEGS = {
    "grey": ("L", {}),
    "colour 4:4:4": ("RGB", {"subsampling": 0}),
    "colour 4:2:2": ("RGB", {"subsampling": 1}),
    "colour 4:2:0": ("RGB", {"subsampling": 2}),
    "progressive": ("RGB", {"progressive": True}),
    "progressive grey": ("L", {"progressive": True, "quality": 30}),
    "restart markers": ("RGB", {"restart_marker_blocks": 5}),
    "RGB without YCbCr": ("RGB", {"keep_rgb": True}),
    "CMYK": ("CMYK", {}),
}


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_has_the_pixels_that_pillow_gives_it(tmp_path, kind):
    mode, options = JPEGS[kind]
    for width, height in odd_sizes():
        made_image(mode, width, height).save(tmp_path / "image.jpg", **{"quality": 90, **options})
        for size in (32, 227):
            assert_the_same_pixels(tmp_path / "image.jpg", size)


@pytest.mark.parametrize("kind", ["L", "RGB", "RGBA", "LA", "P", "1", "I;16", "CMYK"])
def test_what_is_no_jpeg_has_the_pixels_that_pillow_gives_it(tmp_path, kind):
    for width, height in odd_sizes():
        if kind == "I;16":
            image = Image.fromarray(np.random.default_rng(width).integers(0, 2**16, (height, width), dtype=np.uint16))
        else:
            image = made_image(kind, width, height)
        image.save(tmp_path / "image", "TIFF" if kind == "CMYK" else "PNG")
        assert_the_same_pixels(tmp_path / "image", 57)


def test_an_image_that_an_exif_orientation_would_turn_is_not_turned_either_way(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    made_image("RGB", 61, 40).save(tmp_path / "turned.jpg", exif=exif)
    made_image("RGB", 61, 40).save(tmp_path / "plain.jpg")
    assert_the_same_pixels(tmp_path / "turned.jpg", 32)
    assert np.array_equal(decode_compactly(tmp_path / "turned.jpg", 32), decode_compactly(tmp_path / "plain.jpg", 32))


def test_grey_stored_in_three_channels_is_kept_in_one(tmp_path):
    made_image("L", 100, 80).convert("RGB").save(tmp_path / "grey.jpg", quality=90)
    with Image.open(tmp_path / "grey.jpg") as image:
        assert image.mode == "RGB"
    assert decode_compactly(tmp_path / "grey.jpg", 64).shape == (64, 64)


def test_one_pixel_in_colour_is_not_lost(tmp_path):
    grey = made_image("L", 64, 64).convert("RGB")
    grey.putpixel((63, 0), (10, 10, 11))
    grey.save(tmp_path / "image.png")
    assert decode_compactly(tmp_path / "image.png", 64)[0, 63].tolist() == [10, 10, 11]


@pytest.mark.parametrize("kind", broken_files())
def test_a_file_that_is_no_image_is_named_by_the_store_as_well(tmp_path, kind):
    path = tmp_path / "ROCO2_CLEF_00001.jpg"
    path.write_bytes(broken_files()[kind])
    with pytest.raises(ValueError, match=r"ROCO2_CLEF_00001\.jpg can't be read as an image"):
        decode_compactly(path, 32)


def test_all_real_images_have_the_pixels_that_pillow_gives_them(real_data):
    paths = sorted((real_data / "openrad").rglob("*.jpg"))
    assert len(paths) == 4742
    with ThreadPoolExecutor() as workers:
        list(workers.map(partial(assert_the_same_pixels, size=227), paths))


# ---- keep


@pytest.fixture
def images(tmp_path):
    """A table of five small images in a folder of their own."""
    (tmp_path / "images").mkdir()
    rows = []
    for number in range(5):
        path = tmp_path / "images" / f"IMAGE_{number}.png"
        made_image("RGB", 20 + number, 17).save(path)
        rows.append((path.stem, path))
    return pd.DataFrame(rows, columns=["image_id", "path"])


def stores(folder):
    """The stores in a folder, begun ones included; the lock beside them is none."""
    return sorted(path for path in folder.iterdir() if path.is_dir())


def test_kept_pixels_are_the_decoded_images_in_their_order(sample_dataset, tmp_path):
    table = sample_dataset.split("val")
    pixels = cache_pixels(table, 33, tmp_path / "pixels")
    assert pixels.shape == (len(table), 33, 33, 3) and pixels.dtype == np.uint8
    assert np.array_equal(pixels, np.stack([decode_image(path, 33) for path in table["path"]]))


def test_pixels_are_decoded_once_and_read_ever_after(images, tmp_path):
    first = np.array(cache_pixels(images, 16, tmp_path / "pixels"))
    (kept,) = stores(tmp_path / "pixels")
    before = kept.stat().st_mtime_ns
    for path in images["path"]:  # no image any more, of the same size and date: only kept pixels can serve
        facts = path.stat()
        path.write_bytes(b"x" * facts.st_size)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert np.array_equal(cache_pixels(images, 16, tmp_path / "pixels"), first)
    assert stores(tmp_path / "pixels") == [kept] and kept.stat().st_mtime_ns == before


def test_kept_pixels_cannot_be_written_to(images, tmp_path):
    pixels = cache_pixels(images, 16, tmp_path)
    for image in pixels.images(np.arange(5)):
        with pytest.raises(ValueError, match="read-only"):
            image[0] = 0


def test_a_changed_image_is_decoded_anew(images, tmp_path):
    first = np.array(cache_pixels(images, 16, tmp_path / "pixels"))
    made_image("RGB", 60, 60).save(images["path"][2])
    second = cache_pixels(images, 16, tmp_path / "pixels")
    assert np.flatnonzero((first != second).any(axis=(1, 2, 3))).tolist() == [2]


def test_another_order_or_size_is_another_store(images, tmp_path):
    first = np.array(cache_pixels(images, 16, tmp_path / "pixels"))
    assert np.array_equal(cache_pixels(images[::-1], 16, tmp_path / "pixels"), first[::-1])
    assert cache_pixels(images, 24, tmp_path / "pixels").shape == (5, 24, 24, 3)
    assert len(stores(tmp_path / "pixels")) == 3


def test_an_image_that_is_not_on_disk_is_named(images, tmp_path):
    images["path"] = images["path"].where(images["image_id"] != "IMAGE_3", None)
    with pytest.raises(FileNotFoundError, match="1 of 5 images are listed but not on disk, such as IMAGE_3"):
        cache_pixels(images, 16, tmp_path / "pixels")


def test_nothing_is_kept_when_an_image_cannot_be_read(images, tmp_path):
    images["path"][4].write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"IMAGE_4\.png can't be read"):
        cache_pixels(images, 16, tmp_path / "pixels")
    assert stores(tmp_path / "pixels") == []


# ---- epochs and batches


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
    """Five examples whose pixels and labels tell their row; the first three are grey."""
    rows = []
    for number, mode in enumerate(["L", "L", "L", "RGB", "RGB"]):
        made_image(mode, 20 + number, 17).save(tmp_path / f"{number}.png")
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
def test_batches_an_epoch_counts_the_last_smaller_one(examples, batch_size, flipped_copies, batches):
    assert batches_per_epoch(examples, batch_size, flipped_copies) == batches


def test_sizes_are_those_of_the_files_and_nan_where_there_is_no_picture(tmp_path):
    made_image("RGB", 37, 23).save(tmp_path / "a.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    paths = [tmp_path / "a.png", tmp_path / "broken.png", tmp_path / "gone.png", None]
    images = pd.DataFrame({"image_id": list("abcd"), "path": pd.Series(paths, dtype=object)})
    sizes = image_sizes(images)
    assert sizes.loc[0, ["width", "height"]].tolist() == [37, 23]
    assert sizes.loc[1:, ["width", "height"]].isna().all(axis=None)
    assert sizes["image_id"].tolist() == list("abcd")


def test_no_images_have_no_sizes():
    assert image_sizes(pd.DataFrame({"path": []})).columns.tolist() == ["path", "width", "height"]
