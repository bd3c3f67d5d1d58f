"""The page of concepts: its numbers, its size, and that names are data and not markup. `test_browser.py` opens it."""

import json
import re

import pandas as pd
import pytest
from label_sets import long_tailed_images

from nblib.data import Dataset
from nblib.reports import write_concepts_page
from nblib.reports.concepts_page import concepts_content

A, B, C = "C0000001", "C0000002", "C0000003"


@pytest.fixture
def dataset(tmp_path):
    """Four labelled images and a test image; A and B are together on two of them, A and C on one."""
    rows = [("1", "train", "DRCT", (A, B)), ("2", "train", "DRCT", (A, B, C)), ("3", "train", None, (A,)),
            ("4", "val", "DRXR", (C,)), ("5", "test", "DRXR", ())]  # fmt: skip
    images = pd.DataFrame(rows, columns=["image_id", "split", "category", "concepts"]).assign(path=None)
    return Dataset(tmp_path, "imageclef", images, names={A: "</script><b>Chest"})


def test_counts_by_split_and_category_and_partners_are_those_worked_out_by_hand(dataset):
    content = concepts_content(dataset)
    assert content["groups"] == [("train", "DRCT"), ("train", "unknown"), ("val", "DRXR")]
    assert content["images"] == [2, 1, 1]
    assert content["concepts"] == [
        [A, "</script><b>Chest", [0, 2, 1, 1], [1, 2, 2, 1]],
        [B, "", [0, 2], [0, 2, 2, 1]],
        [C, "", [0, 1, 2, 1], [0, 1, 1, 1]],
    ]


def test_names_are_data_and_the_page_loads_nothing(dataset, tmp_path):
    write_concepts_page(tmp_path / "concepts.html", dataset)
    page = (tmp_path / "concepts.html").read_text()
    assert "</script><b>Chest" not in page and page.count("</script>") == 2
    stored = re.search(r'id="content">(.*?)</script>', page).group(1)
    assert json.loads(stored)["concepts"][0][1] == "</script><b>Chest"
    assert "default-src 'none'" in page and not re.search(r'(src|href)="http', page)


def test_without_labels_the_page_is_empty(dataset, tmp_path):
    unlabelled = Dataset(tmp_path, "imageclef", dataset.images[dataset.images["split"] == "test"])
    assert concepts_content(unlabelled) == {"groups": [], "images": [], "concepts": []}


def test_3047_concepts_with_long_names_make_a_page_below_3_mb(tmp_path):
    images = long_tailed_images()
    concepts = {concept for concepts in images["concepts"] for concept in concepts}
    assert len(concepts) == 3047
    names = {concept: f"{concept}: a name of some forty characters" for concept in concepts}
    write_concepts_page(
        tmp_path / "concepts.html", Dataset(tmp_path, "imageclef", images.assign(path=None), names=names)
    )
    assert (tmp_path / "concepts.html").stat().st_size < 3_000_000
