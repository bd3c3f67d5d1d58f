"""Finds concepts in images with an exported model: python predict.py IMAGE ...

Needs NumPy, Pillow, and onnxruntime (or ai-edge-litert, or TensorFlow, by the format of the model), not nblib. Prints a
line for each concept whose probability is above its threshold in concepts.csv: image, concept, probability, calibrated
probability (where there is a calibration.csv), name.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")


def read_image(path):
    """(1, height, width, 3) uint8; of 16-bit images the upper eight bits, as in training."""
    with Image.open(path, formats=FORMATS) as image:
        if image.mode.startswith("I;16"):
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        return np.asarray(image.convert("RGB"))[None]


def read_model():
    """A function from such pixels to probabilities, (1, K)."""
    if (HERE / "model.onnx").exists():
        import onnxruntime

        session = onnxruntime.InferenceSession(HERE / "model.onnx", providers=["CPUExecutionProvider"])
        return lambda pixels: session.run(None, {"images": pixels})[0]
    if (HERE / "model.tflite").exists():
        from ai_edge_litert.interpreter import Interpreter

        signature = Interpreter(str(HERE / "model.tflite")).get_signature_runner()
        return lambda pixels: signature(images=pixels)["output_0"]
    import tensorflow

    model = tensorflow.saved_model.load(HERE / "saved_model")
    return lambda pixels: model.serve(pixels).numpy()


def read_table(name):
    """The rows of a CSV file."""
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main(paths):
    """Prints the concepts of these images, the most probable first."""
    predict, concepts = read_model(), read_table("concepts.csv")
    thresholds = np.array([float(concept["threshold"]) for concept in concepts])
    steps = read_table("calibration.csv") if (HERE / "calibration.csv").exists() else []
    for path in paths:
        p = predict(read_image(path))[0]
        for k in sorted(np.flatnonzero(p > thresholds), key=lambda k: -p[k]):
            shown = f"{p[k]:.3f}"
            if steps:
                odds = np.log(np.clip(p[k], 1e-7, 1 - 1e-7) / (1 - np.clip(p[k], 1e-7, 1 - 1e-7)))
                columns = ([float(step[name]) for step in steps] for name in ("log_odds", "calibrated"))
                shown += f"\t{np.interp(odds, *columns):.3f}"
            print(path, concepts[k]["concept"], shown, concepts[k]["name"], sep="\t")


if __name__ == "__main__":
    main(sys.argv[1:])
