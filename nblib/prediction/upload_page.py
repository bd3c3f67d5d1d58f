"""The page that `nblib app` serves: upload an image, see its concepts. All of it stays in memory, nothing on disk."""

import base64
import io
from dataclasses import replace
from html import escape

import numpy as np
import pandas as pd
from ipywidgets import HTML, FileUpload, FloatSlider, HBox, Layout, VBox
from matplotlib import colormaps
from PIL import Image

from nblib.data import ImageInMemory, decode_image, image_sizes
from nblib.evaluation import Threshold
from nblib.prediction.predictor import Predictor
from nblib.prediction.trust import trust_table
from nblib.training import explain, trained_network

SIDE = 320  # pixels of the longest side of the uploaded picture on the page
EXPLAINED = 4  # concepts with Grad-CAM
OPACITY = 0.55  # of Grad-CAM over the image
STYLE = """<style>
.found { border-collapse: collapse; margin: 0.5em 0 } .found th, .found td { padding: 0.15em 0.7em; text-align: right }
.found th:nth-child(-n+2), .found td:nth-child(-n+2) { text-align: left } .found tr { border-bottom: 1px solid #ccc }
.maps { display: flex; flex-wrap: wrap; gap: 1em } .maps figure { margin: 0 } .problem { color: #a40000 }
.maps img { display: block }
</style>"""
COLUMNS = {"probability": ".2f", "calibrated": ".2f", "train": ".0f", "precision": ".2f"}
HEADINGS = {"train": "train images", "precision": "precision in the test half"}


class UploadPage:
    """An upload, a slider for the threshold, and what the run finds in the image; `box` shows them.

    `show(name, content)` is what an upload calls. `found` is the prediction of the last image, None without one.
    """

    def __init__(self, predictor: Predictor):
        self.predictor, self.run = predictor, predictor.runs[0]
        self.network = trained_network(self.run)
        self.source, self.found = None, None
        self.upload = FileUpload(multiple=False, description="Image or DICOM", layout=Layout(width="14em"))
        self.upload.observe(self._uploaded, "value")
        self.threshold = FloatSlider(
            0.5, min=0.01, max=0.99, step=0.01, description="threshold", continuous_update=False
        )
        self.threshold.observe(lambda _: self._draw(), "value")
        self.message, self.answer = HTML(), HTML()
        parts = [HTML(self._introduction()), HBox([self.upload, self.threshold]), self.message, self.answer]
        self.box = VBox(parts, layout=Layout(width="60em", max_width="95vw", margin="0 auto"))

    def show(self, name: str, content: bytes) -> None:
        """Predicts and shows one image, or says in a line why it can't be read."""
        self.source = ImageInMemory(name, content)
        self.found = self.predictor.predict_source(name, self.source)
        lines = [f"<p class='problem' role='alert'>{escape(str(problem))}</p>" for problem in self.found.problems]
        self.message.value = "".join(lines)
        self._draw()

    def _uploaded(self, change) -> None:
        for file in change["new"]:
            self.show(str(file["name"]), bytes(file["content"]))

    def _introduction(self) -> str:
        facts = [self.run.experiment.experiment_name, f"trained on {self.run.facts['data']}",
                 f"{len(self.predictor.vocabulary):,} concepts"]  # fmt: skip
        return (
            f"{STYLE}<h1>Concepts in an image</h1><p>{escape(', '.join(facts))}. <strong>Not a diagnosis, and not for "
            f"clinical use.</strong> The image stays in the memory of this machine while the page is open.</p>"
        )

    def _draw(self) -> None:
        """Shows the concepts above the threshold, the most probable first, and Grad-CAM of the first ones."""
        if self.found is None or not len(self.found):
            self.answer.value = ""
            return
        table = self._table()
        parts = [f"<h2>{len(table)} concepts above {self.threshold.value:.2f}</h2>", _html_table(table)]
        self.answer.value = "".join([self._picture(), *parts, self._maps(list(table.index[:EXPLAINED]))])

    def _table(self) -> pd.DataFrame:
        """`trust_table` of the concepts above the threshold, the most probable first."""
        selected = Threshold(self.threshold.value).select(self.found.probabilities, self.predictor.cap, False)
        table = trust_table(self.run, replace(self.found, selected=selected))
        return table.sort_values("probability", ascending=False, kind="stable")

    def _picture(self) -> str:
        """The uploaded image in its own proportions."""
        sizes = image_sizes(pd.DataFrame({"path": [self.source]}))
        width, height = sizes[["width", "height"]].iloc[0]
        scale = SIDE / max(width, height)
        picture = Image.fromarray(decode_image(self.source, SIDE))
        picture = picture.resize((max(round(width * scale), 1), max(round(height * scale), 1)))
        return _inline(picture, "the uploaded image")

    def _maps(self, concepts: list[str]) -> str:
        """Grad-CAM of these concepts, over the pixels that the network sees."""
        if not concepts:
            return ""
        pixels, maps = explain(self.run, self.source, concepts, self.network)
        figures = []
        for concept, activation in maps.items():
            name = escape(self.found.name_of(concept))
            picture = _inline(_overlaid(pixels, activation), f"Grad-CAM of {name}")
            figures.append(f"<figure>{picture}<figcaption>{name}</figcaption></figure>")
        return f"<h2>Where the evidence is (Grad-CAM; bright: strong)</h2><div class='maps'>{''.join(figures)}</div>"


def _overlaid(pixels: np.ndarray, activation: np.ndarray, side: int = 200) -> Image.Image:
    """The map, (size, size) from 0 to 1, over the pixels, (size, size, 3) uint8, as a picture."""
    colours = colormaps["inferno"](activation)[..., :3] * 255
    mixed = (1 - OPACITY) * pixels + OPACITY * colours
    return Image.fromarray(mixed.astype(np.uint8)).resize((side, side))


def _inline(picture: Image.Image, alternative: str) -> str:
    """An HTML image with the picture in it; `alternative` is escaped already."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return f'<img alt="{alternative}" src="data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}">'


def _html_table(table: pd.DataFrame) -> str:
    """One row per concept: its name, the CUI, and what is known of it; blank where nothing is."""
    columns = [name for name in COLUMNS if name in table]
    headings = ["concept", "CUI", *(HEADINGS.get(name, name) for name in columns)]
    rows = [f"<tr>{''.join(f'<th scope=col>{heading}</th>' for heading in headings)}</tr>"]
    for row in table.reset_index().to_dict("records"):
        texts = [row["name"] or row["concept"], row["concept"]]
        texts += ["" if pd.isna(row[name]) else format(row[name], COLUMNS[name]) for name in columns]
        rows.append(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in texts)}</tr>")
    return f"<table class='found'>{''.join(rows)}</table>"
