"""A pipeline of two stages, submitted to a real cluster through its dashboard's port."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace.cluster.jobs.control import fetch_results, find_job, follow_job, list_jobs, read_log, stop_job
from headrace.cluster.jobs.outs import is_up_to_date
from headrace.cluster.submit import JobRequest, submit_job
from headrace.errors import ClusterError
from headrace.paths import Paths

pytestmark = [
    pytest.mark.e2e, pytest.mark.ray, pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning"),  # from Ray's client, by aiohttp
]  # fmt: skip
REPOSITORY = Path(__file__).parents[2]

NOTHING_CHANGED = "nothing changed: all stages are up to date; --force submits all the same"
DVC = """
stages:
  ingest:
    cmd: python -c "import shutil; shutil.copytree('sets', 'data/raw')"
    deps: [sets]
    outs: [data/raw]
  test:
    cmd: python stage.py
    deps: [data/raw, stage.py]
    outs: [reports/test]
    metrics: [metrics/test.json]
"""
STAGE = """
import json, os, pathlib, sys
from headrace.cluster.session import ray_session
from headrace.paths import Paths
with ray_session(Paths(pathlib.Path.cwd()), num_cpus_needed=2):
    import ray
    read = ray.remote(lambda folder: pathlib.Path(folder, "row.txt").read_text()).remote(os.path.abspath("data/raw"))
    print("a worker read", ray.get(read), flush=True)
    find = ray.remote(lambda: __import__("headrace").__file__).remote()
    paths = [ray.get(find), sys.modules["headrace"].__file__]
    print("uploaded code:", [str(pathlib.Path.cwd()) in path for path in paths])
pathlib.Path("metrics").mkdir(exist_ok=True)
pathlib.Path("metrics/test.json").write_text(json.dumps({"accuracy": 1.0, "key": os.environ.get("HEADRACE_KEY")}))
pathlib.Path("reports/test").mkdir(parents=True, exist_ok=True)
pathlib.Path("reports/test/noise.bin").write_bytes(os.urandom(5_000_000))
"""


@pytest.fixture
def project(tmp_path: Path, ray_cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("RAY_AUTH_TOKEN", ray_cluster.token)
    root = tmp_path / "project"
    shutil.copytree(REPOSITORY / "pipeline", root / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in {
        "params.yaml": "ingest: {source: sets}\n", "dvc.yaml": DVC, "stage.py": STAGE, "sets/row.txt": "one row",
        ".dvc/config": "", "metrics/old.json": "{}", "data/raw/local.txt": "not to be sent",
    }.items():  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Paths(root)


def run(project: Paths, address: str, *, force: bool = False) -> tuple[int, list[str]]:
    lines: list[str] = []
    job = submit_job(project, JobRequest(address=address, force=force), lines.append)
    return follow_job(project, job, address=address, echo=lines.append) if job else 0, lines


def test_submit_streams_log_and_installs_results(
    project: Paths, ray_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_KEY", "passed on")
    code, lines = run(project, ray_cluster.address)
    assert code == 0, lines
    assert "a worker read one row" in lines
    assert "uploaded code: [True, True]" in lines
    assert lines[-1] == "results: metrics/test.json, reports/test, dvc.lock"
    assert not [line for line in lines if "job_manager" in line or ray_cluster.token in line]
    metrics = json.loads(project.metrics_path("test").read_text())
    assert metrics == {"accuracy": 1.0, "key": "passed on"}
    assert (project.report_dir("test") / "noise.bin").stat().st_size == 5_000_000
    assert project.metrics_path("old").exists(), "files that the job did not produce stay"
    assert [path.name for path in project.raw_dir.iterdir()] == ["row.txt"], "data are those of the lock"
    assert is_up_to_date(project)
    assert run(project, ray_cluster.address) == (
        0,
        ["nothing changed: all stages are up to date; --force submits all the same"],
    )
    assert "a worker read one row" in next(project.logs_dir.glob("headrace-*.log")).read_text()


def test_submit_of_a_failing_pipeline_returns_its_code_and_one_line(project: Paths, ray_cluster: Any) -> None:
    (project.root / "stage.py").write_text("import sys; print('no such class'); sys.exit(3)\n")
    code, lines = run(project, ray_cluster.address)
    assert code == 255  # of `dvc repro`, for any failed stage
    errors = [line for line in lines if line.startswith("submit: ")]
    assert len(errors) == 1
    assert "exit code 255" in errors[0]
    assert ".headrace/logs/headrace-" in errors[0]
    assert "no such class" in lines
    assert "ingest" in (project.root / "dvc.lock").read_text(), "what did run is installed"


def test_submit_in_a_workspace_continues_where_the_last_job_stopped(
    project: Paths, ray_cluster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HEADRACE_WORKSPACE", str(tmp_path / "workspace"))
    assert run(project, ray_cluster.address)[0] == 0
    code, lines = run(project, ray_cluster.address, force=True)
    assert code == 0
    assert "Stage 'test' didn't change, skipping" in lines


def test_submit_with_a_dvc_remote_sends_and_runs_only_what_changed(
    project: Paths, ray_cluster: Any, tmp_path: Path
) -> None:
    (tmp_path / "remote").mkdir()
    config = f"[core]\n    remote = all\n    no_scm = true\n['remote \"all\"']\n    url = {tmp_path / 'remote'}\n"
    (project.root / ".dvc" / "config").write_text(config)
    subprocess.run([sys.executable, "-m", "dvc", "add", "-q", "sets"], cwd=project.root, check=True)
    assert run(project, ray_cluster.address)[0] == 0
    assert is_up_to_date(project)
    with (project.root / "stage.py").open("a") as file:
        file.write("print('edited')\n")
    for name in ("sets", "data", ".dvc/cache"):
        shutil.rmtree(project.root / name)
    code, lines = run(project, ray_cluster.address)
    assert code == 0, lines
    assert "edited" in lines
    assert "Stage 'ingest' didn't change, skipping" in lines
    assert not [line for line in lines if "the largest part: sets" in line]
    assert (project.raw_dir / "row.txt").read_text() == "one row"


def test_submit_without_the_token_is_refused_in_one_line(
    project: Paths, ray_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 32)
    with pytest.raises(ClusterError, match=r"requires another token; set RAY_AUTH_TOKEN") as caught:
        run(project, ray_cluster.address)
    assert "\n" not in str(caught.value)


def test_after_an_interrupt_the_job_goes_on_and_its_results_come_back(project: Paths, ray_cluster: Any) -> None:
    (project.root / "stage.py").write_text("import time; print('sleeps', flush=True); time.sleep(6)\n" + STAGE)
    program = f"""
