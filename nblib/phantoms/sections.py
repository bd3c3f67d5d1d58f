"""Studies that show a section through the body: CT, MR and PET."""

import numpy as np

from nblib.phantoms.canvas import both, box, curve, oval, ribbon


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


def brain_section(canvas):
    """Draw an MR section of the brain, T1 or T2 by chance: cortex with sulci, white matter, nuclei and ventricles."""
    water, cortex, white = (1.0, 0.6, 0.42) if canvas.rng.random() < 0.5 else (0.08, 0.42, 0.62)  # T2, T1
    for a, b, value in ((0.86, 0.95, 0.75), (0.79, 0.88, 0.05), (0.73, 0.82, 0.8 * water), (0.71, 0.8, cortex)):
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
        canvas.paint([oval(x, y, 0.05, 0.05) for x, y in ((-0.02, 0.12), (0.12, 0.18), (-0.15, 0.2))], 0.9, soft=0.03)
