"""One function a figure: a table in, matplotlib Axes out, drawn on `ax` where one is given.

Colours are seaborn's colour-blind palette; they stay apart in print.
"""

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy import sparse

from nblib.concepts import concept_counts
from nblib.dataset import Dataset
from nblib.images import decode_image
from nblib.runs import Run, best_epoch
from nblib.selection import select

SPLIT_COLOURS = {"train": "C0", "val": "C1", "test": "C2"}


def use_style() -> None:
    """Sets the one style of all figures."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind", rc={"figure.dpi": 90})


def draw_images_by_category(table: pd.DataFrame, title: str = "", ax: Axes | None = None) -> Axes:
    """Bars of images by category and split, from `nblib.dataset.count_images`. Paper: Table 1."""
    ax = ax or _axes(8, 3.5)
    tidy = table.drop(columns="total").rename_axis("split").reset_index()
    tidy = tidy.melt("split", var_name="category", value_name="images")
    sns.barplot(tidy[tidy["images"] > 0], x="category", y="images", hue="split", palette=SPLIT_COLOURS, ax=ax)
    ax.set(title=title or "Images by category and split")
    return ax


def draw_top_concepts(images: pd.DataFrame, top: int = 30, title: str = "", ax: Axes | None = None) -> Axes:
    """Bars of the `top` most frequent concepts of the images. Paper: Figures 2 and 3 (top 30)."""
    counts = concept_counts(images["concepts"]).head(top)
    ax = ax or _axes(10, 3.5)
    sns.barplot(x=counts.index, y=counts.to_numpy(), color="C0", ax=ax)
    ax.tick_params(axis="x", rotation=90, labelsize=8)
    ax.set(xlabel="concept", ylabel="images", title=title or f"The {len(counts)} most frequent concepts")
    return ax


def draw_concepts_per_image(images: pd.DataFrame, longest: int = 50, title: str = "", ax: Axes | None = None) -> Axes:
    """Histogram of images by their number of concepts, cut at `longest`. Paper: Figures 4 and 5 (cut at 50)."""
    numbers = images["concepts"].map(len)
    ax = ax or _axes(8, 3.5)
    sns.histplot(x=numbers[numbers <= longest], discrete=True, color="C0", ax=ax)
    ax.set(xlabel="concepts of the image", ylabel="images", title=title or "Images by number of concepts")
    ax.set_xlim(0.5, min(longest, numbers.max()) + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    beyond = int((numbers > longest).sum())
    if beyond:
        ax.annotate(f"{beyond:,} images with more than {longest}", (0.98, 0.92), xycoords="axes fraction", ha="right")
    return ax


def draw_sample_images(dataset: Dataset, images: pd.DataFrame, size: int = 224) -> Figure:
    """The pictures of `images` side by side with their concepts and names below. Paper: Figure 1."""
    figure, all_axes = plt.subplots(1, len(images), figsize=(3.4 * len(images), 4.6), squeeze=False)
    for ax, row in zip(all_axes.flat, images.itertuples(), strict=True):
        ax.imshow(decode_image(row.path, size))
        names = [f"{concept}  {dataset.name_of(concept)[:28]}" for concept in row.concepts[:8]]
        more = [f"and {len(row.concepts) - 8} more"] if len(row.concepts) > 8 else []
        ax.set_title(_caption(row.image_id, row.category), fontsize=9, parse_math=False)
        ax.set_xlabel("\n".join(names + more), loc="left", fontsize=8, parse_math=False)
        ax.set(xticks=[], yticks=[])
    figure.suptitle(dataset.title)
    figure.tight_layout()
    return figure


def draw_predictions(dataset: Dataset, run: Run, number: int = 4, size: int = 224) -> Figure:
    """Images of the run's test half with what it selects at threshold 0.5: right, missed and wrong concepts."""
    image_ids, probabilities = run.probabilities(run.experiment.test_half)
    kept = run.vocabulary.decode(select(probabilities))
    rows = dataset.images.set_index("image_id").loc[image_ids].assign(kept=kept)
    rows = evenly(rows.sort_values("category"), number)
    figure, all_axes = plt.subplots(1, len(rows), figsize=(3.4 * len(rows), 5.2), squeeze=False)
    for ax, row in zip(all_axes.flat, rows.itertuples(), strict=True):
        true, selected = set(row.concepts), set(row.kept)
        told = [("right", true & selected), ("missed", true - selected), ("wrong", selected - true)]
        lines = [f"{word:7} {dataset.name_of(concept)[:30]}" for word, some in told for concept in sorted(some)]
        ax.imshow(decode_image(row.path, size))
        ax.set_title(_caption(row.Index, row.category), fontsize=9, parse_math=False)
        ax.set_xlabel("\n".join(lines[:12]), loc="left", fontsize=7.5, family="monospace", parse_math=False)
        ax.set(xticks=[], yticks=[])
    figure.suptitle(dataset.title)
    figure.tight_layout()
    return figure


