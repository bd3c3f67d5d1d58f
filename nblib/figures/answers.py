"""Answers drawn: where a decision is right and where it errs, by kind of image and concept, and on single images."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nblib.data import Dataset, image_sizes
from nblib.figures.images import show_image
from nblib.figures.style import NameOf, axes_of_size, caption, concept_label, titled

LINES = 12  # concepts told below a picture


def draw_f1_by(table: pd.DataFrame, data: str = "", ax: Axes | None = None) -> Axes:
    """F1 of each group of images with its 95 % interval, from `breakdown.f1_by_category` or its neighbour."""
    ax = ax or axes_of_size(7, 1.2 + 0.36 * len(table))
    rows = np.arange(len(table))
    ax.hlines(rows, table["low"], table["high"], color="C0", linewidth=2)
    ax.plot(table["f1"], rows, "o", color="C0")
    ax.set_yticks(rows, [f"{group} ({images:,})" for group, images in table["images"].items()])
    ax.set(xlim=(0, 1.02), ylim=(len(table) - 0.5, -0.5), xlabel="F1 over images, 95 % interval")
    ax.set(ylabel=f"{table.index.name} (images)", title=titled(f"F1 by {table.index.name}", data))
    return ax


def draw_frequency(table: pd.DataFrame, data: str = "", ax: Axes | None = None) -> Axes:
    """Precision, recall and F1 of concepts by how many train images they have, from `breakdown.f1_by_frequency`."""
    ax = ax or axes_of_size(7, 3.8)
    places = np.arange(len(table))
    for name, mark, colour in (("precision", "s--", "C1"), ("recall", "^--", "C2"), ("f1", "o-", "C0")):
        ax.plot(places, table[name], mark, color=colour, label={"f1": "F1"}.get(name, name))
    ax.set_xticks(
        places, [f"{band}\n{concepts:,} concepts" for band, concepts in table["concepts"].items()], fontsize=9
    )
    ax.set(ylim=(0, 1.02), xlabel="train images of a concept", ylabel="over all answers of the band")
    ax.set_title(titled("How well concepts are found, by how often they were seen", data))
    ax.legend()
    return ax


def draw_missed(table: pd.DataFrame, name_of: NameOf = str, data: str = "", ax: Axes | None = None) -> Axes:
    """Bars of images where each concept is right, missed, and selected wrongly, from `breakdown.most_missed`."""
    ax = ax or axes_of_size(9, 1.2 + 0.24 * len(table))
    rows, left = np.arange(len(table)), np.zeros(len(table))
    for name, colour, hatch in (("right", "C0", None), ("missed", "C1", "//"), ("wrong", "C7", "..")):
        ax.barh(rows, table[name], left=left, color=colour, hatch=hatch, height=0.75, label=name)
        left = left + table[name].to_numpy()
    ax.set_yticks(rows, [concept_label(concept, name_of) for concept in table.index], fontsize=8, parse_math=False)
    ax.set(ylim=(len(table) - 0.5, -0.5), xlabel="images", title=titled("The most missed concepts", data))
    ax.grid(False, axis="y")
    ax.legend(loc="lower right")
    return ax


def draw_confused(table: pd.DataFrame, name_of: NameOf = str, data: str = "", ax: Axes | None = None) -> Axes:
    """Bars of images where one concept was missed and another selected wrongly, from `breakdown.most_confused`."""
    ax = ax or axes_of_size(10, 1.2 + 0.24 * len(table))
    rows = np.arange(len(table))
    ax.barh(rows, table["images"], color="C1", height=0.75)
    names = zip(table["missed"].map(name_of), table["wrong"].map(name_of), strict=True)
    ax.set_yticks(rows, [f"{_short(missed)}  →  {_short(wrong)}" for missed, wrong in names], fontsize=8,
                  parse_math=False)  # fmt: skip
    ax.set(
        ylim=(len(table) - 0.5, -0.5),
        xlabel="images",
        title=titled("Missed → selected wrongly on the same image", data),
    )
    ax.grid(False, axis="y")
    return ax


def draw_calibration(tables: Mapping[str, pd.DataFrame], data: str = "", ax: Axes | None = None) -> Axes:
    """Share that is true over probability, one line a name, from `breakdown.calibration`; dashed: as it should be."""
    ax = ax or axes_of_size(5.5, 5)
    ax.plot([0, 1], [0, 1], "--", color="C7")
    for number, (name, table) in enumerate(tables.items()):
        ax.plot(table["predicted"], table["observed"], "osD^v"[number % 5], ls="-", color=f"C{number}", label=name)
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability", ylabel="share that is true")
    ax.set_title(titled("What a probability is worth", data))
    ax.legend()
    return ax


def draw_predicted_concepts(dataset: Dataset, told: pd.DataFrame, size: int = 224) -> Figure:
    """Images side by side, five in a row, with F1, right, missed and wrong concepts, from `breakdown.errors_per_image`."""
    across = min(len(told), 5)
    sizes = image_sizes(told)
    ratios = (sizes["height"] / sizes["width"]).fillna(1)
    lines = [_told_lines(dataset, row) for row in told.itertuples()]
    rows = [slice(first, first + across) for first in range(0, len(told), across)]
    heights = [0.8 + 3 * ratios.iloc[row].max() + 0.14 * max(map(len, lines[row])) for row in rows]
    figure, all_axes = plt.subplots(
        len(rows), across, figsize=(3.2 * across, 0.3 + sum(heights)), height_ratios=heights, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for ax in all_axes.flat[len(told) :]:
        ax.remove()
    for ax, row, ratio, below in zip(all_axes.flat, told.itertuples(), ratios, lines, strict=False):
        show_image(row.path, size, ratio, ax)
        ax.set_title(f"{caption(row.image_id, row.category)}\nF1 {row.f1:.2f}", fontsize=9, parse_math=False)
        ax.set_xlabel("\n".join(below), loc="left", fontsize=7.5, family="monospace", parse_math=False)
        ax.set(xticks=[], yticks=[])
        ax.set_anchor("N")  # pictures of one row begin at one height
    figure.suptitle(dataset.title)
    return figure


def draw_grad_cam(pixels: np.ndarray, seen: Mapping[str, np.ndarray], told: Mapping[str, str] | None = None) -> Figure:
    """The image, then for each concept where the network looks for it: bright is much, dark is nothing.

    Args:
        pixels: (size, size, 3) uint8, as the network sees the image.
        seen: concept -> (size, size) from 0 to 1 (`nblib.training.gradcam.explain`).
        told: concept -> what to write above its panel; the concept by default.
    """
    figure, all_axes = plt.subplots(1, 1 + len(seen), figsize=(3 * (1 + len(seen)), 3.3), layout="constrained")
    panels = [("the image", None), *seen.items()]
    for ax, (concept, places) in zip(np.atleast_1d(all_axes), panels, strict=True):
        ax.imshow(pixels)
        if places is not None:
            ax.imshow(places, cmap="inferno", vmin=0, vmax=1, alpha=0.55)
        ax.set_title((told or {}).get(concept, concept), fontsize=9, parse_math=False)
        ax.set(xticks=[], yticks=[])
    return figure


def draw_ablation(table: pd.DataFrame, data: str = "", ax: Axes | None = None) -> Axes:
    """F1 of each configuration with its 95 % interval, one mark per half.

    Args:
        table: one row per configuration and half: configuration, half (evaluated on), f1, low, high.
    """
    names = list(dict.fromkeys(table["configuration"]))
    ax = ax or axes_of_size(9, 1.2 + 0.36 * len(names))
    for number, (half, rows) in enumerate(table.groupby("half", sort=True)):
        places = np.array([names.index(name) for name in rows["configuration"]]) + 0.24 * (number - 0.5)
        ax.hlines(places, rows["low"], rows["high"], color=f"C{number}", linewidth=2)
        ax.plot(rows["f1"], places, "oD"[number % 2], color=f"C{number}", label=f"evaluated on {half}")
    ax.set_yticks(np.arange(len(names)), names)
    ax.set(ylim=(len(names) - 0.5, -0.5), xlabel="F1 over images, 95 % interval")
    ax.set_title(titled("Each change alone, and all together", data))
    ax.legend(loc="lower left")
    return ax


def _told_lines(dataset: Dataset, row) -> list[str]:
    """The concepts of a row of `breakdown.errors_per_image`, one a line, with the word for each."""
    parts = (("right", row.right), ("missed", row.missed), ("wrong", row.wrong))
    lines = [f"{word:7} {dataset.name_of(concept)[:30]}" for word, some in parts for concept in some]
    return lines[:LINES] + ([f"and {len(lines) - LINES} more"] if len(lines) > LINES else [])


def _short(name: str, longest: int = 34) -> str:
    return name if len(name) <= longest else name[: longest - 1].rstrip() + "…"
