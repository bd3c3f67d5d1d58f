"""The marks of findings: each function draws one at x, y with a size and a grey value."""

import numpy as np

from nblib.phantoms.canvas import box, curve, oval


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
