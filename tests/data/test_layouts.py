"""Every layout, from a drawn sample laid out anew and from real labels."""

import shutil
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pytest
from data.filing import labels_of, layout_of_2026, one_list_per_split, pixels_of, problems_of, rows_of, write
from pyarrow import parquet

from nblib.data.categories import CATEGORIES
from nblib.data.examples import labelled_splits
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


# ---- 2026

ID = "ImageCLEFmedical_Caption_2026_{}_{:06}"
C1, C2, CT = "C0000001", "C0000002", "C0040405"


@pytest.fixture
def dev_concept(tmp_path):
    """18 images in one folder, 10 of train and 8 of validation, with a list and its manually curated part."""
    folder, lines, manual = tmp_path / "dev_concept", ["ID,CUIs"], ["ID,CUIs"]
    for number in range(18):
        image_id = ID.format("train", number) if number < 10 else ID.format("valid", number - 10)
        write(folder / "images" / f"{image_id}.jpg", image_id)
        lines.append(f"{image_id},{CT};{C1 if number % 2 else C2}")
        manual.append(f"{image_id},{CT}")
    write(folder / "concepts.csv", "\n".join(lines))
    write(folder / "concepts_manual.csv", "\n".join(manual))
    write(folder / "cui_mapping.csv", f'CUI,Canonical name\n{CT},"Tomography, X-Ray Computed"\n')
    write(folder / "attribution.csv", "ID,Licence\n")
    return folder


@pytest.mark.parametrize("above", [False, True])  # the folder itself, or that above it, whose "dev" is no split
def test_in_2026_the_id_names_the_split(dev_concept, above):
    dataset = read_dataset(dev_concept.parent if above else dev_concept)
    assert (dataset.layout, dataset.category_from, dataset.problems) == ("imageclef-2026", "modality concept", ())
    assert count_images(dataset.images)["DRCT"].to_dict() == {"train": 10, "val": 8}
    assert rows_of(dataset, "image_id", "path", "split", "concepts")[10] == (
        ID.format("valid", 0), dev_concept / "images" / f"{ID.format('valid', 0)}.jpg", "val", (CT, C2)
    )  # fmt: skip
    assert dataset.manual_concepts == dict.fromkeys(dataset.images["image_id"], (CT,))
    assert dataset.name_of(CT) == "Tomography, X-Ray Computed"
    assert dataset.test_concepts == {}


def test_ids_of_2026_may_lack_leading_zeros(sample, sample_dataset, tmp_path):
    ids = layout_of_2026(sample, tmp_path / "data", digits=1)
    dataset = read_dataset(tmp_path / "data")
    assert dataset.layout == "imageclef-2026" and ID.replace(":06", "").format("train", 0) in ids
    known = labels_of(sample_dataset)
    assert sorted((ids[image], *rest) for image, *rest in labels_of(dataset)) == [row for row in known if row[2]]


def test_an_id_without_a_split_is_named_with_its_line(dev_concept):
    with (dev_concept / "concepts.csv").open("a") as file:
        file.write(f"\nROCO_000001,{C1}\n")
    what = "'ROCO_000001' names no split; expected an ID like ImageCLEFmedical_Caption_2026_train_000012."
    assert problems_of(dev_concept) == [("concepts.csv:20", what, True)]
    assert len(inspect_dataset(dev_concept).images) == 18


def test_test_images_of_2026_are_in_the_order_of_ids_csv(dev_concept):
    names = [f"ImageCLEFmedical_Caption_2026_test_{number}" for number in (2, 10, 1)]
    for name in names:
        write(dev_concept / "test_images" / f"{name}.jpg", name)
    assert list(read_dataset(dev_concept).split("test")["image_id"]) == [names[2], names[0], names[1]]  # natural order
    write(dev_concept / "ids.csv", "ID\n" + "\n".join(names))
    dataset = read_dataset(dev_concept)
    assert list(dataset.split("test")["image_id"]) == names and dataset.problems == ()
    write(dev_concept / "test_images" / "more.jpg", "")
    sentence = "the image is in no ids.csv; it is left out."
    assert problems_of(dev_concept) == [("test_images/more.jpg", sentence, False)]


def test_test_images_of_2026_may_be_a_list_of_ids_alone(dev_concept):
    names = [ID.format("test", number) for number in (3, 1)]
    write(dev_concept / "test" / "ids.csv", "ID\n" + "\n".join(names) + "\n")
    dataset = read_dataset(dev_concept)
    assert rows_of(dataset, "image_id", "path")[:2] == [(ID.format("test", 1), None), (ID.format("test", 3), None)]
    what = f"2 of 2 test images are listed, but there is no such image, for example {names[0]}; "
    assert problems_of(dev_concept) == [("test", f"{what}they can't be predicted yet.", False)]
    assert "test" not in labelled_splits(dataset)


# ---- the labels of the test split


