"""What explorers share: pictures for a page that a kernel writes, which need no file beside it."""

import io
from base64 import b64encode

from PIL import Image as Picture

from nblib.data import decode_image

EVERYTHING = "all"  # what a choice says that leaves nothing out
SIDE = 190  # pixels of a picture's longest side on the page


def inline_picture(row, side: int = SIDE) -> str:
    """The picture in its own proportions as an <img> that needs no file; a word where there is none.

    Args:
        row: of a table of images with path, width and height (`nblib.data.images.image_sizes`).
        side: pixels of its longest side.
    """
    if row.path is None:
        return as_word("no picture", side)
    try:
        pixels = decode_image(row.path, side)
    except ValueError:
        return as_word("can't be read", side)
    jpeg = io.BytesIO()
    Picture.fromarray(pixels).save(jpeg, format="jpeg", quality=85)
    scale = side / max(row.width, row.height)
    size = f"width='{row.width * scale:.0f}' height='{row.height * scale:.0f}'"
    return f"<img {size} style='max-width:none' src='data:image/jpeg;base64,{b64encode(jpeg.getvalue()).decode()}'>"


def as_word(said: str, side: int = SIDE) -> str:
    """What stands in the place of a picture."""
    return f"<div style='width:{side}px;padding:2em 0;color:gray'>{said}</div>"
