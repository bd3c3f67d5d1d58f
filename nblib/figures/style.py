"""What all figures share: one style, colours of the splits, labels of concepts.

Colours are seaborn's colour-blind palette; they are distinguishable in print.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, NullLocator

SPLIT_COLOURS = {"train": "C0", "val": "C1", "test": "C2"}

NameOf = Callable[[str], str]


def use_style() -> None:
    """Sets the one style of all figures."""
    plt.style.use(Path(__file__).with_name("figures.mplstyle"))


def concept_label(concept: str, name_of: NameOf, longest: int = 32) -> str:
    """The concept with its term, shortened, in front: `Thorax CT  C0040405`; the CUI alone where there is no term."""
    name = name_of(concept)
    return concept if name == concept else f"{shortened(name, longest)}  {concept}"


def shortened(text: str, longest: int) -> str:
    """The text, cut and with an ellipsis where it has more than `longest` characters."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def titled(title: str, data: str) -> str:
    """The title of a figure, with the name of the data behind it where one is given."""
    return f"{title} ({data})" if data else title


def evenly(images: pd.DataFrame, number: int) -> pd.DataFrame:
    """`number` rows spread evenly over the table, or all where it has fewer."""
    return images.iloc[np.linspace(0, len(images) - 1, min(number, len(images))).astype(int)]


def axes_of_size(width: float, height: float) -> Axes:
    """Empty axes in a figure of their own, in inches."""
    return plt.figure(figsize=(width, height), layout="constrained").add_subplot()


def label_rows(ax: Axes, labels: Sequence[str], first: float = 0, fontsize: float = 8) -> None:
    """Writes the labels beside horizontal bars or dots at `first`, `first` + 1 and so on, the first on top."""
    ax.set_yticks(np.arange(len(labels)) + first, labels, fontsize=fontsize, rotation=0, parse_math=False)
    ax.set_ylim(max(len(labels), 1) - 0.5 + first, -0.5 + first)
    ax.grid(False, axis="y")


def plain_numbers(*axes: Axis) -> None:
    """Writes 1,000 rather than 10 to the third on logarithmic axes."""
    for axis in axes:
        axis.set_major_formatter("{x:,g}")
        axis.set_minor_formatter("")


def plain_ratios(axis: Axis) -> None:
    """Marks 0.5, 0.75, 1, 1.5, 2, 3 and so on, on a logarithmic axis of ratios."""
    axis.set_major_locator(LogLocator(base=2, subs=(1, 1.5), numticks=12))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:.2g}")
