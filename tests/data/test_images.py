import io
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nblib.data.images import ImageInMemory, UnreadableImage, cache_pixels, decode_compactly, decode_image, image_sizes


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


# ---- decode for the cache


def as_rgb(image):
    return np.stack([image] * 3, axis=-1) if image.ndim == 2 else image


def assert_the_same_pixels(path, size):
    """Both ways of decoding give what Pillow gives, and one channel exactly where all pixels are grey."""
    expected, compact = decode_image(path, size), decode_compactly(path, size)
    assert compact.dtype == np.uint8 and np.array_equal(as_rgb(compact), expected), path
    assert (compact.ndim == 2) == bool((expected == expected[..., :1]).all()), path


KINDS = {
    "grey JPEG": ("L", "JPEG", {}),
    "colour JPEG": ("RGB", "JPEG", {"quality": 90}),
    "progressive grey JPEG": ("L", "JPEG", {"progressive": True, "quality": 30}),
    "RGB JPEG without YCbCr": ("RGB", "JPEG", {"keep_rgb": True}),
    "CMYK JPEG": ("CMYK", "JPEG", {}),
    **{f"{mode} PNG": (mode, "PNG", {}) for mode in ("L", "RGB", "RGBA", "LA", "P", "1")},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (33, 250), (227, 227), (501, 333)])
def test_compact_pixels_are_those_of_the_image(tmp_path, kind, size):
    mode, form, options = KINDS[kind]
    made_image(mode, *size).save(tmp_path / "image", form, **options)
    assert_the_same_pixels(tmp_path / "image", 57)


def test_compact_pixels_of_sixteen_bits_are_those_of_the_image(tmp_path):
    Image.fromarray(np.random.default_rng(1).integers(0, 2**16, (90, 41), dtype=np.uint16)).save(tmp_path / "deep.png")
    assert_the_same_pixels(tmp_path / "deep.png", 57)


def test_an_exif_orientation_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    made_image("RGB", 61, 40).save(tmp_path / "turned.jpg", exif=exif)
    made_image("RGB", 61, 40).save(tmp_path / "plain.jpg")
    assert_the_same_pixels(tmp_path / "turned.jpg", 32)
    assert np.array_equal(decode_compactly(tmp_path / "turned.jpg", 32), decode_compactly(tmp_path / "plain.jpg", 32))


def test_grey_stored_in_three_channels_is_cached_in_one(tmp_path):
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
def test_a_file_that_is_no_image_is_named_when_it_is_cached(tmp_path, kind):
    path = tmp_path / "ROCO2_CLEF_00001.jpg"
    path.write_bytes(broken_files()[kind])
    with pytest.raises(ValueError, match=r"ROCO2_CLEF_00001\.jpg can't be read as an image"):
        decode_compactly(path, 32)


def test_compact_pixels_of_real_images_are_those_of_the_images(real_data):
    paths = sorted((real_data / "openrad").rglob("*.jpg"))
    assert len(paths) == 4742
    with ThreadPoolExecutor() as workers:
        list(workers.map(partial(assert_the_same_pixels, size=227), paths))


# ---- cache


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
    """The stores in a folder, incomplete ones included."""
    return sorted(path for path in folder.iterdir() if path.is_dir())


def test_cached_pixels_are_the_decoded_images_in_their_order(sample_dataset, tmp_path):
    table = sample_dataset.split("val")
    pixels = cache_pixels(table, 33, tmp_path / "pixels")
    assert pixels.shape == (len(table), 33, 33, 3) and pixels.dtype == np.uint8
    assert np.array_equal(pixels, np.stack([decode_image(path, 33) for path in table["path"]]))


