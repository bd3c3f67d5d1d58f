"""Every layout, from a drawn sample laid out anew and from real labels."""

import shutil
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pytest
from data.filing import labels_of, one_list_per_split, pixels_of, problems_of, rows_of, write
from pyarrow import parquet

from nblib.data.categories import CATEGORIES
from nblib.data.images import ZipMember, decode_image, image_sizes
from nblib.data.reading import inspect_dataset, read_dataset
from nblib.data.table import count_images
from nblib.data.text import read_concept_lines

SPLIT_NAMES = {"train": "train", "val": "valid", "test": "test"}


def rocov2_lists(sample_dataset, folder):
    """`train_concepts.csv` and `valid_concepts.csv` with the ids of ROCOv2; those of our ids in `folder`."""
    for split in ("train", "val"):
        name = SPLIT_NAMES[split]
        rows = sample_dataset.split(split).itertuples()
        lines = [f"ROCOv2_{row.image_id},{';'.join(row.concepts)}\n" for row in rows]
        write(folder / f"{name}_concepts.csv", "ID,CUIs\n" + "".join(lines))
        write(folder / f"{name}_captions.csv", "ID,Caption\nROCOv2_1,A chest; with C0000001\n")
    return folder


@pytest.fixture
def zipped(sample_dataset, tmp_path):
    """The sample as ROCOv2 is on Zenodo: lists, and the images of each split in a zip."""
    folder = rocov2_lists(sample_dataset, tmp_path / "zipped")
    for split, name in SPLIT_NAMES.items():
        with ZipFile(folder / f"{name}_images.zip", "w") as archive:
            for row in sample_dataset.split(split).itertuples():
                archive.write(row.path, f"{name}/ROCOv2_{row.image_id}.jpg")
    return folder


# ---- zips


def test_images_in_zips_are_read_without_unpacking(zipped, sample_dataset, tmp_path):
    dataset = read_dataset(zipped)
    assert (dataset.layout, dataset.category_from) == ("rocov2", "modality concept")
    assert labels_of(dataset, "ROCOv2_") == labels_of(sample_dataset)
    assert {type(path) for path in dataset.images["path"]} == {ZipMember}
    assert np.array_equal(pixels_of(dataset, tmp_path / "a"), pixels_of(sample_dataset, tmp_path / "b"))
    assert sorted(path.suffix for path in zipped.iterdir()) == [".csv"] * 4 + [".zip"] * 3  # nothing was unpacked


def test_a_zip_that_is_also_unpacked_is_reported_and_not_read_twice(zipped):
    with ZipFile(zipped / "train_images.zip") as archive:
        archive.extractall(zipped)
    (problem,) = [found for found in problems_of(zipped) if found[0] == "train_images.zip"]
    assert problem == ("train_images.zip", "its images are also unpacked beside it; the unpacked ones are read.", False)
    assert all(path.is_file() for path in read_dataset(zipped).split("train")["path"])


def test_a_damaged_zip_is_reported(zipped):
    write(zipped / "valid_images.zip", b"PK no more")
    where, what, serious = problems_of(zipped)[0]
    assert (where, serious) == ("valid_images.zip", True)
    assert what.startswith("can't be read as a zip archive (") and what.endswith("; download it again.")


@pytest.mark.parametrize("name", ["../train/X.jpg", "/train/X.jpg", "train\\..\\X.jpg"])
def test_a_name_that_leads_out_of_its_zip_is_reported_and_not_read(zipped, name):
    with ZipFile(zipped / "more.zip", "w") as archive:
        archive.writestr(name, b"picture")
    what = f"{name!r} leads out of the archive; it is not read. Pack the archive without such names."
    assert ("more.zip", what, True) in problems_of(zipped)
    assert not inspect_dataset(zipped).images["image_id"].str.contains("X").any()


def test_an_image_that_is_damaged_within_its_zip_is_named(zipped):
    member = read_dataset(zipped).split("val")["path"][0]
    content = (zipped / "valid_images.zip").read_bytes()
    start = content.index(b"\xff\xd8") + 400
    write(zipped / "valid_images.zip", content[:start] + b"\0" * 300 + content[start + 300 :])
    with pytest.raises(ValueError, match=r"valid_images\.zip:valid/ROCOv2_\w+\.jpg can't be read as an image"):
        decode_image(member, 32)


# ---- names of files and folders


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("ImageCLEFmedCaption_2022_concept_train.csv", "ImageCLEFmedCaption_2022_concept_valid.csv"),
        ("Training_Set_Concepts.csv", "Validation_Set_Concepts.csv"),
        (
            "ImageCLEFmedical_Caption_2023_concept_detection_train_labels.csv",
            "ImageCLEFmedical_Caption_2023_concept_detection_valid_labels.csv",
        ),
        ("train_concepts.csv", "valid_concepts.csv"),
    ],
)
@pytest.mark.parametrize("line", ["{}\t{}\n", "ID\tcuis\n{}\t{}\n", "ID,CUIs\n{},{}\n", "ID|CUIs\n{}|{}\n"])
def test_lists_of_every_year_are_recognised(tmp_path, train, val, line):
    write(tmp_path / train, line.format("A", "C0000001;C0000002"))
    write(tmp_path / val, line.format("B", "C0000001"))
    write(tmp_path / "train_images" / "A.jpg", "")
    write(tmp_path / "valid_images" / "B.jpg", "")
    dataset = read_dataset(tmp_path)
    assert (dataset.layout, dataset.category_from, dataset.problems) == ("imageclef", None, ())
    assert rows_of(dataset, "image_id", "path", "split", "concepts") == [
        ("A", tmp_path / "train_images/A.jpg", "train", ("C0000001", "C0000002")),
        ("B", tmp_path / "valid_images/B.jpg", "val", ("C0000001",)),
    ]


