"""Images drawn: how many of which kind, how large, how many concepts, the pictures, neighbours and near-duplicates."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy import sparse

from nblib.data import NEAR, Dataset, decode_image, image_sizes
from nblib.figures.style import SPLIT_COLOURS, axes_of_size, plain_ratios, shortened, titled

ACROSS = 5  # pictures in a row
GREY, SHARED = "0.35", "C2"
Lines = Sequence[tuple[str, str]]  # text and its colour, below a picture


def draw_images_by_category(table: pd.DataFrame, data: str = "", ax: Axes | None = None) -> Axes:
    """Bars of images by category and split, from `nblib.data.count_images`. Paper: Table 1."""
    ax = ax or axes_of_size(8, 3.5)
    counts = table.drop(columns="total").T
    counts.plot.bar(ax=ax, rot=0, width=0.8, color=[SPLIT_COLOURS[split] for split in counts])
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.grid(False, axis="x")
    ax.legend(title="split")
    ax.set(xlabel="category", ylabel="images", title=titled("Images by category and split", data))
    return ax


def draw_concepts_per_image(images: pd.DataFrame, longest: int = 50, title: str = "", ax: Axes | None = None) -> Axes:
    """Histogram of images by their number of concepts, cut at `longest`. Paper: Figures 4 and 5 (cut at 50)."""
    numbers = images["concepts"].map(len)
    ax = ax or axes_of_size(8, 3.5)
    counts = numbers[numbers <= longest].value_counts()
    ax.bar(counts.index, counts, width=1, color="C0", alpha=0.75)
    ax.set(xlabel="concepts of the image", ylabel="images", title=title or "Images by number of concepts")
    ax.set_xlim(0.5, min(longest, numbers.max()) + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_formatter("{x:,.0f}")
    if beyond := int((numbers > longest).sum()):
        ax.annotate(f"{beyond:,} images with more than {longest}", (0.98, 0.92), xycoords="axes fraction", ha="right")
    return ax


def draw_image_sizes(sizes: pd.DataFrame, data: str = "") -> Figure:
    """Width against height, and images by aspect ratio, both by split, from `nblib.data.image_sizes`."""
    import seaborn as sns

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    sizes = sizes.dropna(subset=["width", "height"]).assign(ratio=lambda table: table["width"] / table["height"])
    colours = {split: colour for split, colour in SPLIT_COLOURS.items() if split in set(sizes["split"])}
    shared = {"data": sizes, "hue": "split", "hue_order": list(colours), "palette": colours}
    sns.scatterplot(x="width", y="height", s=14, alpha=0.5, linewidth=0, ax=left, legend=False, **shared)
    sns.histplot(
        x="ratio", log_scale=True, bins=40, element="step", alpha=0.2, stat="percent", common_norm=False, ax=right,
        **shared,
    )  # fmt: skip
    left.set(title=titled(f"Size of {len(sizes):,} images, pixels", data), xlim=(0, None), ylim=(0, None))
    right.axvline(1, color="C7", linestyle="--")
    right.set(title="Aspect ratio (dashed: square)", xlabel="width / height", ylabel="% of the split's images")
    plain_ratios(right.xaxis)
    return figure


def draw_sample_images(dataset: Dataset, images: pd.DataFrame, size: int = 224) -> Figure:
    """The pictures of `images` side by side, their concepts below. Paper: Figure 1."""
    lines = []
    for concepts in images["concepts"]:
        names = [f"{concept}  {shortened(dataset.name_of(concept), 28)}" for concept in concepts]
        lines.append([(name, GREY) for name in cut(names, 8)])
    return draw_pictures(images, [""] * len(images), lines, dataset.title, size)


def draw_pictures(
    images: pd.DataFrame, notes: Sequence[str], lines: Sequence[Lines], title: str, size: int, across: int = ACROSS
) -> Figure:
    """The images, read with `size` pixels per side, side by side in their own proportions, `across` in a row.

    Above each is its name with its note, (N,), below it are its lines, (N,) sequences.
    """
    sizes = image_sizes(images)
    ratios = (sizes["height"] / sizes["width"]).fillna(1).tolist()
    names = [f"{row.image_id} ({row.category})" if row.category else row.image_id for row in images.itertuples()]
    titles = [f"{name}\n{note}".strip() for name, note in zip(names, notes, strict=True)]
    figure, panels = picture_panels(ratios, titles, lines, across)
    for ax, path, ratio in zip(panels, images["path"], ratios, strict=True):
        try:
            ax.imshow(decode_image(path, size), aspect=ratio)
        except ValueError:  # a damaged image must not stop the others
            ax.text(0.5, 0.5, "can't be read", ha="center", va="center", color="C7", transform=ax.transAxes)
    figure.suptitle(title)
    return figure


def draw_rows(rows: dict[str, np.ndarray], title: str = "") -> Figure:
    """Pictures in rows with these names, each row (n, size, size, 3) uint8."""
    across = max(map(len, rows.values()))
    figure, panels = plt.subplots(
        len(rows), across, figsize=(1.8 * across, 1.8 * len(rows) + 0.3), squeeze=False, layout="constrained"
    )
    for (name, pictures), axes in zip(rows.items(), panels, strict=True):
        for ax, picture in zip(axes, pictures, strict=False):
            ax.imshow(picture)
        for ax in axes:
            ax.set(xticks=[], yticks=[], frame_on=False)
        axes[0].set_ylabel(name)
    figure.suptitle(title)
    return figure


def picture_panels(
    ratios: Sequence[float], titles: Sequence[str], lines: Sequence[Lines], across: int = ACROSS
) -> tuple[Figure, list[Axes]]:
    """A figure with N empty panels, `across` in a row, for pictures of these ratios (height / width)."""
    across = min(len(ratios), across)
    rows = [slice(first, first + across) for first in range(0, len(ratios), across)]
    heights = [0.7 + 3 * max(ratios[row]) + 0.16 * max(map(len, lines[row])) for row in rows]
    figure, all_axes = plt.subplots(
        len(rows), across, figsize=(3.3 * across, 0.3 + sum(heights)), height_ratios=heights, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for ax in all_axes.flat[len(ratios) :]:
        ax.remove()
    panels = list(all_axes.flat[: len(ratios)])
    for ax, title, below in zip(panels, titles, lines, strict=True):
        ax.set_title(title, fontsize=9, parse_math=False)
        ax.set(xticks=[], yticks=[], anchor="N")  # pictures of one row begin at one height
        for number, (text, colour) in enumerate(below):
            ax.annotate(text, (0, 0), (0, -12 - 11 * number), "axes fraction", "offset points", fontsize=8,
                        color=colour, parse_math=False)  # fmt: skip
    return figure, panels


def cut(lines: list[str], most: int) -> list[str]:
    """The first lines, and how many more there are."""
    return lines[:most] + ([f"and {len(lines) - most} more"] if len(lines) > most else [])


def draw_labels(labels: sparse.csr_array, data: str = "", ax: Axes | None = None) -> Axes:
    """The label matrix as a picture: a dot for each concept of each image. Paper: Table 2."""
    ax = ax or axes_of_size(9, 4)
    ax.spy(labels, markersize=1.5 if labels.nnz < 20_000 else 0.2, aspect="auto", color="C0", rasterized=True)
    ax.grid(False)
    ax.set(xlabel=f"concept (position among {labels.shape[1]:,})", ylabel="image")
    ax.set_title(titled("Multi-hot labels", data))
    return ax


def draw_neighbours(
    dataset: Dataset, image_id: str, neighbours: Sequence[str], similarities: Sequence[float], size: int = 224
) -> Figure:
    """The image, then its neighbours, their concepts below: green with a tick those that the image has as well.

    Args:
        dataset: that holds all of them.
        image_id: the query image.
        neighbours: (k,), image_ids, the most similar first.
        similarities: (k,), cosines (`nblib.ensembles.neighbours.Neighbours`).
        size: pixels per side of each picture.
    """
    images = dataset.images.set_index("image_id", drop=False).loc[[image_id, *neighbours]]
    return draw_nearest(dataset, images.assign(similarity=[np.nan, *similarities]), size)


def draw_nearest(dataset: Dataset, images: pd.DataFrame, size: int = 224) -> Figure:
    """As `draw_neighbours` for several images, which need not be in the data set.

    Args:
        dataset: knows the names of the concepts.
        images: image_id, path, category, concepts and similarity; a query, whose similarity is NaN, precedes its
            neighbours (`nblib.ensembles.nearest_train_images`).
        size: pixels per side of each picture.
    """
    queries = images["similarity"].isna()
    notes = ["query image" if pd.isna(each) else f"cosine {each:.3f}" for each in images["similarity"]]
    lines, own = [], set()
    for is_query, concepts in zip(queries, images["concepts"], strict=True):
        own = set(concepts) if is_query else own
        lines.append(_lines(dataset, concepts, set() if is_query else own & set(concepts)))
    title = f"{dataset.title}: {'images and their' if queries.sum() > 1 else 'an image, its'} nearest neighbours, "
    return draw_pictures(images, notes, lines, f"{title}and the concepts they share", size)


def draw_new_images(images: pd.DataFrame, title: str = "", size: int = 224) -> Figure:
    """Images, the probabilities and names of their concepts below: `nblib.prediction.Predictions.table` with `path`."""
    lines = []
    for row in images.itertuples():
        named = zip(row.probabilities, row.names, row.concepts, strict=True)
        texts = [f"{probability:.2f}  {shortened(name or concept, 30)}" for probability, name, concept in named]
        lines.append([(text, GREY) for text in cut(texts, 10)] or [("no concept", "C7")])
    return draw_pictures(images.assign(category=None), [""] * len(images), lines, title, size)


def draw_hash_distances(distances: Sequence[int], near: int = NEAR, data: str = "", ax: Axes | None = None) -> Axes:
    """Histogram of images by the distance to their most similar other image, from `nblib.data.nearest_distances`.

    A dashed line marks `near`, up to which two images count as near-duplicates.
    """
    ax = ax or axes_of_size(8, 3.5)
    ax.hist(distances, bins=range(0, max(distances, default=0) + 6, 5), color="C0", alpha=0.75)
    ax.axvline(near, color="C7", linestyle="--")
    ax.annotate(f"near-duplicates: at most {near}", (near, 0.94), (6, 0), ("data", "axes fraction"), "offset points")
    ax.set(xlabel="bits that differ from the most similar image, of 512", ylabel=f"images, of {len(distances):,}",
           title=titled("Distance to the most similar other image", data))  # fmt: skip
    return ax


def draw_pairs(dataset: Dataset, pairs: pd.DataFrame, size: int = 224) -> Figure:
    """The images of each pair side by side, two pairs in a row; green with a tick the concepts that both have.

    Args:
        dataset: that holds all images.
        pairs: image_id, other_id, distance, and perhaps part and other_part, (P,), as `nblib.data.leaking_pairs` says.
        size: pixels per side of each picture.
    """
    table = dataset.images.set_index("image_id", drop=False)
    ids, notes, lines = [], [], []
    for number, pair in enumerate(pairs.to_dict("records"), start=1):
        both = [pair["image_id"], pair["other_id"]]
        lists = table.loc[both, "concepts"].tolist()
        lines += [_lines(dataset, concepts, set(lists[0]) & set(lists[1])) for concepts in lists]
        parts = [
            pair.get(name) or table["split"][image] for name, image in zip(("part", "other_part"), both, strict=True)
        ]
        notes += [f"pair {number}: {parts[0]}", f"{parts[1]}, {pair['distance']} bits apart"]
        ids += both
    return draw_pictures(table.loc[ids], notes, lines, f"{dataset.title}: near-duplicates and their concepts", size, 4)


def _lines(dataset: Dataset, concepts: Sequence[str], shared: set[str]) -> Lines:
    """One line per concept, the shared ones first."""
    in_order = sorted(concepts, key=lambda concept: (concept not in shared, dataset.name_of(concept)))
    names = [f"{'✓ ' if concept in shared else ''}{shortened(dataset.name_of(concept), 30)}" for concept in in_order]
    return [(name, SHARED if name.startswith("✓ ") else GREY) for name in cut(names, 9)]