def test_pixels_are_decoded_once_and_read_from_then_on(images, tmp_path):
    first = np.array(cache_pixels(images, 16, tmp_path / "pixels"))
    (store,) = stores(tmp_path / "pixels")
    before = store.stat().st_mtime_ns
    for path in images["path"]:  # no image any more, of the same size and date: only cached pixels can be returned
        facts = path.stat()
        path.write_bytes(b"x" * facts.st_size)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert np.array_equal(cache_pixels(images, 16, tmp_path / "pixels"), first)
    assert stores(tmp_path / "pixels") == [store] and store.stat().st_mtime_ns == before


def test_cached_pixels_are_read_only(images, tmp_path):
    pixels = cache_pixels(images, 16, tmp_path)
    for image in pixels.images(np.arange(5)):
        with pytest.raises(ValueError, match="read-only"):
            image[0] = 0


def test_a_changed_image_is_decoded_again(images, tmp_path):
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


def test_nothing_is_cached_when_an_image_cannot_be_read(images, tmp_path):
    images["path"][4].write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"IMAGE_4\.png can't be read"):
        cache_pixels(images, 16, tmp_path / "pixels")
    assert stores(tmp_path / "pixels") == []


# ---- sizes


def test_sizes_are_those_of_the_files_and_nan_where_there_is_no_image(tmp_path):
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


def test_an_upload_is_decoded_from_memory_as_its_file_is_from_disk(tmp_path):
    made_image("RGB", 37, 23).save(tmp_path / "a.png")
    uploaded = ImageInMemory("a.png", (tmp_path / "a.png").read_bytes())
    assert np.array_equal(decode_image(uploaded, 32), decode_image(tmp_path / "a.png", 32))
    assert uploaded.stat().st_size == (tmp_path / "a.png").stat().st_size and str(uploaded) == "a.png"
    with pytest.raises(UnreadableImage, match="its content is none of"):
        decode_image(ImageInMemory("b.png", b"no picture"), 32)


# ---- other ways to resize


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1", "LA", "RGBA", "I;16", "CMYK"])
def test_bilinear_is_pillows_of_the_image_in_grey_or_rgb(mode, tmp_path):
    path = tmp_path / ("image.jpg" if mode == "CMYK" else "image.png")
    if mode == "I;16":
        made_image("L").save(path)
        plain = made_image("L")
        Image.fromarray(np.asarray(plain).astype(np.uint16) << 8).save(path)
    else:
        made_image(mode).save(path)
        plain = Image.open(path).convert("L" if mode in ("L", "1") else "RGB")
    expected = np.asarray(plain.resize((11, 11), Image.Resampling.BILINEAR).convert("RGB"))
    np.testing.assert_array_equal(decode_image(path, 11, "bilinear"), expected)


def test_bilinear_takes_the_mean_of_what_it_shrinks(tmp_path):
    stripes = np.tile(np.uint8([0, 200]), (64, 32))
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    middle = decode_image(tmp_path / "stripes.png", 16, "bilinear")[4:-4, 4:-4]
    assert 95 <= middle.min() <= middle.max() <= 105


def test_a_letterbox_keeps_the_proportions_on_black(tmp_path):
    Image.fromarray(np.full((20, 40), 200, np.uint8)).save(tmp_path / "wide.png")
    boxed = decode_image(tmp_path / "wide.png", 16, "letterbox")
    assert boxed.shape == (16, 16, 3)
    assert (boxed[4:12] == 200).all() and (boxed[:4] == 0).all() and (boxed[12:] == 0).all()


def test_pixels_of_each_way_are_cached_apart(images, tmp_path):
    nearest, boxed = (cache_pixels(images, 16, tmp_path / "pixels", how) for how in ("nearest", "letterbox"))
    for row, path in enumerate(images["path"]):
        np.testing.assert_array_equal(nearest[row], decode_image(path, 16))
        np.testing.assert_array_equal(boxed[row], decode_image(path, 16, "letterbox"))
    names = sorted(path.name.rpartition("_")[2] for path in (tmp_path / "pixels").glob("*_16px*") if path.is_dir())
    assert names == ["16px", "letterbox"]
