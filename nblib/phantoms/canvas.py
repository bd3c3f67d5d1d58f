"""What phantoms are drawn with: shapes, which are points (n, 2), and a canvas."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy.ndimage import zoom


def oval(x, y, a, b, turn=0.0):
    """Outline of an ellipse at x, y with half axes a, b, turned by degrees, (48, 2)."""
    angle, turn = np.linspace(0, 2 * np.pi, 48, endpoint=False), np.deg2rad(turn)
    across, along = a * np.cos(angle), b * np.sin(angle)
    turned = [across * np.cos(turn) - along * np.sin(turn), across * np.sin(turn) + along * np.cos(turn)]
    return np.stack(turned, axis=1) + np.array((x, y))


def curve(*points):
    """Bezier curve with these control points, (24, 2)."""
    curves, t = np.array(points, dtype=float)[:, None, :], np.linspace(0, 1, 24)[:, None]
    while len(curves) > 1:
        curves = curves[:-1] * (1 - t) + curves[1:] * t
    return curves[0]


def ribbon(path, width):
    """Outline of a tube along a path, (2 n, 2); width is one number or one for each point."""
    ahead = np.gradient(path, axis=0)
    normal = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) / (np.hypot(*ahead.T)[:, None] + 1e-9)
    offset = normal * np.broadcast_to(width, len(path))[:, None] / 2
    return np.concatenate([path + offset, (path - offset)[::-1]])


def box(x, y, a, b):
    """Corners of a rectangle at x, y with half sides a, b, (4, 2)."""
    return np.array([(x - a, y - b), (x + a, y - b), (x + a, y + b), (x - a, y + b)])


def both(points):
    """The same on both sides of the midline, a list of two (n, 2)."""
    return [points * (-1, 1), points]


class Canvas:
    """A grey picture in the making: x, y run from -1 to 1 (left to right, top to bottom), grey about 0 to 1.

    A slight turn, scale and shift of all outlines, and a scale and shift of each, make no two patients alike.
    `side` is 1 if the picture's sided finding is on the right of the picture (the patient's left), else -1.
    """

    def __init__(self, rng, size, found):
        """Black canvas of a size (width, height) in pixels; found holds the names of the concepts to show."""
        self.rng, self.size, self.found = rng, size, found
        self.side = int(rng.choice([-1, 1]))
        self.pixels = np.zeros(size[::-1], dtype=np.float32)
        self.turn, self.scale = rng.normal(0, 0.04), rng.uniform(0.86, 1.02)
        self.shift = rng.normal(0, 0.03, 2)

    def cover(self, outlines, soft=0.0, width=0.0):
        """How much of each pixel the outlines cover, 0..1, (height, width); with a width they are lines."""
        mask = Image.new("L", self.size)
        pen, (cosine, sine) = ImageDraw.Draw(mask), (np.cos(self.turn), np.sin(self.turn))
        for points in outlines if isinstance(outlines, list) else [outlines]:
            points = points * self.rng.normal(1, 0.03, 2) + self.rng.normal(0, 0.012, 2)
            turned = points @ np.array([[cosine, sine], [-sine, cosine]]) * self.scale + self.shift
            corners = [tuple(corner) for corner in ((turned + 1) / 2 * self.size).tolist()]
            if width:
                pen.line(corners, fill=255, width=max(1, round(width * self.size[0] / 2)), joint="curve")
            else:
                pen.polygon(corners, fill=255)
        if soft:
            mask = mask.filter(ImageFilter.GaussianBlur(soft * self.size[0] / 2))
        return np.asarray(mask, dtype=np.float32) / 255

    def paint(self, outlines, value, soft=0.0, width=0.0):
        """Replace what lies under the outlines: a section through tissue of this grey."""
        self.pixels += self.cover(outlines, soft, width) * (value * self.rng.normal(1, 0.04) - self.pixels)

    def expose(self, outlines, value, soft=0.0, width=0.0):
        """Add to what lies under the outlines: shadows on a film add up."""
        self.pixels += self.cover(outlines, soft, width) * value * self.rng.normal(1, 0.06)

    def texture(self, amount, grain):
        """Multiply grey by clouds around 1 of a standard deviation of about 2/3 amount, with grain in pixels."""
        cells = self.rng.normal(0, amount, [side // grain + 2 for side in self.pixels.shape])
        clouds = zoom(cells, grain, order=1)[: self.pixels.shape[0], : self.pixels.shape[1]]
        self.pixels *= 1 + clouds.astype(np.float32)

    def write(self, text, x, y):
        """Write text in white, its top left corner at x, y."""
        mask = Image.new("L", self.size)
        at = tuple(((np.array((x, y)) + 1) / 2 * self.size).tolist())
        ImageDraw.Draw(mask).text(at, text, fill=255, font=ImageFont.load_default(size=max(self.size) / 14))
        self.pixels += np.asarray(mask, dtype=np.float32) / 255 * (1 - self.pixels)
