"""Studies that show the shadows of all that lies between source and film: X-ray films and angiograms."""

from itertools import pairwise

import numpy as np

from nblib.phantoms.canvas import both, box, curve, oval, ribbon


def thorax(canvas, heart):
    """Draw ribs, lungs, spine and diaphragm, and a heart with this half axis."""
    flank = curve((0.2, -1.1), (1.0, -0.9), (0.95, 0.2), (0.9, 1.2))
    canvas.expose(np.concatenate([flank, (flank * (-1, 1))[::-1]]), 0.45, soft=0.05)
    canvas.paint(both(oval(0.44, -0.12, 0.33, 0.68, -6)), 0.12, soft=0.04)
    for y in np.arange(-0.65, 0.5, 0.15):
        rib = curve((0.08, y - 0.1), (0.5, y - 0.25), (0.85, y), (0.75, y + 0.25))
        canvas.expose(both(rib), 0.11, width=0.05)
    canvas.expose(both(curve((0.06, -0.68), (0.4, -0.62), (0.85, -0.82))), 0.22, width=0.06)  # clavicles
    canvas.expose(box(0, 0, 0.09, 1.2), 0.28, soft=0.03)
    for y in (-0.3, -0.1, 0.2):
        canvas.expose(both(curve((0.1, -0.1), (0.25, y), (0.55, y * 1.5))), 0.1, soft=0.02, width=0.03)
    canvas.paint(oval(0.14, 0.25, heart, 0.33, 35), 0.75, soft=0.03)
    canvas.paint([oval(0.05, -0.2, 0.14, 0.3), oval(0.12, -0.35, 0.11, 0.1)], 0.62, soft=0.04)
    dome = np.concatenate([curve((0.95, 0.75), (0.5, 0.28), (0, 0.66)), [(0, 1.3), (0.95, 1.3)]])
    canvas.paint(both(dome), 0.82)


def chest_film(canvas):
    """Draw a film of the chest: the heart is wide in cardiomegaly, a pneumothorax is black."""
    thorax(canvas, heart=0.5 if "Cardiomegaly" in canvas.found else 0.27)
    if "Pneumothorax" in canvas.found:
        canvas.paint(oval(canvas.side * 0.62, -0.35, 0.16, 0.4, canvas.side * -12), 0.0)


def bedside_chest_film(canvas):
    """Draw a film of the chest taken in bed: a wide heart, scapulae, electrode leads and the letters AP."""
    thorax(canvas, heart=0.4)
    canvas.expose(both(oval(0.72, -0.5, 0.2, 0.3, 20)), 0.16, soft=0.03)  # scapulae
    leads = [curve((s * 0.9, -0.9), (s * 0.2, y), (s * 0.5, 0.4)) for s, y in ((-1, 0.1), (1, -0.3))]
    canvas.expose(leads, 0.3, width=0.015)
    canvas.write("AP", -0.9, -0.9)


def long_bone(canvas, path, width, value=0.42):
    """Draw a shaft: a tube with a denser cortex and wide ends."""
    widths = width * (0.75 + 0.5 * np.abs(np.linspace(-1, 1, len(path))) ** 3)
    canvas.expose(ribbon(path, widths), value)
    canvas.expose(ribbon(path, widths * 0.5), -0.3 * value, soft=0.03)


def knee_film(canvas):
    """Draw a film of the knee: femur, tibia and an outer fibula; patella, worn edges or prosthesis if found."""
    canvas.expose(box(0, 0, 0.75, 1.3), 0.22, soft=0.08)
    out, worn = canvas.side, "Degenerative polyarthritis" in canvas.found
    long_bone(canvas, curve((0, -1.3), (0, -0.6), (0, -0.2)), 0.42)
    canvas.expose(both(oval(0.22, -0.2, 0.24, 0.2)), 0.3, soft=0.02)
    canvas.expose(oval(0, 0.2 - 0.06 * worn, 0.48, 0.15), 0.5, soft=0.02)
    long_bone(canvas, curve((0, 0.2), (0, 0.6), (0, 1.3)), 0.42)
    long_bone(canvas, curve((out * 0.4, 0.35), (out * 0.42, 0.8), (out * 0.4, 1.3)), 0.14)
    if "Bone structure of patella" in canvas.found:
        canvas.expose(oval(0, -0.32, 0.17, 0.19), 0.22)
    if worn:
        canvas.expose(both(oval(0.48, -0.06, 0.08, 0.05)) + both(oval(0.48, 0.08, 0.08, 0.05)), 0.5)
    if "Prosthesis" in canvas.found:
        canvas.paint([oval(0, -0.16, 0.46, 0.14), box(0, 0.14, 0.45, 0.05), box(0, 0.4, 0.06, 0.25)], 1.2)


