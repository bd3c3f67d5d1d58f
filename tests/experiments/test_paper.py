import pandas as pd
import pytest

from nblib.data import CATEGORIES, Examples, figure_anchors
from nblib.experiments import paper

# Table 3 of the paper, written out again: backbone, px, flipped copies, fc layers, dropout, batch, loss, lr reduction,
# F1 on test1 and test2, online F1.
TABLE_3_OF_THE_PAPER = """
VGG16       | 227 | no  | 2 x 2048 | 0.5 | 32 | bce          | 0.2/3/loss | 0.333  | 0.335  |
VGG16       | 227 | no  | 2 x 4096 | 0.5 | 32 | bce          | 0.2/3/loss | 0.346  | 0.336  |
VGG16       | 227 | yes | 2 x 4096 | 0.5 | 32 | bce          | 0.2/5/f1   | 0.3475 | 0.3455 | 0.363
VGG16       | 450 | yes | 2 x 4096 | 0.5 | 24 | bce          | 0.2/5/f1   | crash  | 0.3417 |
ResNet50    | 224 | yes | 2 x 4096 | 0.5 | 32 | bce          | nothing    | 0.3484 | 0.3487 | 0.365
DenseNet169 | 224 | no  | 2 x 4096 | 0.5 | 32 | bce          | nothing    | 0.3495 | 0.3450 |
DenseNet169 | 224 | yes | 2 x 4096 | 0.5 | 32 | bce          | nothing    | 0.3500 | 0.3463 | 0.360
VGG16       | 227 | yes | 3 x 4096 | 0.5 | 32 | bce          | 0.2/5/f1   | 0.3465 | 0.3433 |
VGG16       | 227 | yes | 2 x 4096 | 0.5 | 32 | (1-F1) * bce | 0.2/5/f1   | 0.3604 | 0.3606 | 0.374
VGG16       | 227 | yes | 2 x 4096 | 0.5 | 32 | (1-F1) + bce | 0.2/5/f1   | 0.3636 | 0.3632 |
"""
IN_THE_PAPER = {"none": "no", "hflip": "yes", "f1_times_bce": "(1-F1) * bce", "f1_plus_bce": "(1-F1) + bce"}


def test_table_3_is_that_of_the_paper_cell_by_cell():
    lines = [[cell.strip() for cell in line.split("|")] for line in TABLE_3_OF_THE_PAPER.strip().splitlines()]
    expected = [[cell.rstrip("0") if cell.startswith("0.") else cell for cell in line] for line in lines]
    printed = paper.printed_table_3().drop(columns=["ep, val1", "ep, val2"]).astype(object).fillna("")
    cells = [[IN_THE_PAPER.get(cell, str(cell)).replace("x", " x ") for cell in row] for row in printed.to_numpy()]
    assert len(expected) == 10 and cells == expected


def test_the_names_of_table_3_are_numbered_in_its_order():
    assert [int(name[:2]) for name in paper.table_3().index] == list(range(1, 11))


def test_the_best_epochs_of_table_3_are_those_the_text_still_has():
    epochs = paper.printed_table_3()[["ep, val1", "ep, val2"]].astype(object)
    legible = epochs.where(epochs.notna(), None).to_numpy().tolist()
    assert legible == [[None, 22], [25, 26], [9, 9], [None, 6], [None, 3], [8, 10], [None, 4], [13, 14], [None, 7],
                       [None, 12]]  # fmt: skip


@pytest.mark.parametrize(("split", "images"), [("train", 64_753), ("val", 15_970)])
def test_the_rows_of_table_1_add_up(split, images):
    row = paper.table_1().loc[split]
    assert row.drop("total").sum() == row["total"] == images


def test_table_1_is_that_of_the_paper_cell_by_cell():
    columns = ["DRAN", "DRCO", "DRCT", "DRMR", "DRPE", "DRUS", "DRXR", "total"]
    assert paper.table_1().loc["train", columns].tolist() == [4713, 487, 20031, 11447, 502, 8629, 18944, 64753]
    assert paper.table_1().loc["val", columns].tolist() == [1132, 73, 4992, 2848, 74, 2134, 4717, 15970]


def test_table_1_counts_all_images_of_section_3():
    labelled = paper.table_1().loc[["train", "val"], "total"]
    assert labelled.sum() == paper.LABEL_STATISTICS["images"] == 80_723


def test_table_1_has_of_the_test_split_only_the_number_of_section_2():
    test = paper.table_1().loc["test"]
    assert test["total"] == 3534 and test.drop("total").isna().all()


def test_table_1_has_the_categories_of_table_5_cell_by_cell():
    assert [*CATEGORIES, "total"] == list(paper.table_1().columns)
    assert CATEGORIES == {
        "DRAN": "Angiography",
        "DRCO": "Combined modalities in one image",
        "DRCT": "Computerized tomography",
        "DRMR": "Magnetic resonance",
        "DRPE": "Positron emission tomography",
        "DRUS": "Ultrasound",
        "DRXR": "X-ray, 2D tomography",
    }


def test_cardinality_and_density_follow_from_the_counts():
    counts = paper.LABEL_STATISTICS
    assert counts["concept occurrences"] == 907_718
    assert counts["unique concepts"] == 3_047
    assert round(907_718 / 80_723, 2) == counts["label cardinality"] == 11.24
    assert round(11.24 / 3_047, 4) == counts["label density"] == 0.0037


def test_the_anchors_of_figures_2_to_5_are_those_of_section_3_2():
    """Train, then validation: images with the most frequent concept, with exactly 2 concepts, with exactly 50."""
    image = pd.DataFrame({"image_id": ["a"], "split": ["val"], "category": [None], "concepts": [("C0040405",)]})
    assert list(paper.FIGURE_ANCHORS.values()) == [(20_000, 4_600), (5_200, 1_300), (100, 30)]
    assert list(paper.FIGURE_ANCHORS) == list(figure_anchors(Examples.of(image)).index)


def test_row_4_crashed_on_the_first_half():
    assert paper.table_3().loc["04_vgg16_450px", ["test_f1_val1", "test_f1_val2"]].tolist() == ["crash", 0.3417]


def test_the_online_scores_of_table_3_are_those_of_table_4_without_nomissing():
    table = paper.table_4().set_index("submission").drop("vgg16-f1-bce-nomissing")
    online = paper.table_3()["online_f1"].dropna()
    assert table.set_index("experiment_name")["f1"].round(3).to_dict() == online.to_dict()


def test_table_4_is_that_of_the_paper_cell_by_cell():
    assert paper.table_4().to_numpy().tolist() == [
        ["vgg16-f1-bce-nomissing", "09_vgg16_f1_times_bce", 0.374525478882926, 12],
        ["vgg16-f1-bce", "09_vgg16_f1_times_bce", 0.374402134956526, 13],
        ["resnet50", "05_resnet50", 0.365168555515581, 17],
        ["vgg16", "03_vgg16_flipped", 0.363067945861981, 18],
        ["densenet169", "07_densenet169_flipped", 0.360156086299303, 19],
    ]


def test_table_4_is_ranked_by_score_below_the_winner():
    table = paper.table_4()
    assert list(table["f1"].round(6)) == [0.374525, 0.374402, 0.365169, 0.363068, 0.360156]
    assert table["rank"].is_monotonic_increasing and table["rank"].iloc[0] == 12
    assert table["f1"].max() < paper.WINNING_F1 == 0.394
