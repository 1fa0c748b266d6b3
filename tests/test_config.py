from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, field_validator

from headrace.commands.run_stage import load_settings
from headrace.config import Section, check, load_sections, read_params
from headrace.errors import ConfigError
from headrace.paths import Paths
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


class Needy(Section):
    source: str


def refusal(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "params.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_sections(path, {"train": Train})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_load_sections_of_a_missing_section_has_defaults(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("train:\n")
    assert load_sections(path, {"train": Train, "test": Stopping}) == {"train": Train(), "test": Stopping()}


def test_load_sections_tells_all_mistakes_at_once(tmp_path: Path) -> None:
    told = refusal(
        tmp_path, "trian: {}\ntrain: {batch_size: -1, optimizer: adma, lerning_rate: 1, stopping: {patiance: 3}}"
    )
    assert told == (
        "params.yaml: trian: unknown section; choose one of ['train'] (did you mean 'train'?); and "
        "train.batch_size: got -1; must be greater than 0; and "
        "train.optimizer: got 'adma'; choose one of ['adam', 'sgd'] (did you mean 'adam'?); and "
        "train.stopping.patiance: unknown key; choose one of ['min_delta', 'patience'] (did you mean 'patience'?); and "
        "train.lerning_rate: unknown key; choose one of ['batch_size', 'gates', 'learning_rate', 'model', 'optimizer', "
        "'stopping', 'workers'] (did you mean 'learning_rate'?)"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("train: {batch_size: '64'}", "train.batch_size: got '64'; must be a valid integer"),
        ("train: {batch_size: 64.5}", "train.batch_size: got 64.5; must be a valid integer"),
        ("train: {batch_size: yes}", "train.batch_size: got 'yes'; must be a valid integer"),
        ("train: {batch_size: true}", "train.batch_size: got True; must be a valid integer"),
        ("train: {learning_rate: .nan}", "train.learning_rate: got nan; must be a finite number"),
        ("train: {learning_rate: .inf}", "train.learning_rate: got inf; must be a finite number"),
        ("train: {stopping: 3}", "train.stopping: got 3; must be keys and values"),
        ("train: 3", "train: got 3; must be keys and values"),
        ("train: {workers: many}", "train.workers: got 'many'; must be a valid integer or 'auto'"),
        ("train: {workers: -1}", "train.workers: got -1; must be greater than or equal to 0 or 'auto'"),
        ("train: {model: {odd: x}}", "train.model: is odd"),
        ("train: {model: {name: x}}", "train.model.name: no such model; and train.model.width: too wide"),
        ("train: {gates: {a: {patience: x}}}", "train.gates.a.patience: got 'x'; must be a valid integer"),
    ],
)
def test_load_sections_of_one_mistake_tells_its_full_key_once(tmp_path: Path, text: str, told: str) -> None:
    assert refusal(tmp_path, text) == f"params.yaml: {told}"


@pytest.mark.parametrize("number", ["1e-3", "1E-3", "0.001", "1.0e-3"])
def test_read_params_takes_numbers_as_dvc_does(tmp_path: Path, number: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"train: {{learning_rate: {number}, other: no}}")
    assert read_params(path) == {"train": {"learning_rate": 0.001, "other": "no"}}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: [\n", 3),
        ("a: 1\nb: c: d\n", 2),
        ("a: 1\na: 2\n", 2),
        ("a:\n\tb: 1\n", 2),
        ("a: !!python/object:os.system x\n", 1),
        ("a: *b\n", 1),
    ],
)
def test_read_params_of_malformed_yaml_tells_the_line(tmp_path: Path, text: str, line: int) -> None:
    assert refusal(tmp_path, text).startswith(f"params.yaml: line {line}: not YAML: ")


def test_read_params_of_other_bytes_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"train: \xff\xfe").startswith("params.yaml: not YAML: ")


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "3"])
def test_read_params_of_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text).startswith("params.yaml: must hold sections such as 'ingest:' and 'train:', got ")


def test_read_params_of_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    for path in (tmp_path / "params.yaml", tmp_path):
        with pytest.raises(ConfigError, match=r": no such file; run headrace from a project's folder$"):
            read_params(path)


def test_check_names_where_and_what_is_missing() -> None:
    assert check(Needy, {"source": "x"}, "here").source == "x"
    with pytest.raises(ConfigError, match=r"^here\.source: missing; add it$"):
        check(Needy, {}, "here")


def test_section_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Train().batch_size = 3  # type: ignore[misc]


def test_params_of_this_repository_are_accepted() -> None:
    sections = load_settings(Paths(ROOT))
    assert set(sections) == set(STAGES)
    assert set(read_params(ROOT / "params.yaml")) == set(STAGES)
