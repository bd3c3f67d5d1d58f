"""Pictures and bars as HTML that needs no file beside it, and the buttons that both explorers have."""

import io
from base64 import b64encode
from collections.abc import Callable, Iterable
from html import escape

from ipywidgets import Button, Layout
from PIL import Image

from nblib.data import decode_image

EVERYTHING = "all"  # the choice that leaves nothing out
BLUE, ORANGE, GREY = "#0173b2", "#de8f05", "#949494"  # of seaborn's colour-blind palette, as in the figures
SIDE = 190  # pixels of a picture's longest side on the page
ROW, LEFT, LONGEST = 17, 296, 220  # pixels of a row of bars, where bars begin, and of the longest bar


def inline_picture(row, side: int = SIDE) -> str:
    """The picture in its own proportions as an <img> element; a short text where there is none.

    Args:
        row: of a table of images with path, width and height (`nblib.data.image_sizes`).
        side: pixels of its longest side.
    """
    if row.path is None:
        return placeholder("no picture", side)
    try:
        pixels = decode_image(row.path, side)
    except ValueError:
        return placeholder("can't be read", side)
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, format="jpeg", quality=85)
    scale = side / max(row.width, row.height)
    size = f"width='{row.width * scale:.0f}' height='{row.height * scale:.0f}'"
    return f"<img {size} style='max-width:none' src='data:image/jpeg;base64,{b64encode(jpeg.getvalue()).decode()}'>"


def placeholder(text: str, side: int = SIDE) -> str:
    """The text in the place of a picture."""
    return f"<div style='width:{side}px;padding:2em 0;color:gray'>{text}</div>"


def inline_bars(bars: Iterable[tuple[str, float, str, str]], title: str = "", threshold: float | None = None) -> str:
    """Bars from top to bottom as an <svg> element: drawn by matplotlib they would lag behind the slider.

    Args:
        bars: of each its label, length in [0, 1], what to write at its end, and colour.
        title: above the bars.
        threshold: in [0, 1], a dashed line.
    """
    drawn = [f"<text x='4' y='12' font-weight='bold'>{escape(title)}</text>"]
    bottom = 22
    for label, length, note, colour in bars:
        end, text = LEFT + LONGEST * (length if threshold is None else 1), bottom + 11  # notes keep off the dashed line
        drawn += [
            f"<text x='{LEFT - 6}' y='{text}' text-anchor='end'>{escape(label)}</text>",
            f"<rect x='{LEFT}' y='{bottom}' width='{LONGEST * length:.1f}' height='12' fill='{colour}'/>",
            f"<text x='{end + 6:.1f}' y='{text}'>{escape(note)}</text>",
        ]
        bottom += ROW
    if threshold is not None:
        line = f"x1='{LEFT + LONGEST * threshold:.1f}' x2='{LEFT + LONGEST * threshold:.1f}' y1='18' y2='{bottom}'"
        drawn.append(f"<line {line} stroke='currentColor' stroke-dasharray='4'/>")
    return f"<svg width='600' height='{bottom}' font-size='12' fill='currentColor'>{''.join(drawn)}</svg>"


def arrows(noun: str, turn: Callable[[int], None]) -> list[Button]:
    """Buttons to the previous and to the next of something: they call `turn` with -1 and 1."""
    buttons = []
    for step, icon, which in ((-1, "arrow-left", "previous"), (1, "arrow-right", "next")):
        buttons.append(Button(icon=icon, tooltip=f"{which} {noun}", layout=Layout(width="4em")))
        buttons[-1].on_click(lambda _, step=step: turn(step))
    return buttons
