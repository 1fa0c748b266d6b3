"""The caller's modules and current folder, for code that runs on a worker."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CallerFolder:
    """Where the caller's modules and relative files are; Ray's workers start in a folder of their own."""

    sys_path: tuple[str, ...]
    folder: str

    @classmethod
    def capture(cls) -> CallerFolder:
        """Returns those of this process."""
        return cls(tuple(sys.path), str(Path.cwd()))

    def enter(self) -> None:
        """Makes a model of the project (`my_package.module:Net`), and the files that it opens, found on this worker.

        A node without the folder keeps its own: a table or an image by its URL may be all that it reads.
        """
        sys.path.extend(path for path in self.sys_path if path not in sys.path)
        if Path(self.folder).is_dir():
            os.chdir(self.folder)
