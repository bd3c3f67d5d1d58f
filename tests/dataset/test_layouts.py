from nblib.dataset import (
    count_images,
    inspect_dataset,
    read_concept_lines,
    read_dataset,
)
from nblib.paper import CATEGORIES


def test_openrad_has_the_images_that_its_note_counts(real_data):
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
    openrad = real_data / "openrad"
    labelled = read_dataset(openrad).split("train", "val")
    for split in ("train", "val"):
        of_split = labelled[labelled["split"] == split]
        one_list = {
            image_id: concepts for _, image_id, concepts in read_concept_lines(openrad / f"{split}_concepts.csv")
        }
        assert one_list == dict(zip(of_split["image_id"], of_split["concepts"], strict=True))


def test_rocov2_has_69866_images_and_234247_concept_occurrences(real_data):
    dataset = inspect_dataset(real_data / "rocov2")
    numbers = dataset.images["concepts"].map(len)
    assert dataset.images["split"].value_counts().to_dict() == {"train": 59_962, "val": 9_904}
    assert (len(numbers), numbers.sum(), round(numbers.mean(), 2)) == (69_866, 234_247, 3.35)


def test_the_list_of_roco_v1_is_understood(real_data):
    lines = list(read_concept_lines(real_data / "roco/data/validation/radiology/cuis.txt"))
    assert len({image_id for _, image_id, _ in lines}) == len(lines) == 8_180
    assert lines[1] == (2, "ROCO_00027", ("C0043299", "C1306645", "C1548003", "C0030797", "C1962945"))
    assert all(concept[0] == "C" and len(concept) == 8 for *_, concepts in lines for concept in concepts)
