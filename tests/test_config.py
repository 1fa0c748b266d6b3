import inspect
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError, field_validator
from ruamel.yaml import YAML

from headrace.config import Section, describe_errors, list_dvc_deps, read_params, validate_section, validate_sections
from headrace.errors import ConfigError
from headrace.paths import Paths
from headrace.settings.load import SECTIONS, load_settings
from headrace.stages import STAGES

ROOT = Path(__file__).parents[1]


class Stopping(Section):
    patience: int = 5
    min_delta: float = 0.0


class Train(Section):
    batch_size: Annotated[int, Field(gt=0)] = 64
    learning_rate: float = 1e-3
    optimizer: Literal["adam", "sgd"] = "adam"
    stopping: Stopping = Stopping()
    workers: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    model: dict[str, str] = {}
    gates: dict[str, Stopping] = {}

    @field_validator("model")
    @classmethod
    def _model(cls, model: dict[str, str]) -> dict[str, str]:
        if "name" in model:
            raise ValueError("model.name: no such model; and model.width: too wide")
        if model:
            raise ValueError("is odd")
        return model


class AllTypes(Section):
    integer: int = 0
    flag: bool = True
    name: Annotated[str, Field(min_length=2, max_length=3, pattern="^[a-z]*$")] = "ab"
    items: Annotated[list[int], Field(min_length=1, max_length=2)] = [1]
    table: Annotated[dict[str, int], Field(min_length=1)] = {"a": 1}
    number: int | float = 0
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.5
    size: Annotated[int, Field(ge=1, le=9, multiple_of=2)] = 2
    kind: Literal["cat", "dog"] = "cat"
    kinds: dict[str, Literal["cat", "dog"] | Literal["auto"]] = {}  # noqa: PYI030 - as aliases give it
    target: str | list[str] | None = None
    stopping: Stopping | None = None


class Needy(Section):
    source: str


