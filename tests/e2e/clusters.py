"""What runs on the hosts of a network: a Ray cluster, MLflow over PostgreSQL with the S3 API, and a client."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace.paths import Paths
from headrace.stages import STAGES
from tests.e2e.hosts import Host, Network
from tests.e2e.test_postgresql import OTHER_USER, PROGRAMS
from tests.projects import write_image_folder

REPOSITORY = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 600
STARTED = "Ray runtime started"
START_HOOK = """
def leave_out_client_server(parameters, is_head):
    parameters.ray_client_server_port = None  # nobody here uses ray://, and its process gives up on a busy machine
"""
BUCKET = "experiments"
REMOTE = f"""[core]
    no_scm = true
    remote = bucket
['remote "bucket"']
    url = s3://{BUCKET}/dvc
"""
NET = '''
"""A network of the project's own: slow on purpose, and it reads a file by a path relative to the project."""
import socket
import time
from pathlib import Path
from torch import nn
from headrace.config import Section


class Net(Section):
    def build(self, input_shape, num_outputs):
        Path("built").mkdir(exist_ok=True)
        Path("built", socket.gethostname()).touch()
        width = int(Path("width.txt").read_text())
        layers = nn.Sequential(nn.Flatten(), nn.Linear(256, width), nn.Tanh(), nn.Linear(width, num_outputs))
        layers.register_forward_pre_hook(pause)
        return layers


def pause(module, inputs):
    if module.training and PAUSE.exists():
        time.sleep(float(PAUSE.read_text()))


