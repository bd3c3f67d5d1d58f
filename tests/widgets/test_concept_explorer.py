"""The explorer, driven as a user does: set a control's value, read what is shown."""

import contextlib
import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from data.test_counting import SIX, A, B, C, D
from label_sets import long_tailed_images

from nblib.data import ConceptVocabulary, Dataset, decode_image, read_dataset
from nblib.figures import draw_sample_images
from nblib.widgets.concept_explorer import ConceptExplorer, explore_concepts

NAMES = {A: "Thorax", B: "<b>Lung</b>"}


@pytest.fixture
def explorer():
    return ConceptExplorer(Dataset(Path("six"), "by hand", SIX.assign(path=None), names=NAMES))


def shown(explorer):
    return explorer.shown["images"].to_dict()


def tables_of(html):
    """The tables in the HTML, each as head of a row -> its cells."""
    tables = BeautifulSoup(html, "html.parser").find_all("table")
    return [
        {row.th.text: [cell.text for cell in row.find_all("td")] for row in table.tbody.find_all("tr")}
        for table in tables
    ]


def test_it_opens_with_the_most_frequent_of_everything(explorer):
    assert shown(explorer) == {A: 3, B: 3, C: 2, D: 1}
    assert [concept for _, concept in explorer.picked.options] == [A, B, C, D]
    assert explorer.picked.value == A
    assert "six: all, all; 4 of 4" in explorer.figure.value


def test_figure_and_table_show_the_same_counts(explorer):
    assert re.findall(r">(\d+)</text>", explorer.figure.value) == ["3", "3", "2", "1"]
    assert [row[1] for row in tables_of(explorer.table.value)[0].values()] == ["3", "3", "2", "1"]
    assert f"Thorax  {A}" in explorer.figure.value


def test_a_split_and_a_category_narrow_the_images(explorer):
    explorer.split.value = "train"
    assert shown(explorer) == {A: 2, B: 2, C: 1}
    explorer.category.value = "DRXR"
    assert shown(explorer) == {B: 1, C: 1}
    assert explorer.shown["share"].tolist() == [1, 1]
    explorer.split.value = explorer.category.value = "all"
    assert shown(explorer) == {A: 3, B: 3, C: 2, D: 1}


def test_images_without_a_category_can_be_chosen_as_unknown(explorer):
    explorer.category.value = "unknown"
    assert shown(explorer) == {}
    assert explorer.picked.value is None
    assert "widen the filters" in explorer.about.value


def test_a_minimum_and_a_search_narrow_the_concepts(explorer):
    explorer.minimum.value = 2
    assert shown(explorer) == {A: 3, B: 3, C: 2}
    explorer.search.value = "thorAX"
    assert shown(explorer) == {A: 3}
    explorer.search.value = "0000003"
    assert shown(explorer) == {C: 2}


def test_top_cuts_the_list(sample_dataset):
    explorer = ConceptExplorer(sample_dataset)
    explorer.top.value = 5
    assert len(explorer.shown) == len(explorer.picked.options) == 5
    assert explorer.figure.value.count("<rect") == 5


def test_the_picked_concept_stays_while_it_is_shown(explorer):
    explorer.picked.value = B
    explorer.split.value = "train"
    assert explorer.picked.value == B
    explorer.search.value = "thorax"
    assert explorer.picked.value == A


def test_a_picked_concept_is_shown_with_its_places_and_co_occurring_concepts(explorer):
    explorer.picked.value = B
    places, co_occurring = tables_of(explorer.about.value)
    assert places["train"] == ["1 (50%)", "1 (100%)", "0 (0%)", "2 (50%)"]  # DRCT, DRXR, unknown, total
    assert places["total"][-1] == "3 (50%)"
    assert co_occurring == {
        A: ["Thorax", "2", "66.7%", "1.33"],
        C: [C, "1", "33.3%", "1.00"],
        D: [D, "1", "33.3%", "2.00"],
    }


def test_names_are_escaped(explorer):
    explorer.picked.value = B
    everything = "".join((explorer.figure.value, explorer.table.value, explorer.about.value, explorer.pictures.value))
    assert "<b>Lung" not in everything and "&lt;b&gt;Lung" in everything


def test_images_are_paged_and_stop_at_the_ends(sample_dataset):
    explorer = ConceptExplorer(sample_dataset)
    carriers = explorer.images_with_concept["image_id"].tolist()
    assert explorer.previous.disabled
    seen = []
    for _ in range(0, len(carriers), 4):
        seen += re.findall(r"<b>([^<]+)</b>", explorer.pictures.value)
        explorer.next.click()
    assert seen == carriers
    assert explorer.next.disabled
    explorer.previous.click()
    assert not explorer.next.disabled


