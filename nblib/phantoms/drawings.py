"""The anatomy of each study, drawn on a `nblib.phantoms.canvas.Canvas`."""

from itertools import pairwise

import numpy as np

from nblib.phantoms.canvas import both, box, curve, oval, ribbon

# ---- anatomy: each function draws one study, with the findings that change the anatomy itself
# ---- sections: CT


def head_section(canvas):
    """Draw a CT section of the head: scalp, skull, brain, falx and lateral ventricles."""
    for a, b, value in ((0.84, 0.94, 0.35), (0.8, 0.9, 1.0), (0.7, 0.8, 0.42)):  # scalp, skull, brain
        canvas.paint(oval(0, 0, a, b), value)
    canvas.texture(0.12, 6)
    canvas.paint(curve((0, -0.8), (0.01, 0), (0, 0.8)), 0.6, width=0.03)
    canvas.paint(ventricles(canvas), 0.14, soft=0.02)


def ventricles(canvas):
    """Outlines of the lateral ventricles, wide in hydrocephalus, a list of four (48, 2)."""
    wide = 2.3 if "Hydrocephalus" in canvas.found else 1.0
    front = oval(0.12 * wide, -0.18, 0.06 * wide, 0.21, -19)
    back = oval(0.12 * wide, 0.21, 0.06 * wide, 0.21, 23)
    return both(front) + both(back)


def trunk(canvas, height):
    """Draw the trunk in section, an oval of this half height: fat around soft tissue."""
    canvas.paint(oval(0, 0, 0.97, height), 0.22)
    canvas.paint(oval(0, 0, 0.9, height - 0.1), 0.45)


def vertebra(canvas, y):
    """Draw a vertebra in section: its body at y, its processes and the spinal canal."""
    processes = curve((-0.3, y + 0.2), (0, y + 0.05), (0.3, y + 0.2), (0, y + 0.42))
    canvas.paint([oval(0, y, 0.14, 0.13), processes], 0.92)
    canvas.paint(oval(0, y + 0.17, 0.05, 0.05), 0.42)


def chest_section(canvas):
    """Draw a CT section of the chest: ribs, lungs with their vessels, heart, aorta and a vertebra."""
    trunk(canvas, 0.8)
    blood = 0.85 if "Contrast Media" in canvas.found else 0.48
    for y in (-0.3, 0.0, 0.3):
        canvas.paint(both(curve((0.83, y), (0.84, y + 0.08), (0.78, y + 0.2))), 0.95, width=0.05)
    canvas.paint(both(oval(0.46, 0, 0.33, 0.55, -8)), 0.07)
    canvas.paint([oval(*at, 0.014, 0.014) for at in canvas.rng.uniform((-0.7, -0.35), (0.7, 0.4), (26, 2))], 0.4)
    canvas.paint(oval(0.1, -0.05, 0.3, 0.3, 25), 0.44)
    if "Pericardial effusion" in canvas.found:
        canvas.paint(oval(0.1, -0.05, 0.4, 0.38, 25), 0.3)
    canvas.paint(oval(0.1, -0.05, 0.24, 0.23, 25), blood - 0.04, soft=0.03)
    canvas.paint(oval(0.16, 0.32, 0.09, 0.09), blood)
    vertebra(canvas, 0.42)


def abdomen_section(canvas):
    """Draw a CT section of the abdomen: liver, stomach, kidneys, aorta, vena cava and a vertebra; a spleen if found."""
    trunk(canvas, 0.82)
    contrast = 0.18 if "Contrast Media" in canvas.found else 0.0
    canvas.paint(oval(0, -0.1, 0.75, 0.55), 0.36 if "Ascites" in canvas.found else 0.18, soft=0.02)
    canvas.paint(oval(-0.42, -0.12, 0.4, 0.42, 20), 0.54 + contrast / 3)
    if "Spleen" in canvas.found:
        canvas.paint(oval(0.64, 0.02, 0.15, 0.3, 15), 0.56 + contrast / 2)
    if "Secondary malignant neoplasm of liver" in canvas.found:
        places = canvas.rng.uniform((-0.65, -0.35), (-0.25, 0.1), (6, 2))
        canvas.paint([oval(*place, 0.06, 0.06) for place in places], 0.28, soft=0.02)
    canvas.paint(oval(0.3, -0.35, 0.24, 0.17, 20), 0.38)  # stomach with air
    canvas.paint(oval(0.28, -0.42, 0.15, 0.07), 0.0)
    canvas.paint(both(oval(0.4, 0.3, 0.15, 0.2, 15)), 0.48 + 2 * contrast)
    canvas.paint(both(oval(0.36, 0.3, 0.05, 0.08, 15)), 0.3, soft=0.02)
    aorta = 0.17 if "Aneurysm" in canvas.found else 0.075
    canvas.paint([oval(0.06, 0.2, aorta, aorta), oval(-0.12, 0.2, 0.08, 0.06)], 0.48 + 2 * contrast)
    vertebra(canvas, 0.42)


