"""Hosts on one network: Linux namespaces with addresses, names, processes and scratch folders of their own. Needs root.

Nothing outlives them: all of it lies in namespaces, which end with the one process that this program starts for each.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

SHARED = Path("/mnt")
"""Where all hosts see the shared folder; each has a /tmp of its own."""
GATEWAY = "10.77.0.254"
"""No machine: Ray looks for the interface that has a route to the outside, and else resolves the host's name."""
ISOLATE = [
    "setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--uts", "--mount", "--pid", "--mount-proc", "--fork",
    "--kill-child=KILL", "bash", "-ec",
]  # fmt: skip
SETUP = """
hostname "$0"
mount --bind "$2" /mnt
mkdir "$1/tmp"
printf '127.0.0.1 localhost\\n127.0.1.1 %s\\n' "$0" > "$1/hosts"  # as Debian does
mount --bind "$1/hosts" /etc/hosts
mount --bind "$1/tmp" /tmp
ip link set lo up
echo up
sleep infinity & wait  # as the first process, it reaps the others
"""


def why_impossible() -> str:
    """The reason why no hosts can be made here, or an empty text."""
    missing = [name for name in ("ip", "nsenter", "setpriv", "unshare") if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    return "" if os.geteuid() == 0 else "namespaces need root"


class Host:
    """A machine, as far as its processes can see."""

    def __init__(self, name: str, address: str, process: subprocess.Popen[str], folder: Path) -> None:
        self.name, self.address, self.folder = name, address, folder
        self.process = process
        self.started: list[subprocess.Popen[Any]] = []
        (first,) = psutil.Process(process.pid).children()
        self.pid = first.pid

    def start(self, *command: str, folder: Path = SHARED, **options: Any) -> subprocess.Popen[Any]:
        """Starts a command on the host, with the host's own view of `folder`."""
        enter = ["nsenter", "--target", str(self.pid), "--net", "--uts", "--mount", "--pid"]
        command = (*enter, "env", f"--chdir={folder}", *command)
        self.started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, **options))
        return self.started[-1]

    def call(self, *command: str) -> None:
        """Runs a short command on the host; raises if it fails."""
        process = self.start(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        output, _ = process.communicate(timeout=60)
        if process.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(command)}: {output}")

    def end(self) -> None:
        """Ends the host: when its first process ends, the kernel ends the others before the wait is over."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.process.communicate()
        for process in self.started:
            process.wait()


class Network:
    """Hosts 10.77.0.1, 10.77.0.2, ... on a bridge, which has a namespace of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.shared_dir = folder, folder / "shared"
        self.shared_dir.mkdir()
        self.hosts: list[Host] = []
        self.switch = self._isolate("switch", "")
        self.switch.call("ip", "link", "add", "bridge", "type", "bridge")
        self.switch.call("ip", "link", "set", "bridge", "up")

    def add(self, name: str) -> Host:
        """Starts a host and connects it."""
        host = self._isolate(name, f"10.77.0.{len(self.hosts) + 1}")
        self.hosts.append(host)
        ends = ["netns", str(self.switch.pid), "type", "veth", "peer", "name", "net0", "netns", str(host.pid)]
        subprocess.run(["ip", "link", "add", f"to-{name}", *ends], check=True)
        host.call("ip", "address", "add", f"{host.address}/24", "dev", "net0")
        host.call("ip", "link", "set", "net0", "up")
        host.call("ip", "route", "add", "default", "via", GATEWAY)
        self.switch.call("ip", "link", "set", f"to-{name}", "master", "bridge", "up")
        return host

    def unplug(self, host: Host) -> None:
        """Takes the cable out at the bridge: what either side sends is lost, and neither gets a message."""
        self.switch.call("ip", "link", "set", f"to-{host.name}", "down")

    def plug(self, host: Host) -> None:
        """Puts the cable back."""
        self.switch.call("ip", "link", "set", f"to-{host.name}", "up")

    def lose(self, host: Host) -> None:
        """Switches a host off for good, without a last packet from it."""
        self.unplug(host)
        host.end()

    def _isolate(self, name: str, address: str) -> Host:
        private_dir = self.folder / name
        private_dir.mkdir()
        command = [*ISOLATE, SETUP, name, str(private_dir), str(self.shared_dir)]
        process = subprocess.Popen(
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        first = process.stdout.readline()  # type: ignore[union-attr]
        if first != "up\n":
            process.kill()
            raise RuntimeError(f"{name} does not start: {first}{process.communicate()[0]}")
        return Host(name, address, process, private_dir)

    def close(self) -> None:
        """Ends all hosts; interfaces end with their namespaces."""
        for host in (*self.hosts, self.switch):
            if host.process.returncode is None:
                host.end()


@contextlib.contextmanager
def open_network(folder: Path) -> Iterator[Network]:
    """Yields a network without hosts; ends what was started on it."""
    network = Network(folder)
    try:
        yield network
    finally:
        network.close()
