"""Controls over the concepts of a data set; `nblib.data` counts what they show."""

import re
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path

import pandas as pd
from ipywidgets import HTML, BoundedIntText, Button, Dropdown, HBox, IntSlider, Layout, Select, Text, VBox

from nblib.data import Dataset, Examples, co_occurring_concepts, count_images, image_sizes, images_with, most_frequent
from nblib.figures import concept_label
from nblib.system import replacing
from nblib.widgets.inline import BLUE, EVERYTHING, SIDE, arrows, inline_bars, inline_picture, placeholder

IMAGES_PER_PAGE = 4  # side by side


def explore_concepts(dataset: Dataset) -> VBox:
    """Controls over the concepts of train and validation: filter and search them, pick one, see where it occurs."""
    return ConceptExplorer(dataset).box


class ConceptExplorer:
    """The explorer's controls and what they show.

    Filters (`split`, `category`, `top`, `minimum`, `search`) change `figure`, `table` and the concepts in `picked`;
    picking one of those changes `about` and `pictures`; `previous` and `next` turn the page of the pictures,
    which appear as soon as they are read (`loading`); `export` writes the table to a CSV file in the working folder.
    """

    def __init__(self, dataset: Dataset):
        self.dataset = dataset
        self.everything = self.filtered = Examples.of(dataset.split("train", "val").fillna({"category": "unknown"}))
        self.texts = {cui: f"{cui} {dataset.name_of(cui)}".casefold() for cui in self.everything.vocabulary.concepts}
        self.totals = _with_sums(count_images(self.everything.images))
        self.shown = self.images_with_concept = self.page_images = pd.DataFrame()
        self.page = 0
        self.loader = ThreadPoolExecutor(max_workers=1)
        self.figure, self.table, self.about, self.message, self.pages, self.pictures = (HTML() for _ in range(6))
        self._make_controls()
        self.table.add_class("explorer-table")
        scrolled = VBox([self.table], layout=Layout(max_height="28em", overflow="auto", flex="0 0 auto"))
        rows = [
            [self.split, self.category, self.top],
            [self.search, self.minimum, self.export, self.message],
            [self.figure, scrolled],
            [self.picked, self.about],
            [self.previous, self.next, self.pages],
        ]
        self.box = VBox([*map(HBox, rows), self.pictures])
        self._update()

    def _make_controls(self) -> None:
        images = self.everything.images
        self.split = Dropdown(options=[EVERYTHING, *sorted(images["split"].unique())], description="split")
        self.category = Dropdown(options=[EVERYTHING, *sorted(images["category"].unique())], description="category")
        self.top = IntSlider(20, min=5, max=60, step=5, description="top")
        self.minimum = BoundedIntText(1, min=1, max=max(len(images), 1), description="at least", tooltip="images")
        self.search = Text(description="search", placeholder="CUI or name")
        for control in (self.split, self.category, self.top, self.minimum, self.search):
            control.observe(self._update, "value")
        self.picked = Select(rows=20, layout=Layout(width="26em"))
        self.picked.observe(self._pick, "value")
        self.previous, self.next = arrows("images", self._turn)
        self.export = Button(description="Save as CSV", icon="download")
        self.export.on_click(self._save)

    def _update(self, _=None) -> None:
        """Shows the concepts that the filters leave as figure, as table, and as a list to pick from."""
        split, category = (None if box.value == EVERYTHING else box.value for box in (self.split, self.category))
        self.filtered = self.everything.where(split=split, category=category)
        counts = most_frequent(self.filtered)
        counts = counts[counts >= self.minimum.value]
        sought = self.search.value.strip().casefold()
        found = counts[[sought in self.texts[concept] for concept in counts.index]]
        counts = found.head(self.top.value)
        names = [self.dataset.name_of(concept) for concept in counts.index]
        self.shown = pd.DataFrame({"name": names, "images": counts, "share": counts / max(len(self.filtered), 1)})
        self.table.value = _table(self.shown)
        labels = [self._label(concept) for concept in counts.index]
        title = f"{self.dataset.title}: {self.split.value}, {self.category.value}; {len(counts)} of {len(found):,}"
        bars = ((label, n / counts.max(), f"{n:,}", BLUE) for label, n in zip(labels, counts, strict=True))
        self.figure.value = inline_bars(bars, title)
        before = self.picked.value
        self.picked.unobserve(self._pick, "value")
        self.picked.options = list(zip(labels, counts.index, strict=True))
        self.picked.value = before if before in counts.index else next(iter(counts.index), None)
        self.picked.observe(self._pick, "value")
        self._pick()

    def _pick(self, _=None) -> None:
        """Shows the picked concept: where it occurs, with what, and the first of its images."""
        self.page, concept = 0, self.picked.value
        self.images_with_concept = images_with(self.filtered, concept) if concept else self.filtered.images.head(0)
        self.about.value = self._about(concept) if concept else "No concept matches; widen the filters."
        self._turn(0)

    def _about(self, concept: str) -> str:
        co_occurring = co_occurring_concepts(self.filtered, concept).head(8)
        co_occurring.insert(0, "name", [self.dataset.name_of(other) for other in co_occurring.index])
        counts = _with_sums(count_images(images_with(self.everything, concept)), like=self.totals)
        shares = (counts / self.totals.where(self.totals > 0)).fillna(0)
        places = _table(counts.map("{:,}".format) + shares.map(" ({:.0%})".format))
        return (
            f"<b>{escape(self._label(concept, longest=80))}</b>"
            f"<p>Images with it, by split and category (share of all images there)</p>{places}"
            f"<p>It occurs with (lift: 1 is chance)</p>{_table(co_occurring)}"
        )

    def _turn(self, step: int) -> None:
        """Turns `step` pages of the picked concept's images, stopping at the ends."""
        last = max((len(self.images_with_concept) - 1) // IMAGES_PER_PAGE, 0)
        self.page = min(max(self.page + step, 0), last)
        first = self.page * IMAGES_PER_PAGE
        images = self.page_images = self.images_with_concept.iloc[first : first + IMAGES_PER_PAGE]
        self.pages.value = f"images {first + 1:,} to {first + len(images):,} of {len(self.images_with_concept):,}"
        self.previous.disabled, self.next.disabled = self.page == 0, self.page == last
        self._show(images, [placeholder("..." if path else "no picture") for path in images["path"]])
        self.loading = self.loader.submit(self._load, images)

    def _load(self, images: pd.DataFrame) -> None:
        """Shows the pictures of the page, unless another page has been opened meanwhile.

        In a thread of its own: controls should not wait for a disk, nor for a large row group of a parquet shard.
        """
        if self.page_images is images:
            pictures = [inline_picture(row) for row in image_sizes(images).itertuples()]
            if self.page_images is images:
                self._show(images, pictures)

    def _show(self, images: pd.DataFrame, pictures: list[str]) -> None:
        """Puts the pictures side by side, each above its image's name, its concepts and their names."""
        columns = []
        for picture, row in zip(pictures, images.itertuples(), strict=True):
            names = "".join(f"<li>{escape(self._label(concept))}</li>" for concept in row.concepts)
            caption = f"<div><b>{escape(row.image_id)}</b> {row.split}, {row.category}</div>"
            concepts = f"<ul style='margin:0;padding-left:1.2em'>{names}</ul>"
            columns.append(f"<div style='width:{SIDE + 60}px;line-height:1.3'>{picture}{caption}{concepts}</div>")
        self.pictures.value = f"<div style='display:flex;gap:1em'>{''.join(columns)}</div>"

    def _label(self, concept: str, longest: int = 32) -> str:
        return concept_label(concept, self.dataset.name_of, longest)

    def _save(self, _=None) -> None:
        """Writes the table that is shown to a CSV file in the working folder, and says where."""
        words = ["concepts", self.dataset.title, self.split.value, self.category.value, self.search.value]
        words += [f"top {self.top.value}", f"at least {self.minimum.value}"]
        path = Path.cwd() / (re.sub(r"\W+", "_", " ".join(words)).strip("_") + ".csv")
        with replacing(path) as beside:
            self.shown.to_csv(beside)
        self.message.value = f"written: {escape(str(path))}"


def _with_sums(counts: pd.DataFrame, like: pd.DataFrame | None = None) -> pd.DataFrame:
    """Images by split and category, with a row of sums; where `like` is given, with its rows and columns."""
    counts = counts.loc[:, counts.any()] if like is None else counts.reindex_like(like.drop("total")).fillna(0)
    return pd.concat([counts, counts.sum().to_frame("total").T]).astype(int)


def _table(table: pd.DataFrame) -> str:
    formats = {"images": "{:,}".format, "share": "{:.1%}".format, "lift": "{:.2f}".format}
    html = table.rename_axis(None).to_html(formatters=formats, border=0)
    html = html.replace("<th>", "<th style='text-align:left'>")  # JupyterLab's style puts text on the right
    return f"<div style='line-height:1.5'>{html}</div>"
