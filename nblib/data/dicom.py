"""DICOM files as grey or RGB pictures, as a viewer shows them when it opens them.

Only elements that describe pixels are read. Patient, study and all else are never parsed, and so are in no output.
"""

import warnings
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile

PREFIX = b"DICM"  # after a preamble of 128 bytes
DEFLATED = "1.2.840.10008.1.2.1.99"  # compressed as a whole, to any size; hardly anyone writes it
PER_FRAME = ("PixelValueTransformationSequence", "FrameVOILUTSequence")  # rescale and window of one frame of several
GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
HEADER = ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation")


class DicomImage(ImageFile.ImageFile):
    """A DICOM file as an image of Pillow, of 8 bits: opened by its header, decoded when its pixels are needed.

    Of several frames, `n_frames`, it is the middle one.

    Raises:
        OSError: pydicom is not installed, the file has no pixels or is damaged, or no decoder for it is installed.
    """

    format = "DICOM"

    def _open(self) -> None:
        self._size, self._mode, self.n_frames = _read(_header, self.fp)

    def load(self):
        if self._im is None:
            picture = Image.fromarray(_read(_picture, self.fp, self.n_frames // 2))
            self._size, self._mode, self.im = picture.size, picture.mode, picture.im
        return Image.Image.load(self)


def is_dicom(stream: BinaryIO) -> bool:
    """Whether the stream, which is rewound, has the prefix of a DICOM file."""
    start = stream.read(128 + len(PREFIX))
    stream.seek(0)
    return start.endswith(PREFIX)


def _read(read, stream: BinaryIO, *arguments):
    """What `read` returns; whatever goes wrong in it is an OSError with the reason."""
    try:
        import pydicom  # noqa: F401 - for the message
    except ImportError:
        raise OSError("a DICOM file, and pydicom is not installed: pip install 'nblib[dicom]'") from None
    warnings.filterwarnings("ignore", module=r"pydicom\.")  # which warns of much that does not concern pixels
    stream.seek(0)
    try:
        return read(stream, *arguments)
    except (OSError, Image.DecompressionBombError):
        raise
    except AttributeError:
        raise OSError("a DICOM file without pixels, or without their number of rows and columns") from None
    except Exception as error:  # of a dozen kinds: those of struct, NumPy, Pillow, pydicom, ...
        why, missing, _ = str(error).partition(" because all plugins are missing dependencies")
        advice = ": pip install 'pylibjpeg[all]' may help" if missing else ""
        raise OSError(f"a DICOM file; {' '.join(why.split())[:200]}{advice}") from None


def _header(stream: BinaryIO) -> tuple[tuple[int, int], str, int]:
    """Columns and rows, mode, and number of frames."""
    from pydicom import dcmread

    if DEFLATED.encode() in stream.read(1024):
        raise OSError("a deflated DICOM file, which is not read; write it with another transfer syntax")
    stream.seek(0)
    header = dcmread(stream, stop_before_pixels=True, specific_tags=list(HEADER))
    rows, columns = int(header.Rows), int(header.Columns)
    if Image.MAX_IMAGE_PIXELS and rows * columns > 2 * Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError(f"{columns:,} x {rows:,} pixels are too many")
    in_colour = header.get("SamplesPerPixel", 1) > 1 or header.PhotometricInterpretation == "PALETTE COLOR"
    return (columns, rows), "RGB" if in_colour else "L", int(header.get("NumberOfFrames") or 1)


def _picture(stream: BinaryIO, frame: int) -> np.ndarray:
    """The frame, (rows, columns) or (rows, columns, 3) uint8."""
    from pydicom import Dataset
    from pydicom.datadict import tag_for_keyword
    from pydicom.pixels import apply_color_lut, pixel_array

    image = Dataset()
    values = pixel_array(stream, index=frame, ds_out=image, specific_tags=list(map(tag_for_keyword, GROUPS)))
    if image.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(values, image)
        return values if values.dtype == np.uint8 else (values >> 8).astype(np.uint8)
    if values.ndim == 3:
        return (values >> (image.BitsStored - 8)).astype(np.uint8)
    for name, number in zip(GROUPS, (0, frame), strict=True):
        for sequence in PER_FRAME:
            if (group := image.get(name)) and sequence in group[number]:
                image.update(group[number][sequence].value[0])
    return _shown(values, image)


def _shown(values: np.ndarray, image) -> np.ndarray:
    """The stored values of a grey image as they are shown, (rows, columns) uint8.

    The modality LUT is applied, then the first VOI LUT or window of the file; where it has none, the lowest value is
    black and the highest white, apart from padding. MONOCHROME1 is inverted.
    """
    from pydicom import Dataset
    from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing

    padding = values == image.PixelPaddingValue if "PixelPaddingValue" in image else np.zeros(values.shape, bool)
    values = apply_modality_lut(values, image)
    if image.get("VOILUTSequence"):
        bits = image.VOILUTSequence[0].LUTDescriptor[2]
        grey = apply_voi(np.rint(values).astype(np.int64), image) * (255 / (2**bits - 1))
    elif image.get("WindowWidth") is not None and image.get("WindowCenter") is not None:
        window = Dataset()  # with the range of the shown values: 0 to 255
        window.PhotometricInterpretation, window.BitsStored, window.PixelRepresentation = "MONOCHROME2", 8, 0
        for name in ("WindowCenter", "WindowWidth", "VOILUTFunction"):
            if name in image:
                setattr(window, name, image[name].value)
        grey = apply_windowing(values, window)
    else:
        known = values[~padding].astype(np.float64)
        low, high = (known.min(), known.max()) if known.size else (0, 0)
        grey = (values - low) * (255 / (high - low)) if low < high else np.zeros(values.shape)
    shown = np.rint(np.clip(grey, 0, 255)).astype(np.uint8)
    return 255 - shown if image.PhotometricInterpretation == "MONOCHROME1" else shown