PAUSE = Path("/mnt/seconds")
'''


def wait_until(is_true: Callable[[], bool], describe: Callable[[], str], timeout_s: float = START_TIMEOUT_S) -> None:
    """Returns when the condition holds; raises with a description of what there is instead."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            raise AssertionError(describe())
        time.sleep(0.1)


class Services:
    """A host with PostgreSQL, MLflow's server over it, and moto's server with the S3 API for artifacts and DVC."""

    def __init__(self, network: Network) -> None:
        self.host = network.add("services")
        address = self.host.address
        self.tracking = f"http://{address}:5000"
        self.environment = {
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{address}:9000",
        }  # fmt: skip
        self._start_database()

    def start(self) -> None:
        """Starts both servers; `wait` returns when they are up."""
        address = self.host.address
        self._start("s3", "from moto.server import main; main()", "-H", address, "-p", "9000")
        self._start(
            "mlflow", "from mlflow.cli import cli; cli()", "server", "--host", address, "--workers", "1",
            "--allowed-hosts", f"{address}:5000", "--artifacts-destination", f"s3://{BUCKET}/mlflow",
            "--backend-store-uri", f"postgresql://mlflow@{address}/postgres",
        )  # fmt: skip

    def wait(self) -> None:
        """Returns when both servers answer; creates the bucket."""
        for name, url in (("s3", self.environment["AWS_ENDPOINT_URL"]), ("mlflow", f"{self.tracking}/health")):
            wait_until(lambda url=url: self.fetch(url) is not None, (self.host.folder / f"{name}.log").read_text)
        self.fetch(f"{self.environment['AWS_ENDPOINT_URL']}/{BUCKET}", "--request", "PUT")

    def fetch(self, url: str, *options: str) -> str | None:
        """What a server of this host answers; None if it does not."""
        command = ("curl", "--silent", "--fail", "--max-time", "20", *options, url)
        process = self.host.start(*command, stdout=subprocess.PIPE, text=True)
        answer = process.communicate()[0]
        return None if process.returncode else str(answer)

    def post(self, call: str, **values: Any) -> Any:
        """The answer of MLflow's API to a call such as `runs/search`."""
        options = ("--header", "Content-Type: application/json", "--data", json.dumps(values))
        return json.loads(self.fetch(f"{self.tracking}/api/2.0/mlflow/{call}", *options) or "null")

    def history(self, run_id: str, metric: str) -> list[float]:
        """The values of a metric of a run, in the order of their steps."""
        query = f"run_id={run_id}&metric_key={metric}&max_results=1000"
        answer = json.loads(self.fetch(f"{self.tracking}/api/2.0/mlflow/metrics/get-history?{query}") or "{}")
        return [each["value"] for each in sorted(answer.get("metrics", []), key=lambda each: int(each["step"]))]

    def _start(self, name: str, program: str, *arguments: str) -> None:
        with (self.host.folder / f"{name}.log").open("wb") as log:
            environment = os.environ | self.environment | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
            self.host.start(sys.executable, "-c", program, *arguments, env=environment, stdout=log, stderr=log)

    def _start_database(self) -> None:
        host, data = self.host, "/tmp/data"
        as_other = ("setpriv", f"--reuid={OTHER_USER}", "--clear-groups")
        (host.folder / "tmp").chmod(0o1777)
        host.call(
            *as_other, f"{PROGRAMS}/initdb", "-D", data, "-U", "mlflow", "--auth=trust", "-E", "UTF8", "--locale=C",
            "--no-sync",
        )  # fmt: skip
        (host.folder / "tmp" / "data" / "pg_hba.conf").write_text("host all all 10.77.0.0/24 trust\n")
        options = "-c listen_addresses=* -c unix_socket_directories=/tmp -c fsync=off"
        host.call(*as_other, f"{PROGRAMS}/pg_ctl", "-D", data, "-o", options, "-l", "/tmp/log", "-w", "start")


class RayHosts:
    """A Ray cluster on hosts of a network: a head without CPUs for work, and nodes of one CPU each."""

    def __init__(self, network: Network, environment: dict[str, str], name: str = "head") -> None:
        self.network = network
        self.environment = os.environ | environment | {
            "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": os.urandom(16).hex(), "DVC_NO_ANALYTICS": "1",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "pipeline"), "/tmp"]),
            "RAY_START_HOOK": "start_hook.leave_out_client_server",
        }  # fmt: skip
        for variable in ("RAY_ADDRESS", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "MLFLOW_TRACKING_URI"):
            self.environment.pop(variable, None)
        self.head = network.add(name)
        self.address, self.dashboard = f"{self.head.address}:6379", f"http://{self.head.address}:8265"
        options = ("--head", "--port=6379", "--num-cpus=0", f"--dashboard-host={self.head.address}")
        self._start(self.head, *options)

    def add_nodes(self, *names: str) -> list[Host]:
        """Starts nodes of one CPU each and returns when they belong to the cluster.

        One after the other: Ray gives a node half a minute for its start, which several share on a busy machine.
        """
        hosts = [self.network.add(name) for name in names]
        for host in hosts:
            self._start(host, f"--address={self.address}", "--num-cpus=1")
        return hosts

    def _start(self, host: Host, *options: str) -> None:
        if not any(self._has_started(host, *options) for _ in range(3)):
            raise AssertionError(f"Ray did not start on {host.name}:\n{(host.folder / 'ray.log').read_text()}")

    def _has_started(self, host: Host, *options: str) -> bool:
        """Starts Ray on a host; whether it is up, and not gone."""
        (host.folder / "tmp" / "start_hook.py").write_text(START_HOOK)
        common = (
            f"--node-ip-address={host.address}", "--object-store-memory=100000000", "--disable-usage-stats",
            "--include-log-monitor=false", "--block",
        )  # fmt: skip
        log_path = host.folder / "ray.log"
        with log_path.open("wb") as log:
            process = host.start(
                sys.executable, "-m", "ray.scripts.scripts", "start", *options, *common,
                env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(lambda: STARTED in log_path.read_text() or process.poll() is not None, log_path.read_text)
        return STARTED in log_path.read_text()


class Client:
    """A host from which a project is submitted; the project is in a folder that no other host sees."""

    def __init__(self, network: Network, services: Services) -> None:
        self.host, self.services = network.add("client"), services

    def create_project(self, name: str, train: dict[str, Any]) -> Paths:
        """Writes a project of pictures, whose DVC remote is the bucket, and whose network is its own."""
        root = self.host.folder / "tmp" / name
        write_image_folder(root / "photos", 60)
        shutil.copytree(REPOSITORY / "model_code", root / "model_code")
        for file in ("dvc.yaml", "code.json"):
            shutil.copy(REPOSITORY / file, root / file)
        params: dict[str, Any] = {stage: {} for stage in STAGES} | {
            "ingest": {"source": "photos"}, "train": train, "validate": {"gate": {}, "baselines": {"seconds": 0}},
            "test": {"robustness_rows": 0, "noise_sigmas": []},
        }  # fmt: skip
        texts = {"params.yaml": json.dumps(params), ".dvc/config": REMOTE, "nets.py": NET, "width.txt": "16"}
        for file, text in texts.items():
            (root / file).parent.mkdir(exist_ok=True)
            (root / file).write_text(text)
        return Paths(root)

    def submit(self, project: Paths, ray: RayHosts, *options: str, **environment: str) -> "Submission":
        """Submits a project; without a workspace, nothing of it is on storage that hosts share, but the bucket."""
        name = project.root.name
        environment = ray.environment | {"MLFLOW_TRACKING_URI": self.services.tracking} | environment
        log_path = project.root.with_suffix(".log")
        with log_path.open("w") as log:
            process = self.host.start(
                sys.executable, "-m", "headrace", "submit", "--address", ray.dashboard, *options,
                folder=Path("/tmp", name), env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        return Submission(process, log_path)


class Submission:
    """A running `headrace submit`, and what it prints."""

    def __init__(self, process: subprocess.Popen[Any], log_path: Path) -> None:
        self.process, self._log_path = process, log_path

    @property
    def log(self) -> str:
        """What it has printed."""
        return self._log_path.read_text()

    @property
    def num_epochs(self) -> int:
        """The last epoch that it has printed."""
        return int(re.findall(r"^epoch (\d+)/", self.log, re.MULTILINE)[-1])

    def wait_for(self, text: str, timeout_s: float = 600) -> None:
        """Returns when the text was printed; raises if the command ends before."""
        wait_until(lambda: text in self.log or self.process.poll() is not None, lambda: self.log, timeout_s)
        assert text in self.log, self.log

    def wait(self, timeout_s: float = 900) -> int:
        """Waits for the end, and returns the exit code."""
        return self.process.wait(timeout_s)


class Cluster:
    """Six hosts: a head, three nodes, one with MLflow, its database and the S3 API, and one to submit from."""

    def __init__(self, network: Network, **environment: str) -> None:
        """`environment`: further variables of Ray's processes."""
        self.network = network
        self.services = Services(network)
        self.ray = RayHosts(network, self.services.environment | environment)
        self.nodes = self.ray.add_nodes("node1", "node2", "node3")
        self.services.start()
        self.client = Client(network, self.services)
        self.services.wait()

    def set_pause(self, seconds: float) -> None:
        """Sets how long each step of a training takes longer."""
        (self.network.shared_dir / "seconds").write_text(str(seconds))


def find_upload(host: Host) -> Paths:
    """Where Ray has unpacked the last upload on a host."""
    folders = (host.folder / "tmp" / "ray").glob("session_2*/runtime_resources/working_dir_files/_ray_pkg_*/")
    return Paths(max(folders, key=lambda folder: folder.stat().st_ctime))