def pelvis_section(canvas):
    """Draw a CT section of the pelvis: hip bones, femoral heads, sacrum, bladder and rectum."""
    trunk(canvas, 0.72)
    canvas.paint(both(oval(0.66, 0.05, 0.07, 0.3, 35)), 0.95)
    canvas.paint(both(oval(0.68, 0.12, 0.11, 0.12)), 0.85, soft=0.02)
    canvas.paint(oval(0, 0.5, 0.24, 0.08), 0.9, soft=0.02)
    canvas.paint(oval(0, -0.12, 0.3, 0.25), 0.75 if "Contrast Media" in canvas.found else 0.32)
    canvas.paint(oval(0, 0.25, 0.12, 0.1), 0.5)
    canvas.paint(oval(0.02, 0.24, 0.05, 0.03), 0.02)


# ---- sections: MR


def brain_section(canvas):
    """Draw an MR section of the brain, T1 or T2 by chance: cortex with sulci, white matter, nuclei and ventricles."""
    water, cortex, white = (1.0, 0.6, 0.42) if canvas.rng.random() < 0.5 else (0.08, 0.42, 0.62)  # T2, T1
    layers = ((0.86, 0.95, 0.75), (0.79, 0.88, 0.05), (0.73, 0.82, 0.8 * water), (0.71, 0.8, cortex))
    for a, b, value in layers:
        canvas.paint(oval(0, 0, a, b), value)
    canvas.paint(oval(0, 0, 0.6, 0.7), white, soft=0.05)
    angles = np.linspace(0, 2 * np.pi, 26, endpoint=False) + canvas.rng.normal(0, 0.06, 26)
    edge = np.stack([0.7 * np.cos(angles), 0.79 * np.sin(angles)], axis=1)
    canvas.paint([np.outer((1, canvas.rng.uniform(0.72, 0.85)), at) for at in edge], water, width=0.03)
    canvas.paint(both(oval(0.24, 0.05, 0.13, 0.2, -10)), cortex, soft=0.02)
    canvas.paint(ventricles(canvas), water)
    fissure = 0.95 if "Contrast Media" in canvas.found else water
    canvas.paint(curve((0, -0.8), (0.01, 0), (0, 0.8)), fissure, width=0.025)
    canvas.texture(0.05, 8)


def brain_profile(canvas):
    """Draw a sagittal MR section of the head, facing left: brain, corpus callosum, brain stem and cerebellum."""
    scalp = curve((-0.9, 0.1), (-0.9, -1.1), (0.85, -1.1), (0.85, 0.1))
    face = curve((0.7, 0.4), (0.3, 0.5), (0.3, 1.1), (-0.6, 1.1), (-0.5, 0.6), (-1.1, 0.5))
    canvas.paint(np.concatenate([scalp, face]), 0.5)
    canvas.paint(oval(-0.02, -0.22, 0.8, 0.66), 0.06)
    canvas.paint(oval(-0.02, -0.22, 0.74, 0.6), 0.5)
    places = canvas.rng.uniform((-0.6, -0.75), (0.55, 0.0), (22, 2))
    canvas.paint([curve(*canvas.rng.normal(place, 0.12, (3, 2))) for place in places], 0.25, width=0.03)
    canvas.paint(oval(0.0, 0.0, 0.4, 0.2), 0.12, soft=0.02)
    canvas.paint(curve((-0.42, 0.08), (-0.4, -0.36), (0.35, -0.36), (0.36, 0.06)), 0.85, width=0.09)
    canvas.paint(ribbon(curve((-0.02, 0.05), (0.0, 0.35), (0.12, 0.6), (0.14, 1.1)), 0.2), 0.6)
    canvas.paint(oval(0.42, 0.3, 0.22, 0.18, 20), 0.55)
    ends = oval(0.42, 0.3, 0.2, 0.17)[::6]
    canvas.paint([curve((0.24, 0.3), (0.4, 0.3), end) for end in ends], 0.3, width=0.02)  # leaves of cerebellum
    canvas.paint([oval(-0.6, 0.62, 0.13, 0.1), oval(-0.3, 0.75, 0.2, 0.12)], 0.1, soft=0.02)