def test_pictures_stand_above_their_concepts_with_names(sample_dataset):
    explorer = ConceptExplorer(sample_dataset)
    first = explorer.images_with_concept.iloc[0]
    explorer.loading.result()
    assert explorer.pictures.value.count("data:image/jpeg;base64,") == 4
    for concept in first["concepts"]:
        assert concept in explorer.pictures.value
    assert sample_dataset.name_of(first["concepts"][0])[:20] in explorer.pictures.value


def test_turning_pages_faster_than_pictures_are_read_ends_with_those_of_the_last_page(sample_dataset):
    explorer = ConceptExplorer(sample_dataset)
    while not explorer.next.disabled:
        explorer.next.click()
    explorer.loading.result()
    last = explorer.images_with_concept.tail((len(explorer.images_with_concept) - 1) % 4 + 1)
    assert re.findall(r"<b>([^<]+)</b>", explorer.pictures.value) == last["image_id"].tolist()
    assert explorer.pictures.value.count("data:image/jpeg;base64,") == len(last)


def test_controls_do_not_wait_for_a_slow_disk(sample_dataset, tmp_path):
    slow = tmp_path / "slow.jpg"
    os.mkfifo(slow)  # nothing can be read from it before somebody writes
    images = sample_dataset.images.assign(path=slow)
    explorer = ConceptExplorer(Dataset(tmp_path, "slow", images))
    assert not explorer.loading.done() and explorer.pictures.value.count(">...<") == 4
    while not explorer.loading.done():
        with (
            contextlib.suppress(OSError),  # nobody reads at this moment
            os.fdopen(os.open(slow, os.O_WRONLY | os.O_NONBLOCK), "wb", buffering=0) as writer,
        ):
            writer.write(b"no image")
    assert explorer.pictures.value.count("can't be read") == 4


def test_without_pixels_the_concepts_are_still_shown(explorer):
    assert "no picture" in explorer.pictures.value
    assert f"Thorax  {A}" in explorer.pictures.value
    assert explorer.pages.value == "images 1 to 3 of 3"


def test_what_is_shown_is_saved_as_csv(explorer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    explorer.split.value = "val"
    explorer.export.click()
    (written,) = tmp_path.iterdir()
    assert written.name == "concepts_six_val_all_top_20_at_least_1.csv"
    assert str(written) in explorer.message.value
    assert pd.read_csv(written, index_col="concept")["images"].to_dict() == {A: 1, B: 1, C: 1, D: 1}
    assert pd.read_csv(written, index_col="concept").loc[A, "name"] == "Thorax"


def test_the_notebook_gets_a_box_of_all_of_it(sample_dataset):
    box = explore_concepts(sample_dataset)
    assert len(box.children) == 6


class CountedNames(dict):
    """Names of concepts that count how often they are looked up."""

    looked_up = 0

    def get(self, *args):
        self.looked_up += 1
        return super().get(*args)


def test_an_answer_costs_a_few_names_and_pictures_and_no_walk_over_the_images(monkeypatch, sample):
    images = long_tailed_images(images=8_000, concepts=3_047, occurrences=90_000)
    images = images.assign(path=next(sample.rglob("*.jpg")))
    dataset = Dataset(Path("generated"), "by numbers", images, names=CountedNames())
    explorer = ConceptExplorer(dataset)
    explorer.loading.result()
    opened, decoded = dataset.names.looked_up, []
    monkeypatch.setattr(
        "nblib.widgets.inline.decode_image", lambda path, side: decoded.append(path) or decode_image(path, side)
    )
    for encoded in ("encode", "of"):
        monkeypatch.setattr(ConceptVocabulary, encoded, None)
    moves = [("split", "train"), ("split", "all"), ("category", "DRCT"), ("category", "all"), ("top", 60),
             ("minimum", 20), ("search", "12"), ("search", ""), ("picked", explorer.picked.options[1][1])]  # fmt: skip
    for control, value in moves:
        getattr(explorer, control).value = value
        explorer.loading.result()
    longest = images["concepts"].map(len).max()
    assert opened >= 3_047 and len(decoded) <= 4 * len(moves)
    assert dataset.names.looked_up - opened <= len(moves) * (2 * 60 + 9 + 2 * 4 * longest)


def test_an_unreadable_picture_is_replaced_by_words(sample, tmp_path):
    data = shutil.copytree(sample, tmp_path / "data")
    for path in (data / "train").rglob("*.jpg"):
        path.write_bytes(path.read_bytes()[:1500])
    dataset = read_dataset(data)
    explorer = ConceptExplorer(dataset)
    explorer.split.value = "train"
    explorer.loading.result()
    assert "can't be read" in explorer.pictures.value
    figure = draw_sample_images(dataset, dataset.split("train").head(2))
    assert [ax.texts[-1].get_text() for ax in figure.axes] == ["can't be read"] * 2
