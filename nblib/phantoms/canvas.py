"""What phantoms are drawn with: shapes, a canvas, and the marks of findings."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy.ndimage import zoom

# ---- shapes: points (n, 2)


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


# ---- marks of findings: each draws one at x, y with a size and a grey value


def spot(canvas, x, y, size, value):
    """Draw a soft-edged oval of this grey with a half axis of this size."""
    canvas.paint(oval(x, y, size, size * canvas.rng.uniform(0.7, 1.1), canvas.rng.uniform(0, 90)), value, 0.02)


def rim(canvas, x, y, size, value):
    """Draw a lesion with a rim of this grey and a dimmer centre, in a soft halo."""
    canvas.paint(oval(x, y, size * 1.6, size * 1.7), 0.6 * canvas.pixels.mean(), 0.08)
    canvas.paint(oval(x, y, size, size), value)
    canvas.paint(oval(x, y, size * 0.5, size * 0.45), 0.45 * value, 0.03)


def haze(canvas, x, y, size, value):
    """Draw a soft opacity with a half width of this size, its grey added to the tissue behind it."""
    canvas.expose(oval(x, y, size, size * 1.3), value, 0.12)


def pool(canvas, x, y, size, value):
    """Draw fluid under a sagging surface with a half width of this size."""
    level = curve((x - size, y - 0.1), (x, y + 0.22), (x + size, y - 0.2))
    canvas.paint(np.concatenate([level, [(x + size, y + 0.35), (x - size, y + 0.35)]]), value, 0.03)


def crescent(canvas, x, y, size, value):
    """Draw a crescent of blood under the skull, on the side of x; y and size change nothing."""
    outer = curve((x, -0.83), (1.7 * x, -0.65), (1.8 * x, 0.0), (1.4 * x, 0.55))
    inner = curve((1.4 * x, 0.55), (1.3 * x, -0.1), (x, -0.83))
    canvas.paint(np.concatenate([outer, inner]), value)


def crack(canvas, x, y, size, value):
    """Draw a fracture: a slanting zigzag line with a half width of this size."""
    steps = np.linspace(-1, 1, 6)
    zigzag = np.stack([x + steps * size, y + 0.4 * size * steps + canvas.rng.normal(0, 0.02, 6)], axis=1)
    canvas.paint(zigzag, value, width=0.04)


def plate(canvas, x, y, size, value):
    """Draw an upright bone plate with a half length of this size and three screws across it."""
    rods = [box(x + dx, y + dy * size, 0.12, 0.018) for dx, dy in ((0, -0.7), (0, 0), (0, 0.7))]
    canvas.paint([box(x, y, 0.03, size), *rods], value)


def hip_prosthesis(canvas, x, y, size, value):
    """Draw a hip prosthesis: a ball with a radius of this size, and a stem down the femur."""
    out = canvas.side
    canvas.paint(oval(x, y - 0.08, size, size), value)
    canvas.paint(curve((x, y), (x + out * 0.16, y + 0.1), (x + out * 0.17, y + 0.75)), value, width=0.1)


def wire(canvas, x, y, size, value):
    """Draw a catheter from the top of the picture to its tip at x, y; size sets how thick it is."""
    canvas.expose(curve((2.5 * x, -1), (4 * x, -0.7), (x, -0.5), (x, y)), 0.5 * value, width=size * 1.5)


def pacemaker(canvas, x, y, size, value):
    """Draw a pacemaker with a half width of this size, and its lead into the heart."""
    canvas.paint(oval(x, y, size, size * 0.8), value)
    canvas.paint(curve((x, y), (0.2 * x, -0.6), (0, -0.1), (0.2, 0.35)), value, width=0.025)


def stone(canvas, x, y, size, value):
    """Draw an oval of this grey, a stone or a solid mass, and the acoustic shadow below it."""
    shadow = np.array([(x - size, y), (x + size, y), (x + 2 * size, 1.2), (x - 2 * size, 1.2)])
    canvas.paint(shadow, 0.06, 0.03)
    canvas.paint(oval(x, y, size, size * 0.6), value)


MARKS = {
    "spot": spot,
    "rim": rim,
    "haze": haze,
    "pool": pool,
    "crescent": crescent,
    "crack": crack,
    "plate": plate,
    "hip prosthesis": hip_prosthesis,
    "wire": wire,
    "pacemaker": pacemaker,
    "stone": stone,
}
