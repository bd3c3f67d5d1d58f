"""DICOM files: those that pydicom ships, and small ones written here, against windows worked out by hand."""

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nblib.data import check_images, decode_compactly, decode_image, inspect_dataset, missing_splits
from nblib.data.images import UNREADABLE, open_image

pydicom = pytest.importorskip("pydicom", reason="pydicom, of the extra dicom, is not installed")
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian  # noqa: E402

SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"


def shown(source):
    """The pixels of a file, of bytes, or of a dataset, with the number of its frames."""
    if isinstance(source, Dataset):
        stream = BytesIO()
        source.save_as(stream, enforce_file_format=True)
        source = stream.getvalue()
    stream = BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    with stream, open_image(stream) as image:
        assert image.size[::-1] == np.asarray(image).shape[:2]
        return np.asarray(image), image.n_frames


def stored(values, **elements):
    """A grey image of these values, signed 16 bits, with further elements."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, "1.2.3"
    values = np.asarray(values, np.int16)
    dataset.Rows, dataset.Columns = values.shape[-2:]
    if values.ndim == 3:
        dataset.NumberOfFrames = len(values)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.PixelData = values.tobytes()
    return dataset


def item(**elements):
    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def words(*values):
    return np.array(values, np.uint16).tobytes()


def test_a_window_as_the_standard_defines_it():
    """PS3.3 C.11.2.1.2.1, center 40 and width 100: black up to 39.5 - 49.5, white above 39.5 + 49.5."""
    values = [[-1000, -11, -10, 39, 40, 89, 90, 1000]]
    pixels, frames = shown(stored(values, WindowCenter=40, WindowWidth=100))
    expected = [0, 0, 0, 255 * 49 / 99, 255 * 50 / 99, 255 * 99 / 99, 255, 255]
    assert frames == 1 and pixels.tolist() == [[round(value) for value in expected]]


EXP = np.exp([4, 2, 0, -2])


@pytest.mark.parametrize(
    ("function", "expected"), [("LINEAR_EXACT", [0, 0, 0.5, 1]), ("SIGMOID", 1 / (1 + EXP))], ids=["exact", "sigmoid"]
)
def test_the_other_functions_of_a_window(function, expected):
    window = {"WindowCenter": 40, "WindowWidth": 100, "VOILUTFunction": function}
    pixels, _ = shown(stored([[-60, -10, 40, 90]], **window))
    assert pixels.tolist() == [[round(255 * value) for value in expected]]


def test_the_first_of_several_windows_after_the_rescale_and_inverted_for_monochrome1():
    elements = {"RescaleSlope": 2, "RescaleIntercept": -10, "WindowCenter": [100, 0], "WindowWidth": [201, 5]}
    pixels, _ = shown(stored([[5, 25, 55, 105]], **elements, PhotometricInterpretation="MONOCHROME1"))
    expected = [255 - round(255 * min((2 * value - 10 - 99.5) / 200 + 0.5, 1)) for value in (5, 25, 55, 105)]
    assert pixels.tolist() == [expected] and expected[0] > expected[-1]


def test_without_a_window_the_lowest_value_is_black_and_the_highest_white_apart_from_padding():
    dataset = pydicom.dcmread(SHIPPED / "CT_small.dcm")
    values = dataset.pixel_array.astype(float)
    assert "WindowWidth" not in dataset and dataset.PixelPaddingValue == -2000 and values.min() > -2000
    low, high = values.min(), values.max()
    np.testing.assert_array_equal(shown(SHIPPED / "CT_small.dcm")[0], np.rint((values - low) / (high - low) * 255))
    pixels, _ = shown(stored([[-2000, 0, 10, 20]], PixelPaddingValue=-2000))
    assert pixels.tolist() == [[0, 0, 128, 255]]
    assert shown(stored([[7, 7]]))[0].tolist() == [[0, 0]]


def test_look_up_tables():
    modality = item(LUTDescriptor=[4, 0, 16], LUTData=words(0, 100, 200, 300), ModalityLUTType="US")
    voi = item(LUTDescriptor=[3, 100, 8], LUTData=words(0, 51, 255))
    dataset = stored([[0, 1, 2, 3]], ModalityLUTSequence=[modality], VOILUTSequence=[voi])
    assert shown(dataset)[0].tolist() == [[0, 0, 255, 255]]
    voi.LUTDescriptor, voi.LUTData = [3, 1, 16], words(0, 6553, 65535)
    assert shown(stored([[1, 2, 3]], VOILUTSequence=[voi]))[0].tolist() == [[0, 25, 255]]


@pytest.mark.parametrize(
    "name", ["MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_bigendian.dcm"]
)
def test_files_in_several_transfer_syntaxes_are_shown_in_their_window(name):
    values = pydicom.dcmread(SHIPPED / "MR_small.dcm").pixel_array.astype(float)
    expected = np.rint(np.clip(((values - 599.5) / 1599 + 0.5) * 255, 0, 255))
    np.testing.assert_array_equal(shown(SHIPPED / name)[0], expected)


def test_a_real_x_ray_in_monochrome1():
    path = SHIPPED / "dicomdirtests" / "77654033" / "CR1" / "6154"
    dataset = pydicom.dcmread(path)
    assert dataset.PhotometricInterpretation == "MONOCHROME1" and (dataset.WindowCenter, dataset.WindowWidth) == (
        1600,
        2800,
    )
    values = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    expected = np.rint(np.clip(((values - 1599.5) / 2799 + 0.5) * 255, 0, 255))
    np.testing.assert_array_equal(shown(path)[0], 255 - expected)


def test_of_several_frames_the_middle_one_is_shown():
    whole = pydicom.dcmread(SHIPPED / "examples_ybr_color.dcm").pixel_array
    pixels, frames = shown(SHIPPED / "examples_ybr_color.dcm")
    assert frames == 30 and pixels.shape == (240, 320, 3)
    np.testing.assert_array_equal(pixels, pydicom.pixels.pixel_array(SHIPPED / "examples_ybr_color.dcm", index=15))
    assert whole.shape[0] == 30 and not np.array_equal(whole[14], whole[15])


def test_each_frame_may_have_its_own_window():
    groups = [item(FrameVOILUTSequence=[item(WindowCenter=50, WindowWidth=width)]) for width in (11, 101, 1001)]
    shared = item(PixelValueTransformationSequence=[item(RescaleSlope=1, RescaleIntercept=10, RescaleType="US")])
    sequences = {"PerFrameFunctionalGroupsSequence": groups, "SharedFunctionalGroupsSequence": [shared]}
    pixels, frames = shown(stored([[[1, 2]], [[0, 60]], [[3, 4]]], **sequences))
    assert frames == 3 and pixels.tolist() == [[round(255 * ((value + 10 - 49.5) / 100 + 0.5)) for value in (0, 60)]]


@pytest.mark.parametrize(
    "name", ["examples_rgb_color.dcm", "SC_rgb_rle.dcm", "examples_palette.dcm", "SC_rgb_rle_16bit.dcm"]
)
def test_colour_is_rgb_of_8_bits(name):
    dataset = pydicom.dcmread(SHIPPED / name)
    expected = dataset.pixel_array
    if "palette" in name:
        expected = pydicom.pixels.apply_color_lut(expected, dataset)
    expected = expected >> 8 if expected.dtype == np.uint16 else expected
    np.testing.assert_array_equal(shown(SHIPPED / name)[0], expected)


def test_it_is_decoded_to_a_size_as_other_images_are():
    grey = decode_compactly(SHIPPED / "MR_small.dcm", 32)
    resized = Image.fromarray(shown(SHIPPED / "MR_small.dcm")[0]).resize((32, 32), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(grey, np.asarray(resized))
    assert decode_image(SHIPPED / "MR_small.dcm", 32).shape == (32, 32, 3)


def test_no_element_of_the_patient_is_read(monkeypatch):
    read = []
    convert = pydicom.dataset.convert_raw_data_element

    def noted(raw, **options):
        read.append(raw.tag)
        return convert(raw, **options)

    monkeypatch.setattr(pydicom.dataset, "convert_raw_data_element", noted)
    shown(SHIPPED / "MR_small.dcm")
    assert read and {tag.group for tag in read} <= {0x0002, 0x0028, 0x7FE0}


BAD = {
    "reportsi.dcm": "a DICOM file without pixels",
    "MR_truncated.dcm": "a DICOM file; cannot reshape array of size 4065",
    "image_dfl.dcm": "a deflated DICOM file, which is not read",
    "GDCMJ2K_TextGBR.dcm": "a DICOM file; Unable to decode as exceptions were raised",
    "no_meta.dcm": "its content is none of JPEG, PNG, GIF, BMP, TIFF, WEBP, DICOM",
}


@pytest.mark.parametrize("name", BAD)
def test_what_can_not_be_read_is_said_in_a_line(name):
    with pytest.raises(UNREADABLE, match=BAD[name]) as caught:
        shown(SHIPPED / name)
    assert "\n" not in str(caught.value)


def test_a_missing_decoder_is_named():
    if pydicom.pixels.get_decoder(pydicom.uid.JPEGLSLossless).is_available:
        pytest.skip("a decoder for JPEG-LS is installed")
    with pytest.raises(
        OSError, match=r"'JPEG-LS Lossless Image Compression' pixel data: pip install 'pylibjpeg\[all\]'"
    ):
        shown(SHIPPED / "MR_small_jpeg_ls_lossless.dcm")


def test_without_pydicom_the_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(OSError, match=r"a DICOM file, and pydicom is not installed: pip install 'nblib\[dicom\]'"):
        shown(SHIPPED / "MR_small.dcm")


def test_a_bomb_is_refused_by_its_header():
    dataset = stored([[0]])
    dataset.Rows = dataset.Columns = 60_000
    with pytest.raises(Image.DecompressionBombError, match="60,000 x 60,000 pixels are too many"):
        shown(dataset)


def test_images_of_a_data_folder_may_be_dicom(tmp_path):
    for split, name in (("train", "MR_small.dcm"), ("val", "examples_ybr_color.dcm"), ("test", "reportsi.dcm")):
        (tmp_path / split).mkdir()
        (tmp_path / split / f"{split}1.dcm").write_bytes((SHIPPED / name).read_bytes())
        (tmp_path / f"{split}_concepts.csv").write_text(f"{split}1.dcm\tC0000001\n")
    dataset = inspect_dataset(tmp_path)
    assert not dataset.problems and not missing_splits(dataset)
    assert dataset.images["path"].notna().all() and set(dataset.images["image_id"]) == {"train1", "val1", "test1"}
    problems = {
        problem.image_id: (problem.serious, problem.what) for problem in check_images(dataset.images, pixels=True)
    }
    assert problems.keys() == {"val1", "test1"}
    assert problems["val1"] == (False, "30 frames; only the middle one is used.")
    assert problems["test1"][0] and "without pixels" in problems["test1"][1]
