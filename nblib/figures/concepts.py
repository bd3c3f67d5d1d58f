"""Concepts drawn: how frequent, how they drift between splits, which co-occur, what rare ones cost."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from nblib.data import Z_95
from nblib.figures.style import (
    SPLIT_COLOURS,
    NameOf,
    axes_of_size,
    concept_label,
    label_rows,
    plain_numbers,
    plain_ratios,
    titled,
)

RARE = 10  # concepts with fewer images than this count as rare: no network learns them
FARTHEST = 4  # lift is drawn as log2 and cut at 2**4 = 16 times chance to either side


def draw_top_concepts_by_split(tops: Mapping[str, pd.Series], name_of: NameOf = str, data: str = "") -> Figure:
    """Bars of images per concept, one panel per split, each in its own order. Paper: Figures 2 and 3 (top 30)."""
    height = 0.8 + 0.2 * max(len(counts) for counts in tops.values())
    figure, panels = plt.subplots(1, len(tops), figsize=(7 * len(tops), height), squeeze=False, layout="constrained")
    for ax, (split, counts) in zip(panels.flat, tops.items(), strict=True):
        ax.barh(np.arange(len(counts)), counts.to_numpy(), color=SPLIT_COLOURS[split], height=0.75)
        label_rows(ax, [concept_label(concept, name_of) for concept in counts.index])
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.set(xlabel="images", title=titled(f"{split}: {len(counts)} most frequent", data))
    return figure


def draw_drift(table: pd.DataFrame, name_of: NameOf = str, data: str = "") -> Figure:
    """Shares of the concepts in train and validation, and their ratio with 95 % interval, from `nblib.data.drift`."""
    size = (10, 1 + 0.21 * len(table))
    figure, (left, right) = plt.subplots(1, 2, figsize=size, sharey=True, width_ratios=(3, 2), layout="constrained")
    rows = np.arange(len(table))
    for split, marker in (("train", "o"), ("val", "D")):
        left.plot(table[split], rows, marker, color=SPLIT_COLOURS[split], label=split, markersize=5)
    label_rows(left, [concept_label(concept, name_of) for concept in table.index])
    left.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    left.set(title=titled("Share of images", data), xlim=(0, None))
    left.legend()
    right.hlines(rows, table["low"], table["high"], color="C1")
    right.plot(table["ratio"], rows, "D", color="C1", markersize=5)
    right.axvline(1, color="C7", linestyle="--")
    right.set(title="Validation / train, 95 % interval", xscale="log")
    plain_ratios(right.xaxis)
    return figure


def draw_ranks(counts: pd.Series, data: str = "", ax: Axes | None = None) -> Axes:
    """Images of each concept over its rank, both logarithmic, and how many concepts are rare: the long tail."""
    images = np.sort(counts[counts > 0].to_numpy())[::-1]
    rare = int((images < RARE).sum())
    ax = ax or axes_of_size(7, 4)
    ax.loglog(np.arange(1, len(images) + 1), images, ".", color="C0", markersize=4)
    ax.axhline(RARE, color="C1", linestyle="--")
    share = f"{rare:,} of {len(images):,} concepts have fewer than {RARE} images"
    ax.annotate(share, (0.98, 0.88), xycoords="axes fraction", ha="right")
    plain_numbers(ax.xaxis, ax.yaxis)
    ax.set(xlabel="rank of the concept", ylabel="images", title=titled("The long tail: concepts by rank", data))
    return ax


def draw_lift(table: pd.DataFrame, name_of: NameOf = str, data: str = "") -> Figure:
    """Heatmap of `nblib.data.lift_table`, clustered: red is together more often than by chance, blue less often."""
    import seaborn as sns

    lift = table.to_numpy(dtype=float)
    doubled = np.log2(lift, where=lift > 0, out=np.full(lift.shape, -np.inf)).clip(-FARTHEST, FARTHEST)
    side = 3.5 + 0.22 * len(table)
    names = [concept_label(concept, name_of, longest=26) for concept in table.index]
    grid = sns.clustermap(
        pd.DataFrame(doubled, names, list(table.columns)), mask=(lift == 0) | np.eye(len(table), dtype=bool),
        cmap="vlag", vmin=-FARTHEST, vmax=FARTHEST, xticklabels=1, yticklabels=1, figsize=(side + 1.5, side),
        dendrogram_ratio=(0.02, 0.08), cbar_kws={"orientation": "horizontal"},
    )  # fmt: skip
    grid.gs.update(left=0.02, right=0.74, bottom=0.13, top=0.94)
    grid.ax_cbar.set_position((0.76, 0.05, 0.2, 0.015))
    grid.ax_row_dendrogram.set_visible(False)
    grid.ax_heatmap.grid(False)
    grid.ax_heatmap.set_facecolor("0.82")
    grid.ax_heatmap.tick_params(labelsize=8, length=0)
    grid.ax_cbar.set_xticks([-4, -2, 0, 2, 4], ["1/16", "1/4", "1", "4", "16"], fontsize=8)
    grid.ax_cbar.set_title("lift (grey: never together)", fontsize=8)
    title = f"Which of the {len(table)} most frequent concepts co-occur"
    grid.figure.suptitle(titled(title, data), y=0.98, fontsize=12)
    return grid.figure


def draw_indicative_concepts(
    table: pd.DataFrame, name_of: NameOf = str, data: str = "", ax: Axes | None = None
) -> Axes:
    """Heatmap of `nblib.data.indicative_concepts`: a dark cell is a concept that indicates its category."""
    import seaborn as sns

    ax = ax or axes_of_size(8, 1.2 + 0.24 * len(table))
    shares = table.map(lambda share: f"{share:.0%}" if share >= 0.005 else "")
    sns.heatmap(
        table, cmap="Blues", vmin=0, vmax=1, annot=shares, fmt="", annot_kws={"size": 8}, linewidths=0.5, ax=ax,
        cbar=False,
    )  # fmt: skip
    label_rows(ax, [concept_label(concept, name_of) for concept in table.index], first=0.5)
    ax.tick_params(axis="x", labelsize=9)
    ax.set(xlabel="category", ylabel="", title=titled("Images of a concept by category", data))
    return ax


def draw_ceiling(table: pd.DataFrame, data: str = "", ax: Axes | None = None) -> Axes:
    """Highest F1 still possible, and share of concepts kept, by minimum count, from `nblib.data.f1_ceiling`."""
    ax = ax or axes_of_size(7.5, 4)
    ax.plot(table.index, table["f1"], "o-", color="C0", label="highest F1 possible")
    share = table["concepts"] / max(table["concepts"].max(), 1)
    ax.plot(table.index, share, "s--", color="C1", label=f"concepts kept, of {table['concepts'].max():,}")
    ax.set_xscale("log")
    plain_numbers(ax.xaxis)
    ax.set(xlabel="fewest train images of a concept to be kept", ylabel="F1 and share", ylim=(0, 1.05))
    ax.set_title(titled("What dropping rare concepts costs", data))
    ax.legend(loc="lower left")
    return ax


def draw_halves(counts: pd.DataFrame, data: str = "", ax: Axes | None = None) -> Axes:
    """Images of each concept in val1 against val2, with the band that holds 95 % if the split is random."""
    counts = counts[counts.sum(axis=1) > 0]
    dots = counts.value_counts().reset_index(name="concepts")
    ax = ax or axes_of_size(5.5, 5)
    ax.scatter(dots["val1"], dots["val2"], s=12 * np.sqrt(dots["concepts"]), color="C0", alpha=0.5, linewidth=0)
    total = np.geomspace(1, counts.sum(axis=1).max(), 200)
    spread = np.minimum(Z_95 * np.sqrt(total), total)
    for sign in (-1, 1):
        ax.plot((total + sign * spread) / 2, (total - sign * spread) / 2, "--", color="C7")
    outside = (counts["val1"] - counts["val2"]).abs() > Z_95 * np.sqrt(counts.sum(axis=1))
    share = f"{outside.mean():.1%} of {len(counts):,} concepts\noutside the 95 % band"
    ax.annotate(share, (0.03, 0.9), xycoords="axes fraction")
    ax.set(xscale="symlog", yscale="symlog", xlabel="images in val1", ylabel="images in val2")
    plain_numbers(ax.xaxis, ax.yaxis)
    ax.set_title(titled("Concepts in the two halves", data))
    return ax
