"""A run's network in a form that needs neither nblib nor Keras: images of any size in, probabilities out."""

import shutil
import warnings
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from nblib.experiments import Run
from nblib.system import replacing
from nblib.training.trainer import load_model, predict_batch

FORMS = {"onnx": "model.onnx", "saved_model": "saved_model", "litert": "model.tflite"}  # and where each is written
LARGEST_ONNX = 2**31  # bytes: what protobuf can hold
TOLERANCE = {"float32": 1e-4}  # of probabilities, by precision
HALF_PRECISION_TOLERANCE = 1e-2


@keras.saving.register_keras_serializable("nblib")
class ResizeNearest(layers.Layer):
    """Resizes images of any size by nearest neighbour, (N, height, width, C) -> (N, size, size, C).

    It takes exactly the pixels that Pillow takes, and so what a run was trained on: like Pillow it adds up steps in
    double precision. Where it is not `exact`, it uses integers. The two differ only where the middle of a new pixel
    lies on the border of two old ones: there Pillow's rounding decides, and integers take the second pixel.
    """

    def __init__(self, size: int, exact: bool = True, **options):
        super().__init__(autocast=False, **options)
        self.size, self.exact = size, exact

    def call(self, images):
        """The resized images, of the same type."""
        height, width = ops.shape(images)[1:3]
        return ops.take(ops.take(images, self.places(height), axis=1), self.places(width), axis=2)

    def places(self, length):
        """Which of `length` rows or columns are taken, (size,) int32."""
        if not self.exact:
            return (2 * ops.arange(self.size) + 1) * length // (2 * self.size)
        step = ops.cast(length, "float64") / self.size
        return ops.cast(ops.cumsum(ops.where(ops.arange(self.size) == 0, step / 2, step)), "int32")

    def compute_output_spec(self, images):
        """(N, size, size, C)."""
        return keras.KerasTensor((images.shape[0], self.size, self.size, images.shape[3]), images.dtype)

    def get_config(self):
        """Its arguments, for Keras to build the layer again."""
        return {**super().get_config(), "size": self.size, "exact": self.exact}


def exportable(run: Run, exact: bool = True) -> keras.Model:
    """The run's best model behind its resizing: takes RGB, (N, height, width, 3) uint8, of any height and width."""
    model = load_model(run)
    images = keras.Input((None, None, 3), dtype="uint8", name="images")
    resized = ResizeNearest(run.experiment.image_size, exact, dtype="uint8", name="resized")(images)
    return keras.Model(images, model(resized), name=model.name)


def export_model(run: Run, folder: str | Path, form: str = "onnx") -> float:
    """Writes the run's model to its place of `FORMS` in `folder`, in place of one in another form.

    Returns:
        The largest difference of a probability from Keras's, on images of noise.

    Raises:
        ValueError: there is no such form, a package is missing, the network is too large for it, or what was written
            predicts something else than Keras.
    """
    _require(form)
    if run.experiment.resize != "nearest":
        raise ValueError(f"{run.folder} resizes images by {run.experiment.resize}; what is exported can do it by the "
                         f"nearest pixel only.")  # fmt: skip
    model = exportable(run, exact=form != "litert")
    noise = np.random.default_rng(run.experiment.seed).integers(0, 256, (2, 100, 130, 3), dtype=np.uint8)
    expected = predict_batch(model, noise)  # Keras exports only what was called once
    if form == "onnx" and (size := sum(weights.nbytes for weights in model.get_weights())) >= LARGEST_ONNX:
        raise ValueError(f"ONNX holds less than {LARGEST_ONNX:,} bytes in a file, and the weights have {size:,}: "
                         f"export it as saved_model.")  # fmt: skip
    for path in (Path(folder) / name for name in FORMS.values()):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    with replacing(Path(folder) / FORMS[form]) as beside, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converters, which use deprecated parts of NumPy and TensorFlow
        model.export(beside, format="tf_saved_model" if form == "saved_model" else form, verbose=False)
        if form == "onnx":
            _name_inputs(beside)
        difference = float(np.abs(_predict(form, beside, noise) - expected).max())
        if not difference <= TOLERANCE.get(run.experiment.precision, HALF_PRECISION_TOLERANCE):
            raise ValueError(f"the {form} model of {run.folder} predicts {difference:.1g} away from Keras; it is not "
                             f"written.")  # fmt: skip
    return difference


def _predict(form: str, path: Path, images: np.ndarray) -> np.ndarray:
    try:
        return READERS[form](path)(images)
    except Exception as error:  # ONNX Runtime's have no narrower kind in common
        raise ValueError(f"{form} can't hold all operations of this network ({' '.join(str(error).split())[:200]}); "
                         f"export it as saved_model.") from None  # fmt: skip


def _require(form: str) -> None:
    if form not in FORMS:
        raise ValueError(f"format must be one of {', '.join(FORMS)}; received {form!r}.")
    if form == "onnx" and not all(map(find_spec, ("tf2onnx", "onnxruntime"))):
        raise ValueError("to export to ONNX needs tf2onnx and onnxruntime: pip install -e '.[export]' -c "
                         "requirements.lock, or choose another format.")  # fmt: skip


def _name_inputs(path: Path) -> None:
    """Names the dimensions of the images, and drops inputs that nothing uses: tf2onnx makes some of constants."""
    import onnx

    model = onnx.load(path)
    used = {name for node in model.graph.node for name in node.input}
    inputs = [entry for entry in model.graph.input if entry.name in used]
    for dimension, name in zip(inputs[0].type.tensor_type.shape.dim, ("batch", "height", "width"), strict=False):
        dimension.dim_param = name
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    onnx.save(model, path)


def _read_onnx(path: Path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {session.get_inputs()[0].name: images})[0]


def _read_saved_model(path: Path):
    model = tf.saved_model.load(path)
    return lambda images: model.serve(images).numpy()


def _read_litert(path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # another package will replace this class
        interpreter = tf.lite.Interpreter(str(path))

    def predict(images):
        entry, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
        interpreter.resize_tensor_input(entry, images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(entry, images)
        interpreter.invoke()
        return interpreter.get_tensor(result)

    return predict


READERS = {"onnx": _read_onnx, "saved_model": _read_saved_model, "litert": _read_litert}
