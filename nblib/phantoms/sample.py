"""Draws the studies of `nblib.phantoms.concepts`, and writes images and concepts as the organisers did.

What is drawn decides the concepts. As with concepts found in captions, a few are missed and a few are wrong, so no
network can be perfect. SYNTHETIC: no picture shows a patient, none is for clinical use.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from tqdm.auto import tqdm

from nblib.phantoms import marks, projections, sections, ultrasound
from nblib.phantoms.canvas import Canvas
from nblib.phantoms.concepts import VAGUE, read_categories, read_concepts, read_findings, read_studies

SMALLEST_SHARE = 0.02  # of a category; DRCO and DRPE would otherwise be five images of 700
SMALLEST_SAMPLE = 50  # below it a validation split cannot show every category
MISSED, MISTAKEN = 0.08, 0.2  # chance that a concept is missed; that a picture gets one that is not there
DRAWINGS = vars(sections) | vars(projections) | vars(ultrasound)  # function by name


def develop(canvas, study):
    """Picture of the canvas as its modality shows it, in grey (mode L) or colour (RGB)."""
    rng, noise = canvas.rng, read_categories()[study.category].noise
    if study.category == "DRUS":
        ultrasound.insonate(canvas, fan=study.drawing != "breast_scan")
    if study.category == "DRXR":
        canvas.pixels = 1 - np.exp(-1.5 * np.clip(canvas.pixels, 0, None))
        if rng.random() < 0.4:
            canvas.write("L", 0.8, -0.9)
    pixels = gaussian_filter(canvas.pixels, 0.6) + rng.normal(0, noise, canvas.pixels.shape)
    pixels = np.clip(pixels, 0, 1) ** rng.uniform(0.8, 1.25) * rng.uniform(0.85, 1.0)
    picture = TINTS[study.drawing](pixels) if study.drawing in TINTS else grey(pixels)
    flows = study.drawing in ("kidney_scan", "heart_scan") and rng.random() < 0.3
    return ultrasound.doppler(picture, rng) if flows else picture


def grey(pixels):
    """Picture in grey (mode L) of pixels (height, width) in 0..1."""
    return Image.fromarray((pixels * 255).astype(np.uint8))


def hot(pixels):
    """Picture in black, red, yellow and white."""
    return Image.fromarray((np.clip(3 * pixels[..., None] - (0, 1, 2), 0, 1) * 255).astype(np.uint8))


def fused(pixels):
    """Picture in grey with the hot tracer over it."""
    tracer = np.clip((pixels - 0.42) / 0.5, 0, 1)
    anatomy, glow = grey(pixels).convert("RGB"), hot(0.25 + 0.75 * tracer)
    return Image.composite(glow, anatomy, grey(np.clip(4 * tracer, 0, 1)))


# In a map of the body, what takes up the tracer is dark.
TINTS = {"body_tracer_map": lambda pixels: grey(1 - pixels), "brain_tracer_map": hot, "fused_chest_section": fused}


def draw_study(study, rng):
    """One study with what was found in it: the picture, and the names of its concepts."""
    findings = [finding for finding in read_findings(study.drawing) if rng.random() < finding.chance]
    found = {name for finding in findings for name in finding.concepts.split("; ")}
    longest, aspect = rng.integers(160, 257), rng.uniform(0.75, 1.0)
    size = (longest, round(longest * aspect)) if rng.random() < 0.5 else (round(longest * aspect), longest)
    canvas = Canvas(rng, tuple(map(int, size)), found)
    DRAWINGS[study.drawing](canvas)
    for finding in findings:
        if finding.mark:
            x, y = rng.normal((canvas.side * finding.x, finding.y), 0.03)
            getattr(marks, finding.mark)(canvas, x, y, finding.size * rng.uniform(0.75, 1.25), finding.value)
    named = "; ".join([read_categories()[study.category].concepts, *(row.concepts for row in (study, *findings))])
    return develop(canvas, study), named.format(side="Left" if canvas.side > 0 else "Right").split("; ")


def draw_picture(category, rng):
    """A picture of this category and the names of its concepts; DRCO is two of other categories side by side."""
    if category != "DRCO":
        return draw_study(pick_study(rng, category), rng)
    (left, ours), (right, theirs) = (draw_study(pick_study(rng), rng) for _ in range(2))
    right = right.resize((round(right.width * left.height / right.height), left.height))
    panels = Image.new("RGB", (left.width + right.width + 4, left.height), "white")
    panels.paste(left, (0, 0))
    panels.paste(right, (left.width + 4, 0))
    panels.thumbnail((256, 256))
    return panels, ours + theirs


def pick_study(rng, category=None):
    """A study by its weight, of one category or of any."""
    choice = [study for study in read_studies() if category in (None, study.category)]
    weights = np.array([study.weight for study in choice], dtype=float)
    return choice[rng.choice(len(choice), p=weights / weights.sum())]


def annotate(names, rng):
    """The CUIs a caption would have given: a few missed, sometimes one too many, none twice, in no order."""
    cuis = {name: cui for cui, name in read_concepts().items()}
    named = {name: None for name in names if rng.random() >= MISSED} or {names[0]: None}  # a set in order
    if rng.random() < MISTAKEN:
        named[str(rng.choice(VAGUE if rng.random() < 0.5 else list(cuis)))] = None
    return [cuis[name] for name in rng.permutation(list(named))]


def draw_sample(folder: str | Path, images: int = 1000, seed: int = 2020) -> Path:
    """The folder, filled with drawn images and their concepts in the layout of the 2020 task.

    train/<CATEGORY>/*.jpg (70 %), val/<CATEGORY>/*.jpg (20 %), test/*.jpg (10 %, flat), concepts/<split>/*.csv,
    string_concepts.csv, withheld/test_concepts.csv (the truth of test/, for scoring only) and README.txt.
    The same arguments give the same bytes; all of it is written, or nothing. Raises ValueError for fewer than 50
    images and FileExistsError for a file or a folder that is not empty.
    """
    folder = Path(folder)
    if images < SMALLEST_SAMPLE:
        raise ValueError(f"images must be at least {SMALLEST_SAMPLE} to show every category; received {images}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is not an empty folder. Remove it, or draw the sample into another one.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as draft_folder:
        draft = Path(draft_folder) / "sample"
        write_sample(draft, images, seed)
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    return folder


def write_sample(folder, images, seed):
    """Write images, concepts and a note into a new folder."""

    def write_image(number, split, category):
        rng = np.random.default_rng([seed, number])
        picture, names = draw_picture(category, rng)
        path = folder / split / ("" if split == "test" else category) / f"PHANTOM_{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, quality=85, subsampling=0)
        return split, category, path.stem, annotate(names, rng)

    with ThreadPoolExecutor() as pool:
        drawn = pool.map(write_image, range(1, images + 1), *zip(*plan_sample(images, seed), strict=True))
        write_concepts(folder, list(tqdm(drawn, "draw", images, disable=None)))
    origin = f"SYNTHETIC sample: drawn by nblib.phantoms.draw_sample(images={images}, seed={seed}).\n"
    use = "The pictures are phantoms, no patient is shown. For trying the notebooks, not for clinical use.\n"
    (folder / "README.txt").write_text(origin + use, encoding="utf-8", newline="\n")


def plan_sample(images, seed):
    """Split and category of each image, a list of pairs in random order."""
    rng, test, val = np.random.default_rng(seed), round(0.1 * images), round(0.2 * images)
    categories = list(read_categories())
    counts = np.array([category.train_images for category in read_categories().values()])
    shares = np.maximum(counts / counts.sum(), SMALLEST_SHARE)
    shares /= shares.sum()
    plan = [("test", str(category)) for category in rng.choice(categories, test, p=shares)]
    for split, size in (("train", images - test - val), ("val", val)):
        counts = np.maximum(1, np.floor(shares * size)).astype(int)
        counts[counts.argmax()] += size - counts.sum()
        plan += [(split, category) for category in np.repeat(categories, counts).tolist()]
    return [plan[position] for position in rng.permutation(images)]


def write_concepts(folder, rows):
    """Write the concept lists of train and val, the withheld truth of test, and the names of the concepts used."""
    used = sorted({cui for *_, cuis in rows for cui in cuis})
    lines = {"string_concepts.csv": [f"{cui}\t{read_concepts()[cui]}" for cui in used]}
    for split, category, image_id, cuis in rows:
        if split == "test":
            name, line = "withheld/test_concepts.csv", f"{image_id}\t{';'.join(cuis)}"
        else:
            name = f"concepts/{split}/{category}_CLEF_{split.title()}.csv"
            line = ",".join([f"{image_id}.jpg", *cuis])
        lines.setdefault(name, []).append(line)
    for name, texts in lines.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("\n".join(texts) + "\n", encoding="utf-8", newline="\n")
