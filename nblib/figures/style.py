"""What all figures share: one style, colours of the splits, labels of concepts.

Colours are seaborn's colour-blind palette; they stay apart in print.
"""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

SPLIT_COLOURS = {"train": "C0", "val": "C1", "test": "C2"}

NameOf = Callable[[str], str]


def use_style() -> None:
    """Sets the one style of all figures."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind", rc={"figure.dpi": 90})


def concept_label(concept: str, name_of: NameOf, longest: int = 32) -> str:
    """The concept with its term, shortened, in front: `Thorax CT  C0040405`; the CUI alone where there is no term."""
    name = name_of(concept)
    if name == concept:
        return concept
    return f"{name if len(name) <= longest else name[: longest - 1].rstrip() + '…'}  {concept}"


def titled(title: str, data: str) -> str:
    """The title of a figure, with the name of the data behind it where one is given."""
    return f"{title} ({data})" if data else title


def evenly(images: pd.DataFrame, number: int) -> pd.DataFrame:
    """`number` rows spread evenly over the table, or all where it has fewer."""
    return images.iloc[np.linspace(0, len(images) - 1, min(number, len(images))).astype(int)]


def axes_of_size(width: float, height: float) -> Axes:
    """Empty axes in a figure of their own, in inches."""
    return plt.figure(figsize=(width, height), layout="constrained").add_subplot()
