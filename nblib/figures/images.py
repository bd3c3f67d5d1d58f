"""Images drawn: how many of which kind, how large, with how many concepts, and the pictures themselves."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy import sparse

from nblib.data import Dataset, ImageSource, decode_image, image_sizes
from nblib.figures.style import SPLIT_COLOURS, axes_of_size, caption, plain_ratios, titled


def draw_images_by_category(table: pd.DataFrame, data: str = "", ax: Axes | None = None) -> Axes:
    """Bars of images by category and split, from `nblib.data.count_images`. Paper: Table 1."""
    ax = ax or axes_of_size(8, 3.5)
    tidy = table.drop(columns="total").rename_axis("split").reset_index()
    tidy = tidy.melt("split", var_name="category", value_name="images")
    sns.barplot(tidy[tidy["images"] > 0], x="category", y="images", hue="split", palette=SPLIT_COLOURS, ax=ax)
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.set(title=titled("Images by category and split", data))
    return ax


def draw_concepts_per_image(images: pd.DataFrame, longest: int = 50, title: str = "", ax: Axes | None = None) -> Axes:
    """Histogram of images by their number of concepts, cut at `longest`. Paper: Figures 4 and 5 (cut at 50)."""
    numbers = images["concepts"].map(len)
    ax = ax or axes_of_size(8, 3.5)
    sns.histplot(x=numbers[numbers <= longest], discrete=True, color="C0", ax=ax)
    ax.set(xlabel="concepts of the image", ylabel="images", title=title or "Images by number of concepts")
    ax.set_xlim(0.5, min(longest, numbers.max()) + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_formatter("{x:,.0f}")
    beyond = int((numbers > longest).sum())
    if beyond:
        ax.annotate(f"{beyond:,} images with more than {longest}", (0.98, 0.92), xycoords="axes fraction", ha="right")
    return ax


def draw_image_sizes(sizes: pd.DataFrame, data: str = "") -> Figure:
    """Width against height, and how far from square: images by aspect ratio, both by split.

    Args:
        sizes: one row an image with split, width and height in pixels (`nblib.data.images.image_sizes`).
    """
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
    """The pictures of `images` side by side, in their own proportions, their concepts below. Paper: Figure 1."""
    figure, all_axes = plt.subplots(1, len(images), figsize=(3.4 * len(images), 4.6), squeeze=False)
    sizes = image_sizes(images)
    for ax, row, ratio in zip(all_axes.flat, images.itertuples(), sizes["height"] / sizes["width"], strict=True):
        show_image(row.path, size, ratio, ax)
        names = [f"{concept}  {dataset.name_of(concept)[:28]}" for concept in row.concepts[:8]]
        more = [f"and {len(row.concepts) - 8} more"] if len(row.concepts) > 8 else []
        ax.set_title(caption(row.image_id, row.category), fontsize=9, parse_math=False)
        ax.set_xlabel("\n".join(names + more), loc="left", fontsize=8, parse_math=False)
        ax.set(xticks=[], yticks=[])
    figure.suptitle(dataset.title)
    figure.tight_layout()
    return figure


def show_image(path: ImageSource, size: int, ratio: float, ax: Axes) -> None:
    """Draws the image in its proportions; a damaged one must not stop the others, and says that it is."""
    try:
        ax.imshow(decode_image(path, size), aspect=ratio)
    except ValueError:
        ax.text(0.5, 0.5, "can't be read", ha="center", va="center", color="C7", transform=ax.transAxes)


def draw_labels(labels: sparse.csr_array, data: str = "", ax: Axes | None = None) -> Axes:
    """The label matrix as a picture: a dot for each concept of each image. Paper: Table 2."""
    ax = ax or axes_of_size(9, 4)
    ax.spy(labels, markersize=1.5 if labels.nnz < 20_000 else 0.2, aspect="auto", color="C0", rasterized=True)
    ax.grid(False)
    ax.set(xlabel=f"concept (position among {labels.shape[1]:,})", ylabel="image")
    ax.set_title(titled("Multi one-hot labels", data))
    return ax