def rays(canvas, spread, joints, width):
    """Draw five digits in their flesh: bones between joints, which are distances from wrist or heel."""
    for angle, reach in zip(np.linspace(-spread, spread, 5), (0.85, 0.98, 1.0, 0.96, 0.8), strict=True):
        ahead = reach * np.array([np.sin(angle) * canvas.side, -np.cos(angle)])
        base = np.array((0, 0.6))
        canvas.expose(ribbon(np.outer((0.2, joints[-1]), ahead) + base, 1.8 * width), 0.14, soft=0.02)
        for start, end in pairwise(joints):
            long_bone(canvas, np.linspace((start + 0.03) * ahead, (end - 0.02) * ahead, 10) + base, width)


def hand_film(canvas):
    """Draw a film of the hand: five digits, eight carpal bones, and the two bones of the forearm."""
    canvas.expose(oval(0, 0.15, 0.45, 0.5), 0.14, soft=0.03)
    rays(canvas, 0.62, (0.25, 0.75, 1.1, 1.35, 1.55), 0.12)
    canvas.expose([oval(x, y, 0.09, 0.07) for y in (0.48, 0.62) for x in (-0.22, -0.06, 0.1, 0.24)], 0.32)
    long_bone(canvas, curve((-0.13, 0.75), (-0.13, 1.0), (-0.15, 1.4)), 0.24)
    long_bone(canvas, curve((0.15, 0.75), (0.15, 1.0), (0.17, 1.4)), 0.18)


def foot_film(canvas):
    """Draw a film of the foot from above: five digits, five tarsal bones and the heel."""
    canvas.expose([oval(0, 0.1, 0.42, 1.0), oval(0, 0.75, 0.3, 0.3)], 0.15, soft=0.04)
    rays(canvas, 0.3, (0.3, 1.0, 1.3, 1.42), 0.14)
    tarsals = ((-0.22, 0.3), (0, 0.27), (0.2, 0.3), (-0.12, 0.48), (0.14, 0.5))
    canvas.expose([oval(x, y, 0.13, 0.11) for x, y in tarsals], 0.35)
    canvas.expose(oval(0.04 * canvas.side, 0.82, 0.19, 0.28), 0.45, soft=0.02)


def pelvis_film(canvas):
    """Draw a film of the pelvis: hip bones, sacrum, two lumbar vertebrae and both femurs."""
    canvas.expose(oval(0, 0, 1.0, 1.3), 0.2, soft=0.1)
    wing = curve((0.18, 0.05), (0.1, -0.9), (0.5, -1.1), (1.15, -0.55), (0.55, -0.25), (0.62, 0.15))
    canvas.expose(both(wing), 0.3)
    canvas.expose(np.array([(-0.24, -0.6), (0.24, -0.6), (0.06, 0.05), (-0.06, 0.05)]), 0.28, soft=0.02)
    canvas.expose([box(0, y, 0.15, 0.08) for y in (-0.95, -0.75)], 0.3)
    canvas.expose(both(oval(0.25, 0.36, 0.2, 0.16, -20)), 0.32)
    canvas.paint(both(oval(0.25, 0.38, 0.1, 0.08, -20)), 0.22, soft=0.02)
    canvas.expose(both(oval(0.56, 0.1, 0.14, 0.14)), 0.34)
    for femur in both(curve((0.56, 0.1), (0.8, 0.2), (0.74, 0.6), (0.7, 1.3))):
        long_bone(canvas, femur, 0.22)


def dental_panorama(canvas):
    """Draw a panoramic film of the jaws: mandible, palate, maxillary sinuses and two rows of 15 teeth."""
    canvas.expose(box(0, 0, 1.3, 1.3), 0.18)
    jaw = curve((-0.9, -0.9), (-0.9, 1.1), (0, 0.75), (0.9, 1.1), (0.9, -0.9))
    canvas.expose(ribbon(jaw, 0.42), 0.3, soft=0.02)
    canvas.expose(ribbon(curve((-0.7, -0.3), (0, 0.0), (0.7, -0.3)), 0.3), 0.18, soft=0.04)
    canvas.paint(both(oval(0.4, -0.45, 0.25, 0.2)), 0.1, soft=0.04)  # maxillary sinuses
    teeth = [(x, 0.16 - 0.2 * x * x) for x in np.linspace(-0.68, 0.68, 15)]
    canvas.expose([oval(x, y + dy, 0.035, 0.13) for x, y in teeth for dy in (-0.22, 0.12)], 0.3)
    canvas.expose([oval(x, y + dy, 0.04, 0.06) for x, y in teeth for dy in (-0.12, 0.02)], 0.3)


