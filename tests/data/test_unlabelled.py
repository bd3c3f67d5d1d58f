"""Images without labels, wherever they are."""

from io import BytesIO
from zipfile import ZipFile

import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from nblib.data import Problem, unlabelled_images


def png(grey: int) -> bytes:
    stream = BytesIO()
    Image.new("L", (8, 8), grey).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Two files, one of them deeper, an archive of one image, a shard of one, and a text file, which is no image."""
    (tmp_path / "deeper").mkdir()
    (tmp_path / "b.png").write_bytes(png(1))
    (tmp_path / "deeper" / "a.PNG").write_bytes(png(2))
    (tmp_path / "notes.txt").write_text("not an image")
    with ZipFile(tmp_path / "pack.zip", "w") as archive:
        archive.writestr("inside/c.png", png(3))
    parquet.write_table(
        pa.table({"image": [{"bytes": png(4), "path": "d.png"}], "image_id": ["d"]}), tmp_path / "x.parquet"
    )
    return tmp_path


def found(place):
    """image_id -> grey value of the image, read from where it is; problems as text."""
    images = {}
    for item in unlabelled_images(place):
        if isinstance(item, Problem):
            images[str(item)] = None
            continue
        with item[1].open("rb") as stream:
            images[item[0]] = Image.open(stream).getpixel((0, 0))
    return images


def test_a_folder_is_searched_with_its_archives_and_shards(folder):
    assert found(folder) == {"b": 1, "a": 2, "c": 3, "d": 4}


@pytest.mark.parametrize("name, grey", [("b.png", {"b": 1}), ("pack.zip", {"c": 3}), ("x.parquet", {"d": 4})])
def test_a_single_file(folder, name, grey):
    assert found(folder / name) == grey


def test_an_image_is_taken_whatever_its_suffix(folder):
    (folder / "b.png").rename(folder / "scan.img")
    assert found(folder / "scan.img") == {"scan": 1}


def test_a_folder_gives_images_of_every_format_that_can_be_read(tmp_path):
    for suffix in ("jpg", "png", "gif", "bmp", "tif", "tiff", "webp"):
        Image.new("L", (8, 8), 7).save(tmp_path / f"of_{suffix}.{suffix}")
    assert len(found(tmp_path)) == 7


def test_a_list_names_paths_relative_to_itself_and_a_missing_one_by_its_line(folder):
    (folder / "list.txt").write_text("b.png\n\ndeeper/a.PNG\nlost.png\n")
    assert found(folder / "list.txt") == {
        "b": 1,
        "a": 2,
        f"{folder / 'list.txt'}:4: no file 'lost.png'; expected a path relative to {folder}.": None,
    }


def test_shards_without_image_ids_are_numbered(folder):
    parquet.write_table(pa.table({"image": [png(5), png(6)]}), folder / "y.parquet")
    assert found(folder / "y.parquet") == {"y_0_0": 5, "y_0_1": 6}


def test_damaged_archives_and_shards_are_problems(folder):
    (folder / "pack.zip").write_bytes(b"PK no archive")
    (folder / "x.parquet").write_bytes(b"no parquet")
    parquet.write_table(pa.table({"image_id": ["e"]}), folder / "z.parquet")
    problems = [name for name, grey in found(folder).items() if grey is None]
    assert [name.split("/")[-1].split(":")[0] for name in problems] == ["pack.zip", "x.parquet", "z.parquet"]
    assert "it has no column image" in problems[-1]


def test_nothing_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no images at .*nowhere; expected an image, a folder"):
        unlabelled_images(tmp_path / "nowhere")
