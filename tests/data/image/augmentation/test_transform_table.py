import inspect
import os

import pytest

from headrace.data.image.augmentation.transform_table import TRANSFORM_ARGUMENTS, find_transform_mistakes


def test_table_is_what_albumentations_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    root = albumentations.BasicTransform  # its module holds only base classes
    arguments = {
        name: " ".join(inspect.signature(kind).parameters)
        for name, kind in vars(albumentations).items()
        if isinstance(kind, type) and issubclass(kind, root) and kind.__module__ != root.__module__
    }
    assert arguments == TRANSFORM_ARGUMENTS


@pytest.mark.parametrize(("name", "meant"), [("Afine", "Affine"), ("HorizontalFlp", "HorizontalFlip")])
def test_unknown_transform_gets_a_suggestion(name: str, meant: str) -> None:
    assert find_transform_mistakes([{"name": "Affine"}, {"name": name}], "here") == [
        f"here.1.name: {name!r} is not an albumentations transform; did you mean {meant!r}?;"
        " see https://albumentations.ai/docs"
    ]


@pytest.mark.parametrize("name", ["Compose", "BasicTransform", "os", "__doc__", "zzzzzz"])
def test_name_that_is_not_a_transform_is_a_mistake(name: str) -> None:
    (mistake,) = find_transform_mistakes([{"name": name}], "here")
    assert mistake.startswith(f"here.0.name: {name!r} is not an albumentations transform; ")


def test_every_mistake_is_listed() -> None:
    mistakes = find_transform_mistakes(
        [{"p": 1}, {"name": "HorizontalFlip", "q": 0.5, "r": 1}, {"name": "Affine", "rotat": [-9, 9]}], "here"
    )
    assert mistakes[:3] == [
        "here.0.name: missing; add one, such as {name: Affine, rotate: [-10, 10]}",
        "here.1.q: unknown argument of HorizontalFlip; choose one of ['p']",
        "here.1.r: unknown argument of HorizontalFlip; choose one of ['p']",
    ]
    assert mistakes[3].endswith("(did you mean 'rotate'?)")
