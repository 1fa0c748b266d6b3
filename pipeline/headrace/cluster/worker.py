"""What a worker on another machine needs before it works."""

import sys


def import_as(sys_path: list[str]) -> None:
    """Makes a worker find what its caller finds: models outside the tree (`my_package.module:Thing`) among others."""
    sys.path.extend(path for path in sys_path if path not in sys.path)