def test_labels_of_2026_that_are_published_later_are_for_scores_only(dev_concept):
    before = read_dataset(dev_concept)
    name = ID.format("test", 1)
    write(dev_concept / "test" / f"{name}.jpg", name)
    write(dev_concept / "test" / "concepts.csv", f"ID,CUIs\n{name},C0000009;{CT};X\n")
    dataset = inspect_dataset(dev_concept)
    assert dataset.test_concepts == {name: ("C0000009", CT, "X")}
    what = "'X' is not a CUI; expected C and seven digits, like C0040405."
    assert problems_of(dev_concept) == [("test/concepts.csv:2", what, False)]
    assert rows_of(dataset, "image_id", "category", "concepts")[0] == (name, None, ())
    assert dataset.fingerprint == before.fingerprint
    splits = labelled_splits(dataset)
    assert splits["train"].vocabulary.concepts == (C1, C2, CT) and splits["test"].labels.nnz == 0


def labelled_as(layout, folder, images):
    """Lists of a layout that label the images A, B (train), C (val) and T (test)."""
    write(folder / "images" / "A.jpg", "")
    if layout == "imageclef-2020":
        for split, names in images.items():
            for name in names:
                write(folder / f"{split}_images" / f"{name}.jpg", "")
            write(folder / f"DRCT_CLEF_{split.title()}.csv", "".join(f"{name}.jpg,{C1}\n" for name in names))
    elif layout == "parquet":
        for split, names in images.items():
            table = pa.table({"image_id": names, "cui": [[C1]] * len(names), "image": [b"x"] * len(names)})
            parquet.write_table(table, folder / f"{split}-00000.parquet")
    else:
        name = {"roco": "{}/radiology/cuis.txt"}.get(layout, "{}_concepts.csv")
        for split, names in images.items():
            text = "" if layout == "roco" else "ID,CUIs\n"
            write(folder / name.format(split), text + "".join(f"{name},{C1}\n" for name in names))


@pytest.mark.parametrize("layout", ["imageclef-2020", "imageclef", "rocov2", "roco", "parquet"])
def test_a_labelled_test_split_is_read_and_not_in_the_table(tmp_path, layout):
    prefix = "ROCOv2_" if layout == "rocov2" else ""
    labelled_as(
        layout, tmp_path, {"train": [f"{prefix}A", f"{prefix}B"], "val": [f"{prefix}C"], "test": [f"{prefix}T"]}
    )
    dataset = inspect_dataset(tmp_path)
    assert dataset.layout == layout
    assert dataset.test_concepts == {f"{prefix}T": (C1,)}
    assert [(row[0], row[2]) for row in labels_of(dataset, prefix)] == [
        ("A", (C1,)),
        ("B", (C1,)),
        ("C", (C1,)),
        ("T", ()),
    ]


def test_a_test_split_whose_lists_are_empty_is_not_labelled(shards):
    assert read_dataset(shards).test_concepts == {}


def test_the_sample_has_a_labelled_test_split(sample, sample_dataset):
    lines = (line.split("\t") for line in (sample / "withheld" / "test_concepts.csv").read_text().splitlines())
    assert sample_dataset.test_concepts == {image_id: tuple(cuis.split(";")) for image_id, cuis in lines}


# ---- what is missing


@pytest.mark.parametrize(
    ("name", "content", "layout", "what"),
    [
        ("concepts.csv", f"ID,CUIs\nA,{C1}\n", "imageclef-2026", "the first IDs of {path} name no split"),
        ("all_concepts.csv", f"ID,CUIs\nA,{C1}\n", "imageclef", "{path} names neither train nor validation"),
        ("test_concepts.csv", f"ID,CUIs\nA,{C1}\n", "rocov2", "{path} names neither train nor validation"),
        ("DRCT_CLEF.csv", f"A.jpg,{C1}\n", "imageclef-2020", "{path} names neither train nor validation"),
        ("cuis.txt", f"A\t\t{C1}\n", "roco", "{path} names neither train nor validation"),
    ],
)
def test_a_layout_says_what_it_misses_in_a_folder(tmp_path, name, content, layout, what):
    path = write(tmp_path / name, content)
    write(tmp_path / "train" / "A.jpg", "")
    (sentence,) = (what for _, what, _ in problems_of(tmp_path) if what.startswith("no concept lists. These layouts"))
    assert f"; {layout}: {what.format(path=path)}" in sentence


# ---- real data


@pytest.mark.parametrize("name", ["openrad", "rocov2"])
def test_real_labels_are_the_same_in_the_layout_of_2026(real_data, tmp_path, name):
    ids = layout_of_2026(real_data / name, tmp_path / "data")
    there, here = read_dataset(real_data / name), read_dataset(tmp_path / "data")
    assert here.layout == "imageclef-2026"
    known = {row.image_id: (row.split, row.concepts) for row in there.split("train", "val").itertuples()}
    assert {ids[row.image_id]: (row.split, row.concepts) for row in here.images.itertuples()} == known
    if there.manual_concepts:
        assert {ids[image_id]: concepts for image_id, concepts in here.manual_concepts.items()} == there.manual_concepts


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