def draw_labels(labels: sparse.csr_array, ax: Axes | None = None) -> Axes:
    """The label matrix as a picture: a dot for each concept of each image. Paper: Table 2."""
    ax = ax or _axes(9, 4)
    ax.spy(labels, markersize=1.5, aspect="auto", color="C0")
    ax.grid(False)
    ax.set(xlabel=f"concept (position among {labels.shape[1]:,})", ylabel="image", title="Multi one-hot labels")
    return ax


def draw_training_curves(histories: dict[str, pd.DataFrame]) -> Figure:
    """Loss and F1 of the validation half over epochs, one line a run, best epoch marked. Paper: Figure 6.

    Args:
        histories: name of the run -> its history (`nblib.runs.Run.history`); for a single run the curves of the
            training images are drawn too, dashed.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8))
    for (name, history), colour in zip(histories.items(), sns.color_palette("colorblind", len(histories)), strict=True):
        best = history.iloc[best_epoch(history["val_f1"]) - 1]
        for ax, measure in ((left, "loss"), (right, "f1")):
            ax.plot(history["epoch"], history[f"val_{measure}"], color=colour, label=name)
            ax.plot(best["epoch"], best[f"val_{measure}"], "o", color=colour)
            if len(histories) == 1:
                ax.plot(history["epoch"], history[measure], "--", color=colour, label="training images")
    left.set(title="Loss, validation half", xlabel="epoch", ylabel="loss")
    right.set(title="F1, validation half (dot: best epoch)", xlabel="epoch", ylabel="F1 over images")
    for ax in (left, right):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(histories) > 1:
        left.set_yscale("log")  # different losses have different scales
    right.legend(fontsize=9)
    figure.tight_layout()
    return figure


def draw_loss_slices(slices: pd.DataFrame) -> Figure:
    """Each loss on the straight way from an untrained network to the truth, one panel a loss, a line a label space.

    Args:
        slices: tidy, with columns loss, margin and value (`nblib.losses.loss_slices`) and sigmoids.
    """
    grid = sns.relplot(
        slices, x="margin", y="value", hue="sigmoids", col="loss", col_wrap=2, kind="line", palette="colorblind",
        height=2.8, aspect=1.6, facet_kws={"sharey": False},
    )  # fmt: skip
    grid.set_axis_labels("margin: 0 untrained, 10 the truth", "loss").set_titles("{col_name}")
    return grid.figure


def draw_against_paper(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """F1 of each run beside most frequent concepts and paper, from `nblib.runs.against_paper`. Paper: Table 3."""
    data = ", ".join(sorted(table["data"].unique()))
    told = {"test_f1": data, "baseline_f1": f"most frequent concepts, {data}", "paper_f1": "paper, its own data"}
    tidy = table.assign(run=table["experiment_name"] + ", " + table["validation_half"])
    tidy = tidy.rename(columns=told).melt("run", list(told.values()), var_name="source", value_name="F1")
    ax = ax or _axes(9, 1 + 0.55 * len(table))
    sns.barplot(tidy.astype({"F1": float}), y="run", x="F1", hue="source", ax=ax)
    ax.set(xlabel="F1 over the images of the test half", ylabel="", xlim=(0, 1))
    ax.legend(title="", loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    return ax


def draw_thresholds(thresholds: Sequence[float], f1: Callable[[float], float], ax: Axes | None = None) -> Axes:
    """F1 over the threshold, the paper's 0.5 marked."""
    ax = ax or _axes(7, 3.2)
    ax.plot(thresholds, [f1(threshold) for threshold in thresholds], color="C0")
    ax.axvline(0.5, color="C7", linestyle="--", label="threshold of the paper")
    ax.set(xlabel="threshold", ylabel="F1 over images", title="F1 by threshold, test half")
    ax.legend()
    return ax


def _caption(image_id: str, category: str | None) -> str:
    return f"{image_id} ({category})" if category else image_id


def _axes(width: float, height: float) -> Axes:
    return plt.figure(figsize=(width, height), layout="constrained").add_subplot()


def evenly(images: pd.DataFrame, number: int) -> pd.DataFrame:
    """`number` rows spread evenly over the table."""
    return images.iloc[np.linspace(0, len(images) - 1, number).astype(int)]
