"""Controls over the concepts of a data set; what they show is asked of `nblib.data.counting`."""

import re
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path

import pandas as pd
from ipywidgets import (
    HTML,
    BoundedIntText,
    Button,
    Dropdown,
    HBox,
    IntSlider,
    Layout,
    Select,
    Text,
    VBox,
)

from nblib.data import Dataset, Examples, co_occurring_concepts, concept_counts, image_sizes, images_with, most_frequent
from nblib.figures import NameOf, concept_label
from nblib.system import replacing
from nblib.widgets.pictures import EVERYTHING, SIDE, as_word, inline_picture

A_PAGE = 4  # images shown side by side
BAR_COLOUR = "#0173b2"  # the first of seaborn's colour-blind palette, as in the figures


def explore_concepts(dataset: Dataset) -> VBox:
    """Controls over the concepts of train and validation: choose, search, pick one, see its company and images."""
    return ConceptExplorer(dataset).box


class ConceptExplorer:
    """The explorer's controls and what they show.

    Choosing (`split`, `category`, `top`, `minimum`, `search`) changes `figure`, `table` and the concepts in `picked`;
    picking one of those changes `about` and `pictures`; `previous` and `following` turn the page of the pictures,
    which come as soon as they are read (`loading`); `export` writes the table to a CSV file in the working folder.
    """

    def __init__(self, dataset: Dataset):
        self.dataset = dataset
        self.everything = self.chosen = Examples.of(_placed(dataset.split("train", "val")))
        self.images_at = _count_places(self.everything.images)
        self.texts = {
            concept: f"{concept} {dataset.name_of(concept)}".casefold()
            for concept in concept_counts(self.everything).index
        }
        self.shown = self.carriers = pd.DataFrame()
        self.page, self.asked = 0, self.shown
        self.loader = ThreadPoolExecutor(max_workers=1)
        self._make_controls()
        self._make_views()
        self.box = self._laid_out()
        self._listen()
        self._choose()

    def _make_controls(self) -> None:
        images = self.everything.images
        self.split = Dropdown(options=[EVERYTHING, *images["split"].cat.categories], description="split")
        self.category = Dropdown(options=[EVERYTHING, *images["category"].cat.categories], description="category")
        self.top = IntSlider(20, min=5, max=60, step=5, description="top")
        self.minimum = BoundedIntText(1, min=1, max=max(len(images), 1), description="at least", tooltip="images")
        self.search = Text(description="search", placeholder="CUI or name")
        self.export = Button(description="Save as CSV", icon="download")
        self.picked = Select(rows=20, layout=Layout(width="26em"))
        self.previous = Button(icon="arrow-left", tooltip="previous images", layout=Layout(width="4em"))
        self.following = Button(icon="arrow-right", tooltip="next images", layout=Layout(width="4em"))

    def _make_views(self) -> None:
        self.figure, self.table, self.about, self.told, self.pages, self.pictures = (HTML() for _ in range(6))

    def _laid_out(self) -> VBox:
        self.table.add_class("explorer-table")
        scrolled = VBox([self.table], layout=Layout(max_height="28em", overflow="auto", flex="0 0 auto"))
        return VBox(
            [
                HBox([self.split, self.category, self.top]),
                HBox([self.search, self.minimum, self.export, self.told]),
                HBox([self.figure, scrolled]),
                HBox([self.picked, self.about]),
                HBox([self.previous, self.following, self.pages]),
                self.pictures,
            ]
        )

    def _listen(self) -> None:
        for control in (self.split, self.category):
            control.observe(self._choose, "value")
        for control in (self.top, self.minimum, self.search):
            control.observe(self._list, "value")
        self.picked.observe(self._pick, "value")
        self.previous.on_click(lambda _: self._turn(-1))
        self.following.on_click(lambda _: self._turn(1))
        self.export.on_click(self._save)

    def _choose(self, _=None) -> None:
        """Takes the images of the split and the category."""
        split, category = (None if box.value == EVERYTHING else box.value for box in (self.split, self.category))
        self.chosen = self.everything.where(split=split, category=category)
        self._list()

    def _list(self, _=None) -> None:
        """Shows the concepts that are asked for, as figure, table and list to pick from."""
        counts = most_frequent(self.chosen)
        counts = counts[counts >= self.minimum.value]
        sought = self.search.value.strip().casefold()
        found = counts[[sought in self.texts[concept] for concept in counts.index]]
        counts = found.head(self.top.value)
        names = [self.dataset.name_of(concept) for concept in counts.index]
        self.shown = pd.DataFrame({"name": names, "images": counts, "share": counts / max(len(self.chosen), 1)})
        self.table.value = _table(self.shown)
        title = f"{self.dataset.title}: {self.split.value}, {self.category.value}; {len(counts)} of {len(found):,}"
        self.figure.value = _bars(counts, self.dataset.name_of, title)
        options = [(concept_label(concept, self.dataset.name_of), concept) for concept in counts.index]
        kept = self.picked.value
        self.picked.unobserve(self._pick, "value")
        self.picked.options = options
        self.picked.value = kept if kept in counts.index else next(iter(counts.index), None)
        self.picked.observe(self._pick, "value")
        self._pick()

    def _pick(self, _=None) -> None:
        """Shows the picked concept: where it occurs, with what, and the first of its images."""
        self.page = 0
        if self.picked.value is None:
            self.carriers = self.chosen.images.head(0)
            self.about.value = "No concept is shown; widen the choice."
        else:
            self.carriers = images_with(self.chosen, self.picked.value)
            self.about.value = self._about(self.picked.value)
        self._turn(0)

    def _about(self, concept: str) -> str:
        companions = co_occurring_concepts(self.chosen, concept).head(8)
        companions.insert(0, "name", [self.dataset.name_of(other) for other in companions.index])
        return (
            f"<b>{escape(concept_label(concept, self.dataset.name_of, longest=80))}</b>"
            f"<p>Images with it, by split and category (share of all images there)</p>{self._places(concept)}"
            f"<p>It occurs with (lift: 1 is chance)</p>{_table(companions)}"
        )

    def _places(self, concept: str) -> str:
        """Images of the concept by split and category, with their share, as HTML."""
        images = _count_places(images_with(self.everything, concept))
        share = (images / self.images_at.where(self.images_at > 0)).fillna(0)
        return (images.map("{:,}".format) + share.map(" ({:.0%})".format)).rename_axis(None).to_html(border=0)

    def _turn(self, step: int) -> None:
        """Turns `step` pages of the picked concept's images, stopping at the ends."""
        last = max((len(self.carriers) - 1) // A_PAGE, 0)
        self.page = min(max(self.page + step, 0), last)
        first = self.page * A_PAGE
        images = self.carriers.iloc[first : first + A_PAGE]
        self.pages.value = f"images {first + 1:,} to {first + len(images):,} of {len(self.carriers):,}"
        self.previous.disabled, self.following.disabled = self.page == 0, self.page == last
        self.asked = images
        self._show(images, [as_word("..." if path else "no picture") for path in images["path"]])
        self.loading = self.loader.submit(self._load, images)

    def _load(self, images: pd.DataFrame) -> None:
        """Shows the pictures of the page, unless another one has been asked for meanwhile.

        In a thread of its own: a hand should not wait for a disk, nor for a large row group of a parquet shard.
        """
        pictures = []
        for row in range(len(images)):
            if self.asked is not images:
                return
            pictures += [inline_picture(one) for one in image_sizes(images.iloc[[row]]).itertuples()]
        if self.asked is images:
            self._show(images, pictures)

    def _show(self, images: pd.DataFrame, pictures: list[str]) -> None:
        rows = zip(pictures, images.itertuples(), strict=True)
        self.pictures.value = _side_by_side(picture + self._told(row) for picture, row in rows)

    def _told(self, row) -> str:
        """What stands below an image: its name, its concepts and their names, as HTML."""
        names = [f"<li>{escape(concept_label(concept, self.dataset.name_of))}</li>" for concept in row.concepts]
        told = f"<b>{escape(row.image_id)}</b> {row.split}, {row.category}"
        return f"<div>{told}</div><ul style='margin:0;padding-left:1.2em'>{''.join(names)}</ul>"

    def _save(self, _=None) -> None:
        """Writes the table that is shown to a CSV file in the working folder, and says where."""
        words = ["concepts", self.dataset.title, self.split.value, self.category.value, self.search.value]
        words += [f"top {self.top.value}", f"at least {self.minimum.value}"]
        path = Path.cwd() / (re.sub(r"\W+", "_", " ".join(words)).strip("_") + ".csv")
        with replacing(path) as beside:
            self.shown.to_csv(beside)
        self.told.value = f"written: {escape(str(path))}"


def _placed(images: pd.DataFrame) -> pd.DataFrame:
    """The images with split and category as categoricals, which pandas compares and counts at once."""
    category = images["category"].astype(object).fillna("unknown").astype("category")
    return images.assign(split=images["split"].astype("category"), category=category)


def _count_places(images: pd.DataFrame) -> pd.DataFrame:
    """Images by split and category, those of `_placed`, with sums."""
    table = images.groupby(["split", "category"], observed=False).size().unstack().rename_axis(columns=None)
    table = pd.DataFrame(table.to_numpy(), list(table.index), list(table.columns))
    table[EVERYTHING] = table.sum(axis=1)
    return pd.concat([table, table.sum().to_frame(EVERYTHING).T])


def _table(table: pd.DataFrame) -> str:
    formats = {"images": "{:,}".format, "share": "{:.1%}".format, "lift": "{:.2f}".format}
    html = table.rename_axis(None).to_html(formatters=formats, border=0)
    return f"<div style='line-height:1.5'>{html}</div>"


def _bars(counts: pd.Series, name_of: NameOf, title: str) -> str:
    """The bars of the concepts as SVG: matplotlib takes longer than a hand on a slider should wait."""
    longest = max(counts.max(), 1) if len(counts) else 1
    row = (
        "<text x='{left}' y='{y}' text-anchor='end'>{label}</text>"
        "<rect x='{bar}' y='{top}' width='{width:.1f}' height='12' fill='{colour}'/>"
        "<text x='{end:.1f}' y='{y}'>{images:,}</text>"
    )
    rows = []
    for number, (concept, images) in enumerate(counts.items()):
        width, y = 260 * images / longest, 40 + 16 * number
        place = {"left": 290, "bar": 296, "y": y, "top": y - 10, "width": width, "end": 302 + width}
        label = escape(concept_label(concept, name_of))
        rows.append(row.format(**place, label=label, images=images, colour=BAR_COLOUR))
    size = f"width='620' height='{40 + 16 * len(counts)}'"
    head = f"<text x='4' y='16' font-weight='bold'>{escape(title)}</text>"
    return f"<svg {size} font-size='12' fill='currentColor'>{head}{''.join(rows)}</svg>"


def _side_by_side(pieces) -> str:
    column = f"<div style='width:{SIDE + 60}px;line-height:1.3'>"
    return "<div style='display:flex;gap:1em'>" + "".join(f"{column}{piece}</div>" for piece in pieces) + "</div>"
