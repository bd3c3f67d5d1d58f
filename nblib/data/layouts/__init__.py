"""The layouts of data folders, one module each: `recognised` says whether a folder has it, `read` reads it."""

from nblib.data.folder import DataFolder
from nblib.data.layouts import imageclef, imageclef_2020, parquet_shards, roco, rocov2
from nblib.data.layouts.layout import Layout

# Asked in this order: the first that recognises the folder reads it.
LAYOUTS = {
    "parquet": Layout("parquet shards", parquet_shards.recognised, parquet_shards.read),
    "roco": Layout("ROCO v1", roco.recognised, roco.read),
    "imageclef-2020": Layout("ImageCLEF 2020 (one list per category)", imageclef_2020.recognised, imageclef_2020.read),
    "rocov2": Layout("ROCOv2", rocov2.recognised, rocov2.read),
    "imageclef": Layout("one list per split", imageclef.recognised, imageclef.read),
}


def recognise(folder: DataFolder) -> str:
    """The name of the first layout that recognises the folder; ImageCLEF's usual one where none does."""
    return next((name for name, layout in LAYOUTS.items() if layout.recognised(folder)), "imageclef")
