"""Studies by ultrasound."""

import numpy as np
from PIL import ImageDraw
from scipy.ndimage import gaussian_filter

from nblib.phantoms.canvas import both, box, curve, oval


def kidney_scan(canvas):
    """Draw an ultrasound scan of the kidney: dim cortex, bright sinus, and black calyces in hydronephrosis."""
    canvas.pixels += 0.42
    canvas.paint(oval(0, 0.0, 0.6, 0.33, -12), 0.25, soft=0.02)
    canvas.paint(oval(0, 0.02, 0.34, 0.12, -12), 0.85, soft=0.05)
    if "Hydronephrosis" in canvas.found:
        canvas.paint([oval(x, 0.02 - 0.2 * x, 0.13, 0.1) for x in (-0.2, 0.02, 0.22)], 0.02)


def gallbladder_scan(canvas):
    """Draw an ultrasound scan of the gallbladder: bright wall, black bile, and a brighter echo below it."""
    canvas.pixels += 0.45
    canvas.paint(oval(0, 0.02, 0.42, 0.22, 25), 0.75)
    canvas.paint(oval(0, 0.02, 0.38, 0.18, 25), 0.02)
    canvas.expose(box(0, 0.6, 0.25, 0.3), 0.25, soft=0.08)


def heart_scan(canvas):
    """Draw an ultrasound scan of the heart, its four chambers and valves, in black fluid if effusion is found."""
    canvas.pixels += 0.25
    if "Pericardial effusion" in canvas.found:
        canvas.paint(oval(0, 0.1, 0.68, 0.85), 0.02)
    canvas.paint(oval(0, 0.1, 0.56, 0.75), 0.6, soft=0.02)
    left_ventricle = oval(0.2, -0.15, 0.24 if "Pathological Dilatation" in canvas.found else 0.17, 0.34)
    canvas.paint([left_ventricle, oval(-0.22, -0.1, 0.13, 0.28), *both(oval(0.21, 0.49, 0.16, 0.17))], 0.03)
    canvas.paint(both(curve((0.36, 0.24), (0.22, 0.2), (0.12, 0.05))), 0.9, width=0.03)  # valves


def fetal_scan(canvas):
    """Draw an ultrasound scan of a fetus in its black fluid: head, trunk, spine, an arm and a leg."""
    canvas.pixels += 0.4
    canvas.paint(oval(0, 0.05, 0.72, 0.42), 0.02, soft=0.02)
    canvas.paint([oval(-0.32, 0.02, 0.19, 0.18), oval(0.1, 0.14, 0.3, 0.18, 10)], 0.7, soft=0.02)
    canvas.paint(oval(-0.32, 0.02, 0.14, 0.13), 0.3, soft=0.02)
    leg, arm = curve((0.3, 0.1), (0.42, -0.1), (0.5, 0.08)), curve((0.05, 0.05), (0.0, -0.2), (-0.1, -0.1))
    canvas.paint([leg, arm], 0.75, width=0.08)
    canvas.paint([oval(x, 0.24, 0.02, 0.03) for x in np.linspace(-0.1, 0.35, 9)], 1.0)  # spine


def breast_scan(canvas):
    """Draw an ultrasound scan of the breast: the layers from skin to chest wall, and strands of fibre."""
    layers = ((0.75, -0.9, 0.12), (0.35, -0.6, 0.25), (0.6, -0.05, 0.35), (0.35, 0.45, 0.2), (0.15, 0.85, 0.25))
    for value, y, half in layers:
        canvas.paint(box(0, y, 1.3, half), value, soft=0.05)
    for y in np.linspace(-0.8, 0.8, 9):
        canvas.expose(curve((-1.2, y), (0, y + canvas.rng.normal(0, 0.2)), (1.2, y)), 0.2, width=0.03)


def insonate(canvas, fan):
    """Turn tissue into its echo: speckle, weaker with depth, seen through a fan or a window."""
    speckle = gaussian_filter(canvas.rng.rayleigh(0.8, canvas.pixels.shape), (0.7, 1.3))
    depth = np.linspace(1.15, 0.65, canvas.pixels.shape[0])[:, None]
    angles = np.deg2rad(np.linspace(-42, 42, 24))
    arc = np.stack([1.44 * np.sin(angles), 2 * np.cos(angles) - 1.1], axis=1)
    outline = np.array([*arc, (0.12, -0.95), (-0.12, -0.95)]) if fan else box(0, 0, 0.92, 0.92)
    canvas.pixels *= speckle * depth * canvas.cover(outline)


def doppler(picture, rng):
    """The scan with a box of blood flow in red and orange (towards the probe) and blue (away)."""
    picture, (width, height) = picture.convert("RGB"), picture.size
    pen, corner = ImageDraw.Draw(picture), rng.uniform(0.3, 0.4, 2) * picture.size
    pen.rectangle([*corner, corner[0] + 0.3 * width, corner[1] + 0.3 * height], outline=(230, 230, 60))
    for colour in ((220, 40, 20), (30, 60, 220), (250, 120, 30)):
        x, y = corner + rng.uniform(0.03, 0.2, 2) * picture.size
        pen.ellipse([x, y, x + 0.09 * width, y + 0.06 * height], fill=colour)
    return picture
