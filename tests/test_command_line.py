"""The command line as a user sees it, in real processes where it matters."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headrace import __main__ as cli
from headrace import __version__
from headrace.command_line import MessageFormatter
from headrace.errors import ConfigError, DataError, GateError, Interrupted, Terminated
from headrace.stages import STAGES

ROOT = Path(__file__).parents[1]


def headrace(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "headrace", *arguments],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT / "pipeline")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@contextmanager
def preserved_signal_handlers() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def exit_code(*arguments: str) -> Any:
    """The exit code of a command in this process, whose signal handlers are restored."""
    with preserved_signal_handlers(), pytest.raises(SystemExit) as caught:
        cli.main(list(arguments))
    return caught.value.code or 0


def make_interrupted(note: str) -> Interrupted:
    error = Interrupted()
    error.add_note(note)
    return error


def make_stages_raise(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run_stage(*_: Any) -> None:
        raise error

    monkeypatch.setattr("headrace.commands.run_stage.run_stage", run_stage)


def test_version_is_the_packages(tmp_path: Path) -> None:
    process = headrace(tmp_path, "--version")
    assert (process.returncode, process.stdout, process.stderr) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_names_every_stage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert exit_code(*arguments) == (0 if arguments else 2)
    out, err = capsys.readouterr()
    assert not [stage for stage in STAGES if f" {stage} " not in out]
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "message", "command"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'?", ""),
        (["train", "--fast"], "No such option: --fast", "train "),
        (["--fast"], "No such option: --fast", ""),
        (["status", "more"], "Got unexpected extra argument(s) (more)", "status "),
        (["ui", "--port", "x"], "--port: must be a valid integer", "ui "),
        (["ui", "--port", "0"], "--port: must be greater than or equal to 1", "ui "),
        (["ui", "--port"], "Option '--port' requires an argument", "ui "),
        (["status", "--project", "x"],
         "--project stands before the command: headrace --project DIR COMMAND", "status "),
        (["init"], "Missing argument 'DIR'", "init "),
    ],
)  # fmt: skip
def test_wrong_command_line_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, command: str
) -> None:
    assert exit_code(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"headrace: command line: {message}; see: headrace {command}--help\n"


def test_project_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--project", "/no/where", "status") == 2
    assert capsys.readouterr().err == (
        "headrace: --project: /no/where: no such folder, or no right to enter it; headrace init DIR makes one\n"
    )


@pytest.mark.parametrize("value", ["yes", "true", "2"])
def test_unknown_value_of_the_plain_switch_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HEADRACE_PLAIN", value)
    assert exit_code("recipes") == 2
    assert capsys.readouterr().err == (
        f"headrace: HEADRACE_PLAIN: got {value!r}; must be 1, or 0 or unset for off; set one of them\n"
    )


def test_submit_checks_the_settings_before_it_connects(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("headrace.cluster.submit.submit_job", lambda *_, **__: pytest.fail("connected"))
    assert exit_code("submit") == 2
    assert capsys.readouterr().err.endswith("params.yaml: no such file; run headrace from a project's folder\n")
    (tmp_path / "params.yaml").write_text("validate: {gate: {acuracy: {min: 0.9}}}\n")
    assert exit_code("submit") == 2
    assert capsys.readouterr().err.startswith("headrace: params.yaml: validate.gate.acuracy: no such metric; ")


def test_mistake_in_params_is_one_line_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("train:\n  early_stopping: {patiance: 3}\n")
    done = headrace(tmp_path, "ingest")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "headrace: params.yaml: train.early_stopping.patiance: unknown key; choose one of ['max_minutes', 'max_steps', "
        "'min_delta', 'patience'] (did you mean 'patience'?)\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_paths_inside_the_project_are_relative_in_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_stages_raise(monkeypatch, DataError(f"{tmp_path}/data/clean/spec.json: no such file"))
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").touch()
    assert exit_code("train") == 2
    assert capsys.readouterr().err == "headrace: data/clean/spec.json: no such file\n"
    record = logging.LogRecord("headrace", logging.WARNING, "x.py", 1, "%s/data/raw: of %s.csv", (tmp_path,) * 2, None)
    assert MessageFormatter("%(message)s").format(record) == f"data/raw: of {tmp_path}.csv"


def test_missing_params_are_one_line(tmp_path: Path) -> None:
    done = headrace(tmp_path, "train")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"headrace: {tmp_path}/params.yaml: no such file; run headrace from a project's folder\n"


def test_bug_keeps_its_traceback(tmp_path: Path) -> None:
    """A bug exits with code 1 and says where it happened, since the user cannot fix it."""
    program = (
        "import headrace.stages.ingest, headrace.__main__ as cli\n"
        "def run(config, paths, check_spec): raise RuntimeError('a bug')\n"
        "headrace.stages.ingest.run = run\n"
        "cli.main(['ingest'])\n"
    )
    (tmp_path / "params.yaml").write_text("ingest: {}\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "pipeline")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback (most recent call last):" in done.stderr
    assert done.stderr.endswith("RuntimeError: a bug\n")


def test_bug_in_process_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    make_stages_raise(monkeypatch, RuntimeError("a bug"))
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(RuntimeError, match="^a bug$"):
        cli.main(["ingest"])
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigError("a:\n  b"), 2, "headrace: a: b\n"),
        (GateError("accuracy is below min 0.9"), 3, "headrace: accuracy is below min 0.9\n"),
        (KeyboardInterrupt(), 130, ""),
        (Interrupted(), 130, "headrace: interrupted\n"),
        (make_interrupted("go on"), 130, "headrace: interrupted; go on\n"),
        (Terminated(), 143, "headrace: terminated\n"),
        (BrokenPipeError(), 141, ""),
        (OSError(28, "No space left on device", "/data/x"), 2,
         "headrace: /data/x: No space left on device; free space or grant access, then run the same command again\n"),
        (PermissionError(13, "Permission denied", "/data/x"), 2,
         "headrace: /data/x: Permission denied; free space or grant access, then run the same command again\n"),
    ],
)  # fmt: skip
def test_error_of_a_stage_decides_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, message: str
) -> None:
    make_stages_raise(monkeypatch, error)
    assert exit_code("train") == code
    assert capsys.readouterr() == ("", message)


def test_system_error_that_users_cannot_fix_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    make_stages_raise(monkeypatch, OSError(5, "Input/output error"))
    with preserved_signal_handlers(), pytest.raises(OSError, match="Input/output error"):
        cli.main(["train"])


def test_end_of_a_file_is_not_taken_for_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    make_stages_raise(monkeypatch, EOFError("Ran out of input"))
    with preserved_signal_handlers(), pytest.raises(EOFError, match="Ran out of input"):
        cli.main(["train"])


SLOW = """
import time
from pathlib import Path
import headrace.stages.ingest, headrace.__main__ as cli
from headrace.storage.atomic import atomic_dir
def run(config, paths, check_spec):
    with atomic_dir(paths.raw_dir) as folder:
        (folder / "half").touch()
        print("working", flush=True)
        time.sleep(100)
headrace.stages.ingest.run = run
cli.main(["ingest"])
"""


@pytest.mark.parametrize(
    ("number", "code", "line"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_interrupted_stage_leaves_nothing_half_done(
    tmp_path: Path, number: signal.Signals, code: int, line: str
) -> None:
    (tmp_path / "params.yaml").write_text("ingest: {}\n")
    with subprocess.Popen(
        [sys.executable, "-c", SLOW],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT / "pipeline")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        busy = headrace(tmp_path, "ingest")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert busy.returncode == 2
    assert f"stage ingest is already running here (process {process.pid}); wait for it, or stop it" in busy.stderr
    assert (process.returncode, out, err) == (code, "", f"headrace: {line}\n")
    assert list((tmp_path / "data").iterdir()) == []
    assert not (tmp_path / "metrics").exists()