def spine_profile(canvas):
    """Draw a sagittal MR section of the spine: seven vertebrae, the disks between them, spinal canal and cord."""
    canvas.pixels += np.linspace(0.1, 0.4, canvas.size[0], dtype=np.float32)
    heights, bend = np.linspace(-0.9, 0.75, 7), canvas.rng.uniform(0.1, 0.25)
    spine = np.stack([-0.1 - bend * np.cos(heights * 2), heights], axis=1)
    canal = spine + np.array((0.3, 0))
    canvas.paint(ribbon(canal, 0.22), 0.9)
    canvas.paint(ribbon(canal[:5], 0.08), 0.5)
    canvas.paint([oval(x + 0.33, y, 0.12, 0.05, 25) for x, y in canal], 0.25, soft=0.02)
    canvas.paint([box(x, y + 0.135, 0.17, 0.035) for x, y in spine[:-1]], 0.75)
    canvas.paint([box(x, y, 0.17, 0.09) for x, y in spine], 0.42)
    if "Intervertebral Disk Displacement" in canvas.found:
        canvas.paint(oval(spine[4, 0] + 0.22, spine[4, 1] + 0.14, 0.1, 0.06), 0.12)
    if "Compression fracture of vertebral column" in canvas.found:
        canvas.paint(box(*spine[2], 0.19, 0.1), 0.75)
        canvas.paint(box(*spine[2], 0.17, 0.035), 0.12)


def knee_profile(canvas):
    """Draw a sagittal MR section of the knee: femur, tibia, patella, cartilage, menisci, ligament and tendons."""
    canvas.paint(box(0, 0, 0.85, 1.2), 0.3, soft=0.05)
    canvas.paint([box(-0.55, -0.6, 0.2, 0.5), box(-0.5, 0.7, 0.22, 0.4)], 0.2, soft=0.08)
    canvas.paint([box(0.05, -0.75, 0.2, 0.5), oval(0.0, -0.2, 0.36, 0.26)], 0.72, soft=0.02)
    canvas.paint([oval(0.02, 0.32, 0.38, 0.2), box(0.08, 0.8, 0.22, 0.5)], 0.7, soft=0.02)
    canvas.paint(curve((-0.35, -0.05), (0.0, 0.14), (0.35, -0.1)), 0.9, width=0.05)
    canvas.paint(both(np.array([(0.35, 0.02), (0.08, 0.09), (0.35, 0.16)])), 0.03)  # menisci
    canvas.paint(curve((-0.1, -0.1), (0.0, 0.05), (0.15, 0.18)), 0.05, width=0.06)
    canvas.paint(oval(0.52, -0.3, 0.09, 0.2, -8), 0.7)
    tendons = [curve((0.5, -1), (0.58, -0.6), (0.55, -0.45)), curve((0.55, -0.15), (0.5, 0.1), (0.36, 0.4))]
    canvas.paint(tendons, 0.04, width=0.06)


# ---- films: X-ray


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


# ---- scans: ultrasound


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
    layers = (
        (0.75, -0.9, 0.12),
        (0.35, -0.6, 0.25),
        (0.6, -0.05, 0.35),
        (0.35, 0.45, 0.2),
        (0.15, 0.85, 0.25),
    )
    for value, y, half in layers:
        canvas.paint(box(0, y, 1.3, half), value, soft=0.05)
    for y in np.linspace(-0.8, 0.8, 9):
        canvas.expose(curve((-1.2, y), (0, y + canvas.rng.normal(0, 0.2)), (1.2, y)), 0.2, width=0.03)


# ---- vessels: angiography


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


def fluoroscopy(canvas):
    """Draw what is behind a coronary angiogram: cloudy grey tissue, darker ribs and spine."""
    canvas.pixels += 0.6
    canvas.texture(0.1, 40)
    for y in np.arange(-1.1, 1.1, 0.4):
        canvas.expose(curve((-1.2, y + 0.3), (0, y), (1.2, y + 0.4)), -0.06, soft=0.02, width=0.12)
    canvas.expose(box(0.7, 0, 0.2, 1.3), -0.12, soft=0.06)


def left_coronary_angiogram(canvas):
    """Draw a left coronary angiogram: catheter and anterior descending branch; the circumflex branch if found."""
    fluoroscopy(canvas)
    canvas.paint(curve((0.3, -1.2), (-0.1, -1.0), (-0.55, -0.75), (-0.45, -0.55)), 0.3, width=0.05)
    vessel(canvas, (-0.45, -0.55), (0.2, -0.7), (0.6, -0.1), (0.5, 0.8))
    if "Structure of circumflex branch of left coronary artery" in canvas.found:
        vessel(canvas, (-0.4, -0.55), (-0.7, 0.0), (-0.5, 0.4), (-0.1, 0.7), width=0.055)


