"""Figures of images show what was counted, and the pictures in their own proportions."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from nblib import figures
from nblib.data import ConceptVocabulary, count_images, decode_image, image_sizes
from nblib.figures.style import shortened


@pytest.fixture(scope="module")
def labelled(sample_dataset):
    return sample_dataset.split("train", "val")


def test_bars_by_category_are_the_counts_of_table_1(sample_dataset):
    table = count_images(sample_dataset.images)
    ax = figures.draw_images_by_category(table)
    drawn = {
        split.get_text(): [bar.get_height() for bar in bars]
        for split, bars in zip(ax.get_legend().get_texts(), ax.containers, strict=True)
    }
    counts = table.drop(columns="total")
    assert drawn == {split: counts.loc[split].tolist() for split in ("train", "val", "test")}
    assert [label.get_text() for label in ax.get_xticklabels()] == list(counts)


def drawn_histogram(ax):
    """Number of concepts -> images, of the bars that can be seen."""
    first, last = ax.get_xlim()
    bars = [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in ax.patches]
    return {round(middle): height for middle, height in bars if height and first <= middle <= last}


def test_the_histogram_counts_images_by_number_of_concepts(labelled):
    ax = figures.draw_concepts_per_image(labelled)
    assert drawn_histogram(ax) == labelled["concepts"].map(len).value_counts().to_dict()
    assert not ax.texts


def test_the_histogram_is_cut_and_says_how_many_images_lie_beyond():
    images = pd.DataFrame({"concepts": [("C",) * number for number in (1, 2, 2, 50, 51, 140)]})
    ax = figures.draw_concepts_per_image(images, longest=50)
    assert drawn_histogram(ax) == {1: 1, 2: 2, 50: 1}
    assert [text.get_text() for text in ax.texts] == ["2 images with more than 50"]


def test_the_pictures_are_the_decoded_images_with_their_concepts_below(sample_dataset):
    images = sample_dataset.split("train").head(3)
    axes = figures.draw_sample_images(sample_dataset, images, size=64).axes
    assert len(axes) == 3
    for ax, row in zip(axes, images.itertuples(), strict=True):
        assert np.array_equal(ax.images[0].get_array(), decode_image(row.path, 64))
        assert ax.get_title() == f"{row.image_id} ({row.category})"
        below = [text.get_text() for text in ax.texts]
        assert [line.split()[0] for line in below[:8]] == list(row.concepts[:8])
        assert shortened(sample_dataset.name_of(row.concepts[0]), 28) in below[0]


def test_a_dot_is_drawn_for_each_concept_of_each_image(labelled):
    labels = ConceptVocabulary.of(labelled["concepts"]).encode(labelled["concepts"])
    ax = figures.draw_labels(labels)
    (dots,) = ax.lines
    images, concepts = labels.toarray().nonzero()
    assert sorted(zip(dots.get_ydata(), dots.get_xdata(), strict=True)) == sorted(zip(images, concepts, strict=True))


def test_sizes_are_dots_and_aspect_ratios_bars(sample_dataset):
    sizes = image_sizes(sample_dataset.images)
    left, right = figures.draw_image_sizes(sizes, sample_dataset.title).axes
    drawn = np.concatenate([dots.get_offsets() for dots in left.collections])
    assert sorted(map(tuple, drawn.tolist())) == sorted(zip(sizes["width"], sizes["height"], strict=True))
    assert left.get_title() == "Size of 120 images, pixels (synthetic phantoms)"
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["train", "val", "test"]


def test_images_without_a_size_are_not_drawn(sample_dataset):
    sizes = image_sizes(sample_dataset.images).assign(width=lambda table: table["width"].where(table.index > 9))
    left, _ = figures.draw_image_sizes(sizes).axes
    assert left.get_title() == "Size of 110 images, pixels"


def test_pictures_keep_their_proportions(sample_dataset):
    images = sample_dataset.split("train").head(2)
    sizes = image_sizes(images)
    for ax, ratio in zip(
        figures.draw_sample_images(sample_dataset, images, size=32).axes, sizes["height"] / sizes["width"], strict=True
    ):
        assert ax.get_aspect() == ratio


def test_a_damaged_image_says_so_and_the_others_are_drawn(sample_dataset, tmp_path):
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    images = sample_dataset.split("train").head(2).assign(category=None)
    images["path"] = [tmp_path / "damaged.png", images["path"].iloc[1]]
    damaged, whole = figures.draw_sample_images(sample_dataset, images, size=32).axes
    assert "can't be read" in [text.get_text() for text in damaged.texts] and not damaged.images
    assert len(whole.images) == 1 and whole.get_title() == images["image_id"].iloc[1]


def test_drawn_on_the_axes_they_are_given(sample_dataset, labelled):
    labels = ConceptVocabulary.of(labelled["concepts"]).encode(labelled["concepts"])
    for draw in (
        lambda ax: figures.draw_images_by_category(count_images(sample_dataset.images), ax=ax),
        lambda ax: figures.draw_concepts_per_image(labelled, ax=ax),
        lambda ax: figures.draw_labels(labels, ax=ax),
    ):
        ax = plt.figure().add_subplot()
        before = plt.get_fignums()
        assert draw(ax) is ax
        assert plt.get_fignums() == before


def test_neighbours_are_drawn_with_their_cosine_and_a_tick_at_each_concept_that_is_shared(sample_dataset):
    images = sample_dataset.split("train")
    query, *others = images["image_id"].iloc[:4]
    figure = figures.draw_neighbours(sample_dataset, query, others, [0.9, 0.85, 0.8])
    concepts = images.set_index("image_id")["concepts"]
    titles = [ax.get_title() for ax in figure.axes]
    assert [title.split()[0] for title in titles] == [query, *others]
    assert titles[0].endswith("query image") and titles[1].endswith("cosine 0.900")
    for ax, image_id in zip(figure.axes[1:], others, strict=True):
        ticked = {text.get_text() for text in ax.texts if text.get_text().startswith("✓")}
        shared = set(concepts[query]) & set(concepts[image_id])
        assert ticked == {f"✓ {shortened(sample_dataset.name_of(concept), 30)}" for concept in shared}
    assert len(figure.axes[0].texts) == min(len(concepts[query]), 10)
    assert not any(text.get_text().startswith("✓") for text in figure.axes[0].texts)


def test_new_images_are_drawn_with_the_probability_and_name_of_each_concept_or_the_cui_without_one(sample_dataset):
    images = sample_dataset.split("test").iloc[:2]
    table = pd.DataFrame({"image_id": images["image_id"], "path": images["path"]})
    table["concepts"] = [("C0000001", "C0000002"), ()]
    table["names"], table["probabilities"] = [("Thorax", ""), ()], [(0.91, 0.5), ()]
    figure = figures.draw_new_images(table, "found")
    texts = [[text.get_text() for text in ax.texts] for ax in figure.axes]
    assert texts == [["0.91  Thorax", "0.50  C0000002"], ["no concept"]]
    assert [ax.get_title() for ax in figure.axes] == images["image_id"].tolist()


def test_each_new_image_is_followed_by_its_neighbours_and_ticks_what_they_share_with_it(sample_dataset):
    train = sample_dataset.split("train").iloc[:2].assign(similarity=[0.9, 0.8])
    (first, second), name_of = train["concepts"], sample_dataset.name_of
    queries = train.iloc[[0, 0]].assign(image_id=["new", "newer"], similarity=np.nan, category=None)
    queries["concepts"] = [first[:1], second[-1:]]
    images = pd.concat([queries.iloc[[0]], train.iloc[[0]], queries.iloc[[1]], train.iloc[[1]]])
    figure = figures.draw_nearest(sample_dataset, images)
    assert [ax.get_title().splitlines()[1] for ax in figure.axes] == [
        "query image", "cosine 0.900", "query image", "cosine 0.800"
    ]  # fmt: skip
    ticked = [[text.get_text() for text in ax.texts if text.get_text().startswith("✓")] for ax in figure.axes]
    assert ticked == [[], [f"✓ {shortened(name_of(first[0]), 30)}"], [], [f"✓ {shortened(name_of(second[-1]), 30)}"]]


def test_distances_are_a_histogram_with_the_threshold_marked():
    ax = figures.draw_hash_distances([0, 3, 40, 41, 90], near=40, data="mine")
    drawn = {bar.get_x(): bar.get_height() for bar in ax.patches if bar.get_height()}
    assert drawn == {0: 2, 40: 2, 90: 1}
    assert [line.get_xdata()[0] for line in ax.lines] == [40]
    assert ax.get_title() == "Distance to the most similar other image (mine)"
    assert not any(bar.get_height() for bar in figures.draw_hash_distances([]).patches)


def test_pairs_are_side_by_side_with_the_concepts_that_both_have_ticked(sample_dataset):
    ids = sample_dataset.split("train")["image_id"].tolist()
    pairs = pd.DataFrame({"image_id": ids[:3], "other_id": ids[3:6], "distance": [0, 7, 40]})
    axes = figures.draw_pairs(sample_dataset, pairs, size=32).axes
    table = sample_dataset.images.set_index("image_id")
    assert [ax.get_title().split()[0] for ax in axes] == [ids[row] for row in (0, 3, 1, 4, 2, 5)]
    assert axes[3].get_title().endswith("train, 7 bits apart")
    columns = [ax.get_subplotspec().colspan.start for ax in axes]
    assert columns == [0, 1, 2, 3, 0, 1], "two pairs in a row"
    both = set(table.loc[ids[1], "concepts"]) & set(table.loc[ids[4], "concepts"])
    assert sum(text.get_text().startswith("✓") for text in axes[2].texts[:9]) == min(len(both), 9)


def test_pictures_are_drawn_in_rows_with_their_names():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    figure = figures.draw_rows({"light": pictures, "strong": pictures[:2]}, "Augmentation")
    first, second = np.reshape(figure.axes, (2, 3))
    assert [ax.get_ylabel() for ax in (first[0], second[0])] == ["light", "strong"]
    for ax, picture in zip((*first, *second[:2]), (*pictures, *pictures[:2]), strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), picture)
    assert not second[2].images
