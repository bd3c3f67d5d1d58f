import errno
import logging
import multiprocessing
import os
import shutil
import time
from collections import namedtuple
from functools import partial

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nblib.data.images import cache_pixels, decode_compactly, decode_image
from nblib.data.pixel_store import AT_ONCE, PixelStore

PROCESSES = multiprocessing.get_context("forkserver")
SIZE = 24
IMAGES = 5 * AT_ONCE // 2


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A table of many small images; every fourth one has colour."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(1)
    paths = [folder / f"IMAGE_{number:03}.jpg" for number in range(IMAGES)]
    for number, path in enumerate(paths):
        shape = (60, 50) if number % 4 else (60, 50, 3)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return pd.DataFrame({"image_id": [path.stem for path in paths], "path": paths})


@pytest.fixture(scope="module")
def expected(images):
    """(N, size, size, 3), by Pillow."""
    return np.stack([decode_image(path, SIZE) for path in images["path"]])


def decode_and_note(path, notes, pause=0):
    """Decodes, slowly if wanted, and appends the image's name to the file `notes`."""
    time.sleep(pause)
    with open(notes, "a") as file:  # noqa: PTH123 - a line at a time is written as one piece
        file.write(f"{path.stem}\n")
    return decode_compactly(path, SIZE)


def store_of(images, folder, notes, pause=0):
    decode = partial(decode_and_note, notes=notes, pause=pause)
    return PixelStore(folder / "store", "some key", SIZE, images["path"].tolist(), decode)


def load_in_process(store, start=None):
    """A process that loads the store's pixels, after `start` is set."""
    process = PROCESSES.Process(target=_load, args=(store, start))
    process.start()
    return process


def _load(store, start):
    if start:
        start.wait()
    store.load()


def names_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


WHOLE = ["lock", *(f"store/{name}" for name in ("channels", "colour", "facts.json", "grey"))]


# ---- content


def test_grey_takes_one_byte_per_pixel_and_colour_three(images, expected, tmp_path):
    pixels = cache_pixels(images, SIZE, tmp_path)
    (store,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert (store / "grey").stat().st_size == IMAGES * 3 // 4 * SIZE**2
    assert (store / "colour").stat().st_size == IMAGES // 4 * SIZE**2 * 3
    assert np.array_equal(pixels, expected)
    assert pixels.shape == expected.shape and pixels.dtype == expected.dtype and len(pixels) == IMAGES


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_store_may_have_images_of_one_kind_only(tmp_path, mode):
    colours = np.random.default_rng(2).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(colours).convert(mode).save(tmp_path / "image.png")
    images = pd.DataFrame({"image_id": ["image"], "path": [tmp_path / "image.png"]})
    assert np.array_equal(cache_pixels(images, SIZE, tmp_path / "pixels")[0], decode_image(images["path"][0], SIZE))


# ---- opening


def test_opening_a_whole_store_decodes_nothing_and_writes_nothing(images, expected, tmp_path):
    store = store_of(images, tmp_path / "pixels", tmp_path / "notes")
    store.load()
    (tmp_path / "notes").unlink()
    (tmp_path / "pixels" / "lock").unlink()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "pixels").rglob("*")}
    assert np.array_equal(store.load(), expected)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "pixels").rglob("*")} == before
    assert not (tmp_path / "notes").exists()


@pytest.mark.parametrize("name", ["grey", "colour", "channels", "facts.json"])
@pytest.mark.parametrize("left", [None, 0, 20])
def test_a_store_that_lost_something_is_rebuilt(images, expected, tmp_path, name, left):
    store = store_of(images, tmp_path / "pixels", tmp_path / "notes")
    store.load()
    if left is None:
        (tmp_path / "pixels" / "store" / name).unlink()
    else:
        os.truncate(tmp_path / "pixels" / "store" / name, left)
    assert store.open() is None
    assert np.array_equal(store.load(), expected)
    assert names_below(tmp_path / "pixels") == WHOLE


def test_a_store_whose_channels_were_overwritten_is_rebuilt(images, expected, tmp_path):
    store = store_of(images, tmp_path / "pixels", tmp_path / "notes")
    store.load()
    with (tmp_path / "pixels" / "store" / "channels").open("r+b") as file:
        file.write(bytes(50))  # zeros, as after a power cut
    assert store.open() is None
    assert np.array_equal(store.load(), expected)


