"""Formats that are common but not read, with the way to convert their files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

HDF5 = (
    "HDF5 is not read, since a file may hold any arrangement of arrays; write the arrays of inputs and labels with"
    " h5py and NumPy: np.savez_compressed('data.npz', x=file['images'][:], y=file['labels'][:])"
)
DICOM = (
    "DICOM is not read, since its values need the scale and the window of each file; write 16-bit PNG or TIFF files"
    " with pydicom: pixels = apply_modality_lut(dataset.pixel_array, dataset), in a folder per class or with a table"
)
NIFTI = "NIfTI volumes are not read; write their slices as 16-bit PNG or TIFF files with nibabel"
STATISTICS = (
    "files of SPSS, Stata and SAS are not read; write Parquet with pyreadstat: frame.to_parquet('data.parquet')"
)
PICKLE = (
    "pickles are not read, since they may run any program; write Parquet (frame.to_parquet) or an .npz file"
    " (np.savez_compressed)"
)
REMEDIES: dict[str, str] = {
    **dict.fromkeys((".h5", ".hdf5", ".he5", ".hdf"), HDF5),
    **dict.fromkeys((".dcm", ".dicom", ".ima"), DICOM),
    **dict.fromkeys((".nii", ".nrrd", ".mha"), NIFTI),
    **dict.fromkeys((".sav", ".zsav", ".dta", ".sas7bdat", ".xpt"), STATISTICS),
    **dict.fromkeys((".pkl", ".pickle", ".p", ".joblib"), PICKLE),
    ".avro": "Avro is not read; write Parquet, such as with fastavro and pyarrow",
    ".mat": "files of MATLAB are not read; write an .npz file with scipy.io.loadmat and np.savez_compressed",
    ".rds": "files of R are not read; write Parquet with arrow::write_parquet",
    ".rdata": "files of R are not read; write Parquet with arrow::write_parquet",
    ".npy": "an .npy file has no labels; write inputs and labels to one .npz file: np.savez('data.npz', x=..., y=...)",
}
"""Extension -> why its files are not read, and what to do."""
DICOM_MAGIC, DICOM_START = b"DICM", 128


def find_remedy(paths: Iterable[Path]) -> str | None:
    """Returns what to do about the first file of a format that is not read; None if there is none."""
    for path in paths:
        extension = path.with_suffix("").suffix if path.suffix.lower() == ".gz" else path.suffix
        if remedy := REMEDIES.get(extension.lower()):
            return f"{path.name}: {remedy}"
        if not extension or extension[1:].isdigit():  # many DICOM files have no extension, or a number
            with path.open("rb") as file:
                if file.read(DICOM_START + len(DICOM_MAGIC))[DICOM_START:] == DICOM_MAGIC:
                    return f"{path.name}: {DICOM}"
    return None
