"""A Ray session: too few CPUs are refused before it starts; no output, only loopback, and shut down afterwards."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from headrace.cluster import session as module
from headrace.cluster.session import available_workers, ray_session
from headrace.errors import ClusterError
from headrace.paths import Paths

USE = """
import os, signal, sys
from pathlib import Path
import psutil
from headrace.cluster.session import ray_session
from headrace.paths import Paths
if "ray is imported first" in sys.argv:
    import ray
paths, handlers = Paths(Path(sys.argv[1])), [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
try:
    with ray_session(paths, num_cpus_needed=1):
        import ray
        def speak():
            print("a worker prints")
            return os.getpid()
        assert ray.get(ray.remote(speak).remote()) != os.getpid()
        assert signal.getsignal(signal.SIGTERM) == handlers[1]
        assert (paths.logs_dir / "ray").is_symlink()
        mine = psutil.Process().children(recursive=True)
        listening = [c for p in mine if p.is_running() for c in p.net_connections("tcp") if c.status == "LISTEN"]
        outer = [c.laddr.ip for c in listening if not c.laddr.ip.removeprefix("::ffff:").startswith("127.")]
        session_dir = (paths.logs_dir / "ray").resolve().parent
        if "fails" in sys.argv:
            raise ValueError("a stage that fails")
except ValueError:
    pass
_, alive = psutil.wait_procs(mine, timeout=20)
assert listening and not outer, outer
assert not alive and not ray.is_initialized() and not session_dir.exists()
assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in os.environ
assert any("a worker prints" in path.read_text() for path in (paths.logs_dir / "ray").glob("worker-*.out"))
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_too_few_cpus_are_refused_before_ray_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "num_local_cpus", lambda: 2)
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("Ray was started"))
    with (
        pytest.raises(ClusterError, match=r"params\.yaml: tune\.num_parallel: .* need 8 CPUs, this machine has 2; "),
        ray_session(Paths(tmp_path), num_cpus_needed=8, wanted_by="tune.num_parallel"),
    ):
        pytest.fail("the body ran")


def test_too_few_cpus_of_a_cluster_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []
    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.1:6379")
    monkeypatch.setattr(ray, "init", lambda **_: None)
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append(True))
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0})
    with (
        pytest.raises(ClusterError, match="need 8 CPUs, the cluster has 4; use fewer, or add nodes"),
        ray_session(Paths(tmp_path), num_cpus_needed=8),
    ):
        pytest.fail("the body ran")
    assert ended


@pytest.mark.parametrize(
    ("num_gpus", "num_cpus", "num_workers"), [(0, 1, 1), (0, 2, 2), (0, 64, 2), (4, 64, 4), (1, 8, 1)]
)
def test_available_workers_are_one_per_gpu_or_two(
    monkeypatch: pytest.MonkeyPatch, num_gpus: int, num_cpus: int, num_workers: int
) -> None:
    monkeypatch.setattr(module, "num_local_gpus", lambda: num_gpus)
    monkeypatch.setattr(module, "num_local_cpus", lambda: num_cpus)
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("Ray was started"))
    assert available_workers() == num_workers


def test_lost_cluster_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise ConnectionError("Could not find any running Ray instance.\nMore words.")

    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.1:6379")
    monkeypatch.setattr(ray, "init", refuse)
    with (
        pytest.raises(ClusterError, match=r"Ray: .*Could not find any running Ray instance.*192\.0\.2\.1") as caught,
        ray_session(Paths(tmp_path), num_cpus_needed=1),
    ):
        pytest.fail("the body ran")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("is_plain", [False, True])
def test_workarounds_are_in_the_environment_unless_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_plain: bool
) -> None:
    monkeypatch.setenv("HEADRACE_PLAIN", str(int(is_plain)))
    for name in {**module.PRIVATE_ENVIRONMENT, **module.WORKAROUNDS}:
        monkeypatch.delenv(name, raising=False)
    seen: dict[str, str] = {}

    def record(**_: object) -> None:
        seen.update(os.environ)
        raise ConnectionError("stop here")

    monkeypatch.setattr(ray, "init", record)
    with pytest.raises(ClusterError), ray_session(Paths(tmp_path), num_cpus_needed=1):
        pytest.fail("the body ran")
    assert module.PRIVATE_ENVIRONMENT.items() <= seen.items(), "Ray must never listen on other addresses"
    assert set(module.WORKAROUNDS) & set(seen) == (set() if is_plain else set(module.WORKAROUNDS))
    assert not set(module.WORKAROUNDS) & set(os.environ)


HOLD = """
import sys, time
from pathlib import Path
from headrace.cluster.session import ray_session
from headrace.paths import Paths
with ray_session(Paths(Path(sys.argv[1])), num_cpus_needed=1):
    print("started", flush=True)
    time.sleep(600)
"""


@pytest.mark.faults
@pytest.mark.ray
@pytest.mark.slow
def test_session_of_a_killed_process_is_removed_at_the_next_start(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], env=environment, stdout=subprocess.PIPE) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"started\n"
        session_dir = (tmp_path / ".headrace" / "logs" / "ray").resolve().parent
        module.remove_stale_sessions(Paths(tmp_path))
        assert session_dir.is_dir(), "its owner is alive"
        held.kill()
    assert session_dir.is_dir(), "nobody could remove it"
    module.remove_stale_sessions(Paths(tmp_path))
    assert not session_dir.exists()
    assert list((tmp_path / ".headrace" / "ray-sessions").iterdir()) == []


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("case", [[], ["fails"], ["ray is imported first"]], ids=["done", "failed", "imported_first"])
def test_session_is_quiet_on_loopback_and_leaves_nothing(tmp_path: Path, case: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    ended = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path), *case], env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
