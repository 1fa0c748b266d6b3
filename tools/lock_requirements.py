"""Prints the packages of uv.lock for this Python and machine as pip's requirements, with hashes; needs only pip."""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pip._vendor.packaging.markers import Marker

ROOT = Path(__file__).resolve().parent.parent
Package = dict[str, Any]


def main() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    print(f"# Python {sys.version_info.major}.{sys.version_info.minor}: python tools/lock_requirements.py")
    for package in sorted(find_needed(lock["package"]), key=lambda package: package["name"]):
        hashes = [file["hash"] for file in [*package.get("wheels", []), package.get("sdist")] if file]
        print(" \\\n    ".join([f"{package['name']}=={package['version']}", *(f"--hash={hash_}" for hash_ in hashes)]))


def find_needed(packages: list[Package]) -> list[Package]:
    """Returns the packages that the project and its group `dev` need here, without the project itself."""
    candidates: dict[str, list[Package]] = {}
    for package in packages:
        candidates.setdefault(package["name"], []).append(package)
    project = candidates["headrace"][0]
    queue = [*project["dependencies"], *project["dev-dependencies"]["dev"]]
    needed: dict[str, Package] = {}
    seen = set()
    while queue:
        edge = queue.pop()
        key = (edge["name"], tuple(edge.get("extra", [])))
        if key in seen or not applies(edge.get("marker")):
            continue
        seen.add(key)
        versions = candidates[edge["name"]]
        package = next(package for package in versions if edge.get("version") in {None, package["version"]})
        needed[edge["name"]] = package
        queue += [*package.get("dependencies", []), *edges_of_extras(package, edge)]
    return list(needed.values())


def edges_of_extras(package: Package, edge: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for extra in edge.get("extra", []):
        yield from package.get("optional-dependencies", {}).get(extra, [])


def applies(marker: str | None) -> bool:
    return marker is None or Marker(marker).evaluate()


main()