def test_a_store_of_other_images_is_not_taken_for_these(images, expected, tmp_path):
    other = store_of(images[::-1], tmp_path / "pixels", tmp_path / "notes")
    other.load()
    these = PixelStore(other.folder, "another key", SIZE, images["path"].tolist(), other.decode)
    assert these.open() is None and other.open() is not None
    assert np.array_equal(these.load(), expected)
    assert other.open() is None


# ---- kills, and two processes at once


def test_a_killed_process_leaves_what_it_decoded_and_the_next_one_resumes(images, expected, tmp_path):
    slow = store_of(images, tmp_path / "pixels", tmp_path / "notes", pause=0.01)
    part = tmp_path / "pixels" / "store.part"
    kept = 0
    for share in (3, 2):  # killed twice
        process = load_in_process(slow)
        while not (part / "channels").exists() or (part / "channels").stat().st_size < IMAGES // share:
            assert process.is_alive()
            time.sleep(0.002)
        process.kill()
        process.join()
        assert slow.open() is None
        assert (part / "channels").stat().st_size > kept
        kept = (part / "channels").stat().st_size
    with (part / "grey").open("ab") as file:
        file.write(b"half an image")

    (tmp_path / "notes").unlink()
    pixels = store_of(images, tmp_path / "pixels", tmp_path / "notes").load()
    assert np.array_equal(pixels, expected)
    assert names_below(tmp_path / "pixels") == WHOLE
    decoded = (tmp_path / "notes").read_text().split()
    assert sorted(decoded) == sorted(images["image_id"][kept:])


def test_an_incomplete_store_of_other_images_is_not_resumed(images, expected, tmp_path):
    other = store_of(images[::-1], tmp_path / "pixels", tmp_path / "notes")
    other.load()
    other.folder.rename(tmp_path / "pixels" / "store.part")
    these = PixelStore(tmp_path / "pixels" / "store", "another key", SIZE, images["path"].tolist(),
                       partial(decode_compactly, size=SIZE))  # fmt: skip
    assert np.array_equal(these.load(), expected)
    assert names_below(tmp_path / "pixels") == WHOLE


def test_of_two_processes_at_once_one_decodes_and_the_other_waits_for_it(images, expected, tmp_path):
    start = PROCESSES.Event()
    stores = [store_of(images, tmp_path / "pixels", tmp_path / f"notes {number}", pause=0.002) for number in range(2)]
    processes = [load_in_process(store, start) for store in stores]
    start.set()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    decoded = [len(path.read_text().split()) for path in tmp_path.glob("notes *")]
    assert decoded == [IMAGES]
    assert np.array_equal(stores[0].open(), expected)
    assert names_below(tmp_path / "pixels") == WHOLE


def test_without_locks_a_store_is_built_in_a_folder_of_its_own(images, expected, tmp_path, monkeypatch):
    monkeypatch.setattr("nblib.system.files.fcntl", None)  # as on Windows
    store = store_of(images, tmp_path / "pixels", tmp_path / "notes")
    part = tmp_path / "pixels" / "store.part"  # another process may be at work in it
    part.mkdir(parents=True)
    assert np.array_equal(store.load(), expected)
    part.rmdir()
    assert names_below(tmp_path / "pixels") == WHOLE


# ---- room


Usage = namedtuple("Usage", "total used free")


def test_without_room_images_are_decoded_as_they_are_needed_and_a_warning_says_so(
    images, expected, tmp_path, monkeypatch, caplog
):
    bytes_of_all = IMAGES // 4 * SIZE**2 * 6
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 0, bytes_of_all - 1))
    with caplog.at_level(logging.WARNING):
        pixels = cache_pixels(images, SIZE, tmp_path)
    (record,) = caplog.records
    assert f"about {bytes_of_all:,} bytes are needed, {bytes_of_all - 1:,} are free" in record.getMessage()
    assert "decoded whenever they are needed" in record.getMessage()
    assert np.array_equal(pixels, expected)
    assert pixels.batch(np.array([1, 2, 3])).shape == (3, SIZE, SIZE, 1)
    assert names_below(tmp_path) == ["lock"]


def test_with_just_enough_room_images_are_cached(images, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 0, IMAGES // 4 * SIZE**2 * 6))
    cache_pixels(images, SIZE, tmp_path)
    assert not caplog.records and len(names_below(tmp_path)) == 5


def test_other_errors_of_the_disk_are_raised(images, tmp_path):
    (tmp_path / "pixels").write_text("a file where the folder should be")
    with pytest.raises(OSError) as caught:
        cache_pixels(images, SIZE, tmp_path / "pixels")
    assert caught.value.errno in (errno.EEXIST, errno.ENOTDIR)