def refusal(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "params.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        read_params(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def find_mistakes(text: str) -> str:
    _, mistakes = validate_sections(YAML(typ="safe").load(text), {"train": Train})
    return "; and ".join(mistakes)


def test_validate_sections_of_a_missing_section_has_defaults() -> None:
    sections = {"train": Train, "test": Stopping}
    assert validate_sections({"train": None}, sections) == ({"train": Train(), "test": Stopping()}, [])


def test_validate_sections_returns_an_invalid_section_without_its_invalid_keys() -> None:
    values = {"batch_size": 8, "learning_rate": "fast", "stopping": {"patiance": 1}}
    loaded, mistakes = validate_sections({"train": values, "test": 3}, {"train": Train, "test": Stopping})
    assert loaded == {"train": Train(batch_size=8)}
    assert len(mistakes) == 3


def test_validate_sections_lists_all_errors() -> None:
    message = find_mistakes(
        "trian: {}\ntrain: {batch_size: -1, optimizer: adma, lerning_rate: 1, stopping: {patiance: 3}}"
    )
    assert message == (
        "trian: unknown section; choose one of ['train'] (did you mean 'train'?); and "
        "train.batch_size: got -1; must be greater than 0; and "
        "train.optimizer: got 'adma'; choose one of ['adam', 'sgd'] (did you mean 'adam'?); and "
        "train.stopping.patiance: unknown key; choose one of ['min_delta', 'patience'] (did you mean 'patience'?); and "
        "train.lerning_rate: unknown key; choose one of ['batch_size', 'gates', 'learning_rate', 'model', 'optimizer', "
        "'stopping', 'workers'] (did you mean 'learning_rate'?)"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {batch_size: '64'}", "train.batch_size: got '64'; must be a valid integer"),
        ("train: {batch_size: 64.5}", "train.batch_size: got 64.5; must be a valid integer"),
        ("train: {batch_size: yes}", "train.batch_size: got 'yes'; must be a valid integer"),
        ("train: {batch_size: true}", "train.batch_size: got True; must be a valid integer"),
        ("train: {learning_rate: .nan}", "train.learning_rate: got nan; must be a finite number"),
        ("train: {learning_rate: .inf}", "train.learning_rate: got inf; must be a finite number"),
        ("train: {stopping: 3}", "train.stopping: got 3; must be a mapping of keys to values"),
        ("train: 3", "train: got 3; must be a mapping of keys to values"),
        ("train: {workers: many}", "train.workers: got 'many'; must be a valid integer or 'auto'"),
        ("train: {workers: -1}", "train.workers: got -1; must be greater than or equal to 0 or 'auto'"),
        ("train: {model: {odd: x}}", "train.model: is odd"),
        ("train: {model: {name: x}}", "train.model.name: no such model; and train.model.width: too wide"),
        ("train: {gates: {a: {patience: x}}}", "train.gates.a.patience: got 'x'; must be a valid integer"),
    ],
)
def test_validate_sections_names_the_full_key_of_an_error(text: str, message: str) -> None:
    assert find_mistakes(text) == message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"integer": "1"}, "integer: got '1'; must be a valid integer"),
        ({"flag": 1}, "flag: got 1; must be a valid boolean"),
        ({"name": 1}, "name: got 1; must be a valid string"),
        ({"name": "\ud800"}, r"name: got '\ud800'; must be valid Unicode"),
        ({"name": "a"}, "name: got 'a'; must be of length 2 or more"),
        ({"name": "abcd"}, "name: got 'abcd'; must be of length 3 or less"),
        ({"name": "A1"}, "name: got 'A1'; must be a string that matches '^[a-z]*$'"),
        ({"items": 1}, "items: got 1; must be a valid list"),
        ({"items": []}, "items: got []; must be of length 1 or more"),
        ({"items": [1, 2, 3]}, "items: got [1, 2, 3]; must be of length 2 or less"),
        ({"items": [1, "a"]}, "items.1: got 'a'; must be a valid integer"),
        ({"table": [1]}, "table: got [1]; must be a mapping of keys to values"),
        ({"table": {}}, "table: got {}; must be of length 1 or more"),
        ({"table": {1: 1}}, "table.1: got 1 as a key; must be a string"),
        ({"number": "a"}, "number: got 'a'; must be a valid number"),
        ({"number": float("nan")}, "number: got nan; must be a finite number"),
        ({"fraction": "a"}, "fraction: got 'a'; must be a valid number"),
        ({"fraction": float("inf")}, "fraction: got inf; must be a finite number"),
        ({"fraction": 0}, "fraction: got 0; must be greater than 0"),
        ({"fraction": 1}, "fraction: got 1; must be less than 1"),
        ({"size": 0}, "size: got 0; must be greater than or equal to 1"),
        ({"size": 10}, "size: got 10; must be less than or equal to 9"),
        ({"size": 3}, "size: got 3; must be a multiple of 2"),
        ({"kind": "cta"}, "kind: got 'cta'; choose one of ['cat', 'dog'] (did you mean 'cat'?)"),
        ({"kinds": {"a": 3}}, "kinds.a: got 3; choose one of ['auto', 'cat', 'dog']"),
        ({"target": 3}, "target: got 3; must be a valid string or a valid list"),
        ({"target": ["a", 3]}, "target.1: got 3; must be a valid string"),
        ({"stopping": 3}, "stopping: got 3; must be a mapping of keys to values"),
        ({"stopping": {"patience": None}}, "stopping.patience: got None; must be a valid integer"),
        ({1: 2}, "1: got 1 as a key; must be a string"),
    ],
)
def test_describe_errors_of_each_type(value: Any, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AllTypes.model_validate(value)
    assert describe_errors(caught.value, AllTypes, "here") == [f"here.{message}"]


def settings_sections() -> list[type[Section]]:
    assert set(SECTIONS) == set(STAGES)  # imported
    sections, queue = [], Section.__subclasses__()
    while queue:
        section = queue.pop()
        queue += section.__subclasses__()
        if section.__module__.startswith("headrace.") and not inspect.isabstract(section):
            sections.append(section)
    return sorted(sections, key=lambda section: f"{section.__module__}.{section.__qualname__}")


@pytest.mark.parametrize("section", settings_sections(), ids=lambda section: f"{section.__module__}.{section.__name__}")
def test_describe_errors_of_every_setting_is_plain_english(section: type[Section]) -> None:
    values = [None, True, -1, 0, 10**30, 1.5, float("nan"), "", "odd/name:", "\ud800", [], [1], [[1]], {}, {1: 2}]
    messages = []
    for field in [*section.model_fields, 3]:
        for value in [*values, {"a": 1}, {"a": {"b": 1}}, {"name": 3}]:
            try:
                section.model_validate({field: value})
            except ValidationError as error:
                messages += describe_errors(error, section, "here")
    assert messages
    dialect = re.compile(r"Input|[A-Z]\w+ should|Value error|Assertion|instance of|after validation|parse|\w+\[\w+\]:")
    assert [message for message in messages if dialect.search(message) or "\n" in message] == []


@pytest.mark.parametrize("number", ["1e-3", "1E-3", "0.001", "1.0e-3"])
def test_read_params_takes_numbers_as_dvc_does(tmp_path: Path, number: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"train: {{learning_rate: {number}, other: no}}")
    assert read_params(path) == {"train": {"learning_rate": 0.001, "other": "no"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [\n", "line 3: not YAML: "),
        ("a: 1\nb: [1,\nc:\n  d: 1\n", "lines 2 to 4: not YAML: "),
        ("a: 1\nb: 'x\nc: 1\n", "lines 2 to 4: not YAML: "),
        ("a: 1\nb: c: d\n", "line 2: not YAML: "),
        ("a: 1\na: 2\n", "line 2: the key 'a' occurs twice; remove one of them"),
        ("a:\n  b: 1\n  b: 2\n", "line 3: the key 'b' occurs twice; remove one of them"),
        ("a:\n\tb: 1\n", "line 2: not YAML: "),
        ("a: !!python/object:os.system x\n", "line 1: not YAML: "),
        ("a: *b\n", "line 1: not YAML: "),
    ],
)
def test_read_params_of_malformed_yaml_names_the_lines(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(tmp_path, text).startswith(f"params.yaml: {message}")


def test_read_params_of_other_bytes_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"train: \xff\xfe").startswith("params.yaml: not YAML: ")


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_read_params_of_an_empty_file_says_so(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text).startswith("params.yaml: is empty; add sections such as 'ingest:' and 'train:'")


@pytest.mark.parametrize("text", ["- a\n", "3"])
def test_read_params_of_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text).startswith("params.yaml: got ")


def test_read_params_of_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    for path in (tmp_path / "params.yaml", tmp_path):
        with pytest.raises(ConfigError, match=r": no such file; run headrace from a project's folder$"):
            read_params(path)


def test_validate_section_names_a_missing_key() -> None:
    assert validate_section(Needy, {"source": "x"}, "here").source == "x"
    with pytest.raises(ConfigError, match=r"^here\.source: missing; add it$"):
        validate_section(Needy, {}, "here")


def test_section_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Train().batch_size = 3  # type: ignore[misc]


def test_params_of_this_repository_are_accepted() -> None:
    sections = load_settings(Paths(ROOT))
    assert set(sections) == set(STAGES)
    assert set(read_params(ROOT / "params.yaml")) == set(STAGES)


def test_deps_of_a_stage_as_dvc_yaml_has_them(tmp_path: Path) -> None:
    assert list_dvc_deps(tmp_path / "dvc.yaml", "clean") is None
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  clean:\n    deps:\n    - data/raw\n    - a.csv: {persist: true}\n  split:\n"
    )
    assert list_dvc_deps(tmp_path / "dvc.yaml", "clean") == ["data/raw", "a.csv"]
    assert list_dvc_deps(tmp_path / "dvc.yaml", "split") == list_dvc_deps(tmp_path / "dvc.yaml", "tune") == []