def vessel(canvas, *points, width=0.07, twigs=5):
    """Draw a dark branching vessel with what was found in it."""
    path = curve(*points)
    widths = np.linspace(width, 0.45 * width, len(path))
    if "Stenosis" in canvas.found:
        widths[9:14] *= (0.5, 0.15, 0.1, 0.15, 0.5)
    if "Complete obstruction" in canvas.found:
        path, widths = path[:11], widths[:11]
    canvas.paint(ribbon(path, widths), 0.08)
    for start in path[4 :: max(1, 20 // twigs)]:
        canvas.paint(branches(canvas.rng, start, 0.4 * width), 0.16)
    if "Stent, device" in canvas.found:
        canvas.paint([box(x, y, 0.05, 0.012) for x, y in path[3:9]], 0.0)


def branches(rng, start, width, depth=2):
    """Outlines of a twig from a point and of the twigs it parts into, a list of (48, 2)."""
    twig = curve(start, *(start + np.cumsum(rng.normal(0, 0.2, (2, 2)), axis=0)))
    further = branches(rng, twig[14], width * 0.7, depth - 1) if depth else []
    return [ribbon(twig, np.linspace(width, width * 0.4, len(twig))), *further]


def fluoroscopy(canvas, *catheter):
    """Draw a coronary angiogram without its vessels: cloudy grey tissue, darker ribs and spine, a catheter."""
    canvas.pixels += 0.6
    canvas.texture(0.1, 40)
    for y in np.arange(-1.1, 1.1, 0.4):
        canvas.expose(curve((-1.2, y + 0.3), (0, y), (1.2, y + 0.4)), -0.06, soft=0.02, width=0.12)
    canvas.expose(box(0.7, 0, 0.2, 1.3), -0.12, soft=0.06)
    canvas.paint(curve(*catheter), 0.3, width=0.05)


def left_coronary_angiogram(canvas):
    """Draw a left coronary angiogram: catheter and anterior descending branch; the circumflex branch if found."""
    fluoroscopy(canvas, (0.3, -1.2), (-0.1, -1.0), (-0.55, -0.75), (-0.45, -0.55))
    vessel(canvas, (-0.45, -0.55), (0.2, -0.7), (0.6, -0.1), (0.5, 0.8))
    if "Structure of circumflex branch of left coronary artery" in canvas.found:
        vessel(canvas, (-0.4, -0.55), (-0.7, 0.0), (-0.5, 0.4), (-0.1, 0.7), width=0.055)


def right_coronary_angiogram(canvas):
    """Draw a right coronary angiogram: catheter and right coronary artery."""
    fluoroscopy(canvas, (0.5, -1.2), (0.4, -0.9), (0.1, -0.8), (-0.1, -0.65))
    vessel(canvas, (-0.1, -0.65), (-0.9, -0.6), (-0.7, 0.75), (0.4, 0.6), width=0.08, twigs=3)


def cerebral_angiogram(canvas):
    """Draw a cerebral angiogram: skull, internal carotid artery and four branches."""
    canvas.pixels += 0.85
    canvas.expose(oval(0, -0.1, 0.85, 0.85), -0.15, soft=0.03)
    canvas.paint(ribbon(curve((-0.1, 1.2), (0.25, 0.7), (-0.2, 0.5), (0.05, 0.15)), 0.09), 0.08)
    for x, y in ((0.75, -0.4), (0.6, 0.1), (-0.35, -0.75), (0.2, -0.7)):
        vessel(canvas, (0.05, 0.15), (0.3 * x, 0.0), (0.8 * x, 0.7 * y), (x, y), width=0.05)


def renal_angiogram(canvas):
    """Draw a renal angiogram: spine, kidneys, aorta, iliac arteries and both renal arteries."""
    canvas.pixels += 0.82
    canvas.expose([box(0, y, 0.17, 0.12) for y in np.arange(-1, 1.1, 0.3)], -0.07, soft=0.02)
    canvas.expose(both(oval(0.62, 0.0, 0.2, 0.36, 12)), -0.25, soft=0.04)
    canvas.paint(ribbon(curve((0.02, -1.3), (-0.03, 0), (0, 0.75)), 0.17), 0.08)
    canvas.paint(both(ribbon(curve((0, 0.7), (0.1, 0.8), (0.25, 1.3)), 0.1)), 0.1)
    for points in both(np.array([(0.05, -0.15), (0.25, -0.2), (0.4, -0.02), (0.65, 0.0)])):
        vessel(canvas, *points, width=0.065, twigs=3)
