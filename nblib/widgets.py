"""Handles on the figures: ipywidgets around `nblib.figures`, for JupyterLab. Nothing is computed here."""

import matplotlib.pyplot as plt
from IPython.display import display
from ipywidgets import Dropdown, IntSlider, Output, VBox

from nblib.concepts import concept_counts
from nblib.dataset import Dataset
from nblib.figures import draw_top_concepts


def explore_concepts(dataset: Dataset) -> VBox:
    """Choose split, category and how many: the most frequent concepts as a figure and as a table with their names."""
    labelled = dataset.split("train", "val")
    everything = "all"
    split = Dropdown(options=[everything, "train", "val"], description="split")
    categories = sorted(labelled["category"].dropna().unique())
    category = Dropdown(options=[everything, *categories], description="category")
    top = IntSlider(30, min=5, max=60, step=5, description="top")
    shown = Output()

    def show(_=None) -> None:
        images = labelled
        if split.value != everything:
            images = images[images["split"] == split.value]
        if category.value != everything:
            images = images[images["category"] == category.value]
        with shown:
            shown.clear_output(wait=True)
            draw_top_concepts(images, top.value, f"{dataset.title}: {split.value}, {category.value}")
            plt.show()
            table = concept_counts(images["concepts"]).head(top.value).to_frame()
            table.insert(0, "name", [dataset.name_of(concept) for concept in table.index])
            display(table)

    for control in (split, category, top):
        control.observe(show, names="value")
    show()
    return VBox([split, category, top, shown])