import os, signal
from pathlib import Path
from headrace.paths import Paths
from headrace.cluster.jobs.control import follow_job
from headrace.cluster.submit import JobRequest, submit_job
def echo(line):
    print(line, flush=True)
    if line == "sleeps":
        os.kill(os.getpid(), signal.SIGINT)
paths, address = Paths(Path({str(project.root)!r})), {ray_cluster.address!r}
raise SystemExit(follow_job(paths, submit_job(paths, JobRequest(address=address), echo), address=address, echo=echo))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=90)
    assert ended.returncode == 130, ended.stderr
    assert ended.stderr == ""
    last = ended.stdout.splitlines()[-1]
    assert last.startswith("the job continues; follow it: headrace jobs follow headrace-")
    job, address = find_job(project, "", "")
    assert (last.split()[-1], ray_cluster.address) == (job, address)
    with pytest.raises(ClusterError, match=f"is RUNNING; run: headrace jobs follow {job}"):
        fetch_results(project, job, address=address, echo=print)
    assert "sleeps" in read_log(job, address).splitlines()
    lines: list[str] = []
    assert follow_job(project, job, address=address, echo=lines.append) == 0, lines
    assert lines[-1] == "results: metrics/test.json, reports/test, dvc.lock"
    shutil.rmtree(project.report_dir("test"))
    shutil.rmtree(project.logs_dir)
    assert fetch_results(project, job, address=address, echo=lines.append) == 0
    assert "a worker read one row" in (project.logs_dir / f"{job}.log").read_text()
    assert is_up_to_date(project)


def test_a_stopped_job_is_listed_and_has_no_results(project: Paths, ray_cluster: Any) -> None:
    (project.root / "stage.py").write_text("import time; time.sleep(60)\n")
    job = submit_job(project, JobRequest(address=ray_cluster.address), print)
    assert job
    assert stop_job(job, address=ray_cluster.address) == "STOPPED"
    listed = {row[0]: row[1:] for row in list_jobs(ray_cluster.address)}
    assert (listed[job][0], listed[job][3]) == ("STOPPED", "project")
    with pytest.raises(ClusterError, match="ended as STOPPED"):
        fetch_results(project, job, address=ray_cluster.address, echo=print)
    with pytest.raises(ClusterError, match="knows no job 'headrace-x'"):
        read_log("headrace-x", ray_cluster.address)
