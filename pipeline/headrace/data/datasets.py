"""Registry of built-in datasets: where their files are, and how they are read.

The checksums are from the publishers, or from torchvision, torchtext and MLDatasets.jl for the same files.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from headrace.contracts import Json, ModalityName, TaskName

FORMATS = ("folder", "text_folder", "table", "idx", "cifar", "npz", "webdataset")
"""The formats of sources; `READERS` has the reader of each."""

SKLEARN = "sklearn.datasets"
MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
FASHION_MNIST = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
CIFAR = "https://www.cs.toronto.edu/~kriz"
UCI = "https://archive.ics.uci.edu"
ADULT_COLUMNS = [
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race",
    "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
]  # fmt: skip
"""The files have no header; the names are from adult.names, which does not name the last column."""


@dataclass(frozen=True)
class BuiltInDataset:
    """A published dataset: files to download, or rows of an installed package."""

    description: str
    """One line that begins with the number of rows."""
    modality: ModalityName
    task: TaskName = "classification"
    reader: str = ""
    """A name in `FORMATS`; empty for a packaged dataset, whose reader is in `PACKAGED_READERS`."""
    files: tuple[tuple[str, str | None], ...] = ()
    """URL and checksum (`md5:...` or `sha256:...`; None: only the length is verified) of each; empty if packaged."""
    module: str = ""
    """The module whose import its reader needs; empty: none that takes time."""
    member: str = ""
    """The path to read inside the unpacked archive; empty: all of it."""
    options: Json = field(default_factory=dict)
    """Values of `ReadOptions` that differ from the defaults; params.yaml overrides them."""


BUILT_INS: dict[str, BuiltInDataset] = {
    "mnist5k": BuiltInDataset("5,000 handwritten digits, 28 x 28 grey", "image"),
    "digits": BuiltInDataset("1,797 handwritten digits, 8 x 8 grey", "image", module=SKLEARN),
    "wine": BuiltInDataset("178 wines of three cultivars, 13 measurements", "table", module=SKLEARN),
    "breast-cancer": BuiltInDataset("569 tumours, benign or malignant, 30 measurements", "table", module=SKLEARN),
    "diabetes": BuiltInDataset(
        "442 patients, the disease's progression (regression), 10 measurements", "table", "regression", module=SKLEARN
    ),
    "mnist": BuiltInDataset(
        "70,000 handwritten digits, 28 x 28 grey",
        "image",
        reader="idx",
        files=(
            (f"{MNIST}/train-images-idx3-ubyte.gz", "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            (f"{MNIST}/train-labels-idx1-ubyte.gz", "md5:d53e105ee54ea40749a09fcbcd1e9432"),
            (f"{MNIST}/t10k-images-idx3-ubyte.gz", "md5:9fb629c4189551a2d022fa330f9573f3"),
            (f"{MNIST}/t10k-labels-idx1-ubyte.gz", "md5:ec29112dd5afa0611ce80d1b7f02629c"),
        ),
    ),
    "fashion-mnist": BuiltInDataset(
        "70,000 pieces of clothing of ten kinds, 28 x 28 grey",
        "image",
        reader="idx",
        files=(
            (f"{FASHION_MNIST}/train-images-idx3-ubyte.gz", "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            (f"{FASHION_MNIST}/train-labels-idx1-ubyte.gz", "md5:25c81989df183df01b3e8a0aad5dffbe"),
            (f"{FASHION_MNIST}/t10k-images-idx3-ubyte.gz", "md5:bef4ecab320f06d8554ea6380940ec79"),
            (f"{FASHION_MNIST}/t10k-labels-idx1-ubyte.gz", "md5:bb300cfdad3c16e7a12a480ee83cd310"),
        ),
    ),
    "cifar10": BuiltInDataset(
        "60,000 photographs of ten kinds, 32 x 32 in colour",
        "image",
        reader="cifar",
        files=((f"{CIFAR}/cifar-10-python.tar.gz", "md5:c58f30108f718f92721af3b95e74349a"),),
    ),
    "cifar100": BuiltInDataset(
        "60,000 photographs of a hundred kinds, 32 x 32 in colour",
        "image",
        reader="cifar",
        files=((f"{CIFAR}/cifar-100-python.tar.gz", "md5:eb9058c3a382ffc7106e4002c42a8d85"),),
    ),
    "imdb": BuiltInDataset(
        "50,000 reviews of films, positive or negative, and 50,000 without a label",
        "text",
        reader="text_folder",
        files=(
            ("https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz", "md5:7c2ac02c03563afcf9b574c7e56c153a"),
        ),
    ),
    "sms-spam": BuiltInDataset(
        "5,574 text messages, ham or spam",
        "text",
        reader="table",
        files=(
            (
                f"{UCI}/static/public/228/sms+spam+collection.zip",
                "sha256:1587ea43e58e82b14ff1f5425c88e17f8496bfcdb67a583dbff9eefaf9963ce3",
            ),
        ),
        member="SMSSpamCollection",
        options={
            "target": "label",
            "table": {"header": False, "quoting": False, "delimiter": "\t", "names": ["label", "text"]},
        },
    ),
    "adult": BuiltInDataset(
        "48,842 people of the 1994 census, income above 50,000 dollars or not, 14 columns",
        "table",
        reader="table",
        files=(
            (f"{UCI}/ml/machine-learning-databases/adult/adult.data", "md5:5d7c39d7b8804f071cdd1f2a7c460872"),
            (f"{UCI}/ml/machine-learning-databases/adult/adult.test", "md5:35238206dfdf7f1fe215bbb874adecdc"),
        ),
        options={
            "target": "income",
            "table": {"header": False, "delimiter": ",", "names": ADULT_COLUMNS, "missing": ["?", ""]},
        },
    ),
}