def right_coronary_angiogram(canvas):
    """Draw a right coronary angiogram: catheter and right coronary artery."""
    fluoroscopy(canvas)
    canvas.paint(curve((0.5, -1.2), (0.4, -0.9), (0.1, -0.8), (-0.1, -0.65)), 0.3, width=0.05)
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


# ---- tracers: PET


def body_tracer_map(canvas):
    """Draw the uptake in a whole body, high in brain, heart, kidneys and bladder; metastases if found."""
    arms = both(ribbon(curve((0.28, -0.55), (0.42, -0.1), (0.4, 0.35)), 0.1))
    legs = both(ribbon(curve((0.13, 0.35), (0.15, 0.8), (0.13, 1.2)), 0.19))
    body = [oval(0, -0.82, 0.13, 0.15), oval(0, -0.25, 0.27, 0.5), oval(0, 0.25, 0.25, 0.3)]
    canvas.paint([*body, *arms, *legs], 0.2, soft=0.02)
    canvas.paint(both(oval(0.13, -0.38, 0.1, 0.22)), 0.1, soft=0.03)
    canvas.paint(oval(0, -0.87, 0.1, 0.09), 0.9, soft=0.02)
    canvas.paint(oval(0.06, -0.3, 0.09, 0.07, 30), 0.7, soft=0.02)
    canvas.paint(oval(-0.1, 0.0, 0.14, 0.09), 0.33, soft=0.04)
    canvas.paint([*both(oval(0.14, 0.08, 0.04, 0.07)), oval(0, 0.45, 0.08, 0.05)], 0.9, soft=0.02)
    if "Metastatic to" in canvas.found:
        places = canvas.rng.normal((0, -0.1), (0.12, 0.3), (12, 2))
        canvas.paint([oval(*place, 0.035, 0.03) for place in places], 0.95, soft=0.015)


def brain_tracer_map(canvas):
    """Draw the uptake in a section of the brain: high in cortex and nuclei, low in white matter."""
    canvas.paint(oval(0, 0, 0.72, 0.86), 0.75, soft=0.06)
    canvas.paint(oval(0, 0.05, 0.5, 0.62), 0.4, soft=0.1)
    canvas.paint(both(oval(0.2, 0.05, 0.1, 0.2, -10)), 0.8, soft=0.06)
    canvas.paint(curve((0, -0.8), (0, 0.8)), 0.35, soft=0.04, width=0.05)


def fused_chest_section(canvas):
    """Draw a dim CT section of the chest and the uptake in heart, tumour and nodes."""
    chest_section(canvas)
    canvas.pixels *= 0.45
    canvas.paint(oval(0.15, -0.1, 0.2, 0.17, 30), 0.62, soft=0.06)
    if "Neoplasms" in canvas.found:
        canvas.paint(oval(canvas.side * 0.45, 0.02, 0.15, 0.14), 0.95, soft=0.05)
    if "Nodule" in canvas.found:
        nodes = ((-0.02, 0.12), (0.12, 0.18), (-0.15, 0.2))
        canvas.paint([oval(x, y, 0.05, 0.05) for x, y in nodes], 0.9, soft=0.03)


DRAWINGS = {
    "head section": head_section,
    "chest section": chest_section,
    "abdomen section": abdomen_section,
    "pelvis section": pelvis_section,
    "brain section": brain_section,
    "brain profile": brain_profile,
    "spine profile": spine_profile,
    "knee profile": knee_profile,
    "chest film": chest_film,
    "bedside chest film": bedside_chest_film,
    "knee film": knee_film,
    "hand film": hand_film,
    "foot film": foot_film,
    "pelvis film": pelvis_film,
    "dental panorama": dental_panorama,
    "kidney scan": kidney_scan,
    "gallbladder scan": gallbladder_scan,
    "heart scan": heart_scan,
    "fetal scan": fetal_scan,
    "breast scan": breast_scan,
    "left coronary angiogram": left_coronary_angiogram,
    "right coronary angiogram": right_coronary_angiogram,
    "cerebral angiogram": cerebral_angiogram,
    "renal angiogram": renal_angiogram,
    "body tracer map": body_tracer_map,
    "brain tracer map": brain_tracer_map,
    "fused chest section": fused_chest_section,
}
