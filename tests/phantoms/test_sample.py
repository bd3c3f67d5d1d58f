import hashlib
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from nblib.phantoms.concepts import read_categories, read_concepts
from nblib.phantoms.sample import DRAWINGS, draw_sample

IMAGES = 200


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return draw_sample(tmp_path_factory.mktemp("phantoms") / "sample", IMAGES)


def concept_lists(sample):
    """Rows of all concept lists: (split, category, file name, concepts)."""
    for path in sorted(sample.glob("concepts/*/*.csv")):
        for line in path.read_text(encoding="utf-8").splitlines():
            file_name, *concepts = line.split(",")
            yield path.parent.name, path.name[:4], file_name, concepts


def withheld_truth(sample):
    lines = (sample / "withheld" / "test_concepts.csv").read_text(encoding="utf-8").splitlines()
    return [(image_id, cuis.split(";")) for image_id, cuis in (line.split("\t") for line in lines)]


def all_concepts(sample):
    return [concepts for *_, concepts in concept_lists(sample)] + [cuis for _, cuis in withheld_truth(sample)]


def tree_hash(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    parts = [path.relative_to(folder).as_posix().encode() + path.read_bytes() for path in files]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path):
    first, second, other = (draw_sample(tmp_path / str(n), 60, seed) for n, seed in enumerate((7, 7, 8)))
    assert tree_hash(first) == tree_hash(second)
    assert tree_hash(first) != tree_hash(other)


def test_splits_are_70_20_10_percent(sample):
    counts = Counter(path.relative_to(sample).parts[0] for path in sample.rglob("*.jpg"))
    assert counts == {"train": 140, "val": 40, "test": 20}


def assert_every_category_is_in_train_and_val(folder):
    for split in ("train", "val"):
        assert {path.parent.name for path in folder.glob(f"{split}/*/*.jpg")} == set(read_categories())
        expected = {f"{category}_CLEF_{split.title()}.csv" for category in read_categories()}
        assert {path.name for path in folder.glob(f"concepts/{split}/*")} == expected


def test_every_category_is_in_train_and_val(sample):
    assert_every_category_is_in_train_and_val(sample)


def test_every_category_is_in_train_and_val_of_the_smallest_sample(tmp_path):
    assert_every_category_is_in_train_and_val(draw_sample(tmp_path / "sample", 50))


def test_ct_and_xray_are_the_largest_categories_as_in_table_1(sample):
    counts = Counter(category for _, category, *_ in concept_lists(sample))
    assert [category for category, _ in counts.most_common(3)] == ["DRCT", "DRXR", "DRMR"]


def test_the_test_split_is_one_folder(sample):
    assert all(path.suffix == ".jpg" for path in (sample / "test").iterdir())


def test_every_image_is_listed_once_and_every_listed_image_is_there(sample):
    listed = [f"{split}/{category}/{file_name}" for split, category, file_name, _ in concept_lists(sample)]
    on_disk = [path.relative_to(sample).as_posix() for path in sample.glob("*/*/*.jpg")]
    assert sorted(listed) == sorted(on_disk)


def test_the_withheld_truth_covers_the_test_images_exactly(sample):
    image_ids = [image_id for image_id, _ in withheld_truth(sample)]
    assert sorted(image_ids) == sorted(path.stem for path in (sample / "test").iterdir())


def test_names_are_given_for_exactly_the_concepts_that_occur(sample):
    rows = [line.split("\t") for line in (sample / "string_concepts.csv").read_text().splitlines()]
    assert [cui for cui, _ in rows] == sorted({cui for cuis in all_concepts(sample) for cui in cuis})
    assert all(re.fullmatch(r"C\d{7}", cui) and name == read_concepts()[cui] for cui, name in rows)


def test_no_image_is_without_concepts_and_none_has_one_twice(sample):
    assert all(concepts and len(concepts) == len(set(concepts)) for concepts in all_concepts(sample))


def test_concepts_have_the_shape_of_the_task(sample):
    """60 to 120 concepts, 5 to 8 per image, some images with 12 or more, a few common and many rare ones."""
    counts = Counter(cui for cuis in all_concepts(sample) for cui in cuis)
    sizes = [len(cuis) for cuis in all_concepts(sample)]
    assert 60 <= len(counts) <= 120
    assert 5 <= np.mean(sizes) <= 8 and max(sizes) >= 12
    assert max(counts.values()) > 0.2 * IMAGES
    assert np.mean([count < 0.03 * IMAGES for count in counts.values()]) > 0.3


def test_near_synonyms_go_together_but_not_always(sample):
    """C0040398 and C0040405 both mean computer assisted tomography. Paper: section 3.2"""
    both = [{"C0040398", "C0040405"} & set(cuis) for cuis in all_concepts(sample)]
    sizes = Counter(len(found) for found in both)
    assert sizes[2] > 3 * sizes[1] > 0


def test_grey_and_colour_both_occur_and_sizes_vary(sample):
    modes, sizes = Counter(), set()
    for path in sample.rglob("*.jpg"):
        with Image.open(path) as image:
            modes[image.mode] += 1
            sizes.add(image.size)
    assert modes["L"] > modes["RGB"] > 0
    assert {max(size) for size in sizes} <= set(range(160, 257)) and len(sizes) > 100


def test_images_are_neither_empty_nor_burnt_out(sample):
    for path in sample.rglob("*.jpg"):
        with Image.open(path) as image:
            grey = np.asarray(image.convert("L"))
        assert grey.std() > 10, path


def test_the_note_says_that_the_sample_is_synthetic(sample):
    note = (sample / "README.txt").read_text()
    assert "SYNTHETIC" in note and "images=200, seed=2020" in note and "not for clinical use" in note


def test_a_folder_with_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="not an empty folder"):
        draw_sample(tmp_path / "sample", 60)
    assert [path.name for path in tmp_path.rglob("*")] == ["sample", "mine.txt"]
    assert (tmp_path / "sample" / "mine.txt").read_text() == "keep"


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "sample").mkdir()
    assert len(list(draw_sample(tmp_path / "sample", 60).rglob("*.jpg"))) == 60


def test_nothing_is_left_behind_when_drawing_fails(tmp_path, monkeypatch):
    monkeypatch.setitem(DRAWINGS, "chest_film", None)
    with pytest.raises(TypeError):
        draw_sample(tmp_path / "sample", 60)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("images", [0, 49])
def test_too_few_images_are_refused(tmp_path, images):
    with pytest.raises(ValueError, match=f"at least 50 .* received {images}"):
        draw_sample(tmp_path / "sample", images)
    assert list(tmp_path.iterdir()) == []
