"""What `check_images` finds in image files, and how serious it is."""

import contextlib
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import EpsImagePlugin, Image

import nblib
from nblib.data import images
from nblib.data.checks import check_images
from nblib.data.images import decode_image
from nblib.prediction import standalone


def picture(mode="RGB", size=(120, 90)):
    noise = np.random.default_rng(7).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def encoded(image, form, **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def deep():
    return Image.fromarray(np.arange(10_000, dtype=np.uint16).reshape(100, 100))


@pytest.fixture
def checked(tmp_path):
    """What is wrong with one image of these bytes: (what, serious) of each problem."""

    def check(content, name="A.jpg", pixels=False):
        path = tmp_path / name
        path.write_bytes(content)
        problems = check_images(pd.DataFrame({"image_id": ["A"], "path": [path]}), pixels)
        assert all((problem.where, problem.image_id) == (str(path), "A") for problem in problems)
        return [(problem.what, problem.serious) for problem in problems]

    return check


ODD = {
    "renamed": ("A.jpg", lambda: encoded(picture(), "PNG"),
                "a PNG file by its content, whatever its name says; read as PNG."),
    "16-bit": ("A.png", lambda: encoded(deep(), "PNG"), "16 bits per pixel; only the upper 8 are used."),
    "CMYK": ("A.jpg", lambda: encoded(picture("CMYK"), "JPEG"),
             "CMYK, made for print; converted to RGB, colours may differ."),
    "RGBA": ("A.png", lambda: encoded(picture("RGBA"), "PNG"), "has transparency; it is dropped."),
    "animated": ("A.png", lambda: encoded(picture(), "PNG", save_all=True, append_images=[picture("L").convert("RGB")]),
                 "2 frames; only the first one is used."),
    "EXIF-rotated": ("A.jpg", lambda: encoded(picture(), "JPEG", exif=rotated()),
                     "EXIF orientation 6 is not applied; rotate the pixels themselves."),
    "EXIF-rotated PNG": ("A.png", lambda: encoded(picture(), "PNG", exif=rotated()),
                         "EXIF orientation 6 is not applied; rotate the pixels themselves."),
}  # fmt: skip


@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize("kind", ODD)
def test_an_odd_image_is_reported_and_does_not_stop_training(checked, kind, pixels):
    name, content, what = ODD[kind]
    assert checked(content(), name, pixels) == [(what, False)]


@pytest.mark.parametrize(("name", "form"), [("A.jpg", "JPEG"), ("A.JPEG", "JPEG"), ("A.png", "PNG")])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_nothing_is_wrong_with_a_plain_image(checked, name, form, mode):
    assert checked(encoded(picture(mode), form), name, pixels=True) == []


def test_no_other_program_is_started_for_an_image(checked, tmp_path, monkeypatch):
    started = tmp_path / "started"
    ghostscript = tmp_path / "bin" / "gs"
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\ntouch {started}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(ghostscript.parent), prepend=os.pathsep)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # looked for anew
    why = "its content is none of JPEG, PNG, GIF, BMP, TIFF, WEBP, DICOM"
    what = f"can't be read as an image ({why}); repair it or leave it out."
    assert checked(encoded(picture(), "EPS"), pixels=True) == [(what, True)]
    with pytest.raises(ValueError, match=r"A\.jpg can't be read as an image"):
        decode_image(tmp_path / "A.jpg", 32)
    assert not started.exists()
    with Image.open(tmp_path / "A.jpg") as image, contextlib.suppress(OSError):  # Pillow left to itself
        image.load()
    assert started.exists()


def test_images_are_opened_in_one_place():
    callers = {path.name for path in Path(nblib.__file__).parent.rglob("*.py") if "Image.open(" in path.read_text()}
    assert callers == {"images.py", "standalone.py"}  # the second is copied into exports, where there is no nblib
    assert Path(images.__file__).read_text().count("Image.open(") == 1
    assert standalone.FORMATS == images.FORMATS


def test_an_image_of_zero_bytes_is_found(checked):
    assert checked(b"") == [("zero bytes; download the file again or leave the image out.", True)]


def test_a_file_that_is_no_image_is_found(checked):
    ((what, serious),) = checked(b"no image at all")
    assert serious and what.startswith("can't be read as an image (") and what.endswith("; repair it or leave it out.")


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_truncated_image_is_found_when_its_pixels_are_read(checked, form):
    content, name = encoded(picture(), form), f"A.{form.lower()}"
    half = content[: len(content) // 2]
    assert checked(half, name) == []
    ((what, serious),) = checked(half, name, pixels=True)
    assert serious and what.startswith("can't be read as an image (") and "truncated" in what


@pytest.mark.parametrize("limit", [100 * 100, 100 * 40])  # Pillow warns of the first and refuses the second
def test_an_absurdly_large_image_is_found_before_it_is_decoded(checked, monkeypatch, limit):
    content = encoded(picture(size=(120, 90)), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    ((what, serious),) = checked(content, "A.png", pixels=True)
    assert serious and what.startswith("can't be read as an image (") and "pixels" in what


def test_images_without_a_file_are_skipped():
    assert check_images(pd.DataFrame({"image_id": ["A"], "path": [None]})) == []


def test_the_images_of_the_sample_are_sound(sample_dataset):
    assert check_images(sample_dataset.images, pixels=True) == []


def test_duplicates_byte_for_byte_are_reported(tmp_path):
    names = ["A", "B", "C", "D"]
    for name, content in zip(names, (picture(), picture("L"), picture(), picture("L")), strict=True):
        (tmp_path / f"{name}.png").write_bytes(encoded(content, "PNG"))
    (tmp_path / "E.png").write_bytes((tmp_path / "A.png").read_bytes()[:-1] + b"!")  # of the same size, but another one
    paths = [tmp_path / f"{name}.png" for name in [*names, "E"]]
    images = pd.DataFrame({"image_id": [*names, "E"], "path": paths, "split": ["train"] * 2 + ["val"] * 3})
    reported = [(problem.where, problem.what, problem.serious) for problem in check_images(images, pixels=True)]
    assert reported == [
        (str(paths[2]), f"the same image, byte for byte, as {paths[0]} (A, train).", False),
        (str(paths[3]), f"the same image, byte for byte, as {paths[1]} (B, train).", False),
    ]
    assert check_images(images) == []