def test_roco_v1_reads_its_radiology_part_only(tmp_path):
    for split in ("train", "validation", "test"):
        part = tmp_path / "data" / split
        write(part / "radiology" / "cuis.txt", f"ROCO_{split}\t\tC0000001\tC0040405\n")
        write(part / "radiology" / "images" / f"ROCO_{split}.jpg", "")
        write(part / "non-radiology" / "images" / f"ROCO_other_{split}.jpg", "")
        write(part / "non-radiology" / "cuis.txt", f"ROCO_other_{split}\t\tC0000001\n")
    dataset = read_dataset(tmp_path)
    assert (dataset.layout, dataset.category_from, dataset.problems) == ("roco", "modality concept", ())
    assert rows_of(dataset, "image_id", "split", "category", "concepts") == [
        ("ROCO_test", "test", None, ()),
        ("ROCO_train", "train", "DRCT", ("C0000001", "C0040405")),
        ("ROCO_validation", "val", "DRCT", ("C0000001", "C0040405")),
    ]


def test_manually_curated_concepts_are_read_beside_the_table(folder, tmp_path):
    other = one_list_per_split(folder, tmp_path / "other")
    write(other / "train_concepts_manual.csv", "ID,CUIs\nA,C0000009;C0000008\nB,\n")
    assert read_dataset(other).manual_concepts == {"A": ("C0000009", "C0000008"), "B": ()}
    assert read_dataset(folder).manual_concepts == {}


# ---- real data


def test_openrad_has_the_expected_counts(real_data):
    dataset = read_dataset(real_data / "openrad")
    assert [problem.where for problem in dataset.problems] == ["validation"]  # 33 concepts that train lacks
    table = count_images(dataset.images)
    assert table["total"].to_dict() == {"train": 3398, "val": 675, "test": 669}
    in_folders = {
        (split, category): len(list((real_data / "openrad" / split / category).iterdir()))
        for split in ("train", "val") for category in CATEGORIES
    }  # fmt: skip
    assert {key: table.loc[key] for key in in_folders} == in_folders
    labelled = dataset.split("train", "val")["concepts"]
    assert len({concept for concepts in labelled for concept in concepts}) == 690
    assert round(labelled.map(len).mean(), 1) == 4.5


def test_both_layouts_of_openrad_agree(real_data):
    by_category = read_dataset(real_data / "openrad")
    by_split = read_dataset(real_data / "openrad", layout="imageclef")
    columns = ("image_id", "path", "split", "category", "concepts")
    assert rows_of(by_category, *columns) == rows_of(by_split, *columns)


def test_rocov2_has_69866_images_and_234247_concept_occurrences(real_data):
    dataset = read_dataset(real_data / "rocov2")
    numbers = dataset.images["concepts"].map(len)
    assert (dataset.layout, dataset.category_from) == ("rocov2", "modality concept")
    assert dataset.images["split"].value_counts().to_dict() == {"train": 59_962, "val": 9_904}
    assert (len(numbers), numbers.sum(), round(numbers.mean(), 2)) == (69_866, 234_247, 3.35)
    assert len(dataset.manual_concepts) == 69_866
    assert dataset.manual_concepts["ROCOv2_2023_valid_000001"] == ("C1306645", "C0817096", "C1996865")
    assert dataset.name_of("C0040405") == "X-ray computed tomography"


def test_roco_v1_has_the_counts_that_plain_python_finds(real_data):
    path = real_data / "roco/data/validation/radiology/cuis.txt"
    truth = {
        image: set(filter(None, cuis)) for image, *cuis in (line.split("\t") for line in path.read_text().splitlines())
    }
    for folder in ("roco", "roco/data"):
        dataset = read_dataset(real_data / folder)
        assert dataset.layout == "roco"
        assert dict(zip(dataset.images["image_id"], map(set, dataset.images["concepts"]), strict=True)) == truth
    assert len(truth) == len(dataset.images) == 8_180
    assert {image_id for _, image_id, concepts in read_concept_lines(path) if not concepts} == {
        image for image, cuis in truth.items() if not cuis
    }


def test_real_images_in_a_zip_have_the_same_pixels(real_data, tmp_path):
    source = real_data / "openrad"
    paths = sorted((source / "val" / "DRUS").iterdir())[:10]
    with ZipFile(tmp_path / "val.zip", "w") as archive:
        for path in paths:
            archive.write(path, f"DRUS/{path.name}")
    shutil.copytree(source / "concepts" / "val", tmp_path / "concepts" / "val")
    images = inspect_dataset(tmp_path).images.set_index("image_id")["path"]
    assert all(np.array_equal(decode_image(images[path.stem], 64), decode_image(path, 64)) for path in paths)


def test_sizes_are_read_wherever_the_images_are(sample_dataset, zipped, shards):
    expected = image_sizes(sample_dataset.images).sort_values("image_id")[["width", "height"]].to_numpy()
    for folder in (zipped, shards):
        images = read_dataset(folder).images.sort_values("image_id")
        assert np.array_equal(image_sizes(images)[["width", "height"]].to_numpy(), expected)


@pytest.mark.parametrize("stray", ["features.parquet", "cuis.txt"])
def test_a_stray_file_is_not_mistaken_for_a_layout(sample, tmp_path, stray):
    folder = shutil.copytree(sample, tmp_path / "data")
    if stray.endswith(".parquet"):
        parquet.write_table(pa.table({"feature": [1.0, 2.0]}), folder / stray)
    else:
        write(folder / stray, "notes\n")
    assert read_dataset(folder).layout == "imageclef-2020"
