"""The process group of a training's workers: the network interface that it uses, and how long it waits."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from importlib import import_module
from typing import Any

from headrace.cluster.session import is_attached

COLLECTIVE_TIMEOUT = timedelta(minutes=10)
"""For the meeting of all workers at the start, and for each exchange. Ray's default is 30 minutes.

Rank 0 may write a checkpoint or a large network meanwhile, so it cannot be short.
"""


def make_torch_config() -> Any:
    """Returns Ray's settings of the process group: on the interface of each node's address, or on loopback only."""
    from ray.train.torch import TorchConfig
    from ray.train.torch.config import _TorchBackend

    prepare = use_node_interface if is_attached() else use_loopback

    class Backend(_TorchBackend):
        def on_start(self, worker_group: Any, backend_config: Any) -> None:
            worker_group.execute(prepare)
            super().on_start(worker_group, backend_config)

    class Config(TorchConfig):
        @property
        def backend_cls(self) -> type[Backend]:
            return Backend

    return Config(timeout_s=int(COLLECTIVE_TIMEOUT.total_seconds()))


def use_node_interface() -> None:
    """Makes gloo and NCCL use the interface of this Ray node's address, unless the user has set their variables.

    By itself, gloo takes the address that the host's name resolves to: 127.0.1.1 on Debian, which no other node can
    reach. NCCL takes the first interface, which may be that of a container bridge.
    """
    import ray

    name = find_interface(ray.util.get_node_ip_address())
    if name:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", f"={name}")  # without "=", names that begin with it match too


def find_interface(address: str) -> str | None:
    """Returns the network interface of this machine that has the IP address; None behind a translated address."""
    import psutil

    for name, addresses in psutil.net_if_addrs().items():
        if any(each.address.partition("%")[0] == address for each in addresses):
            return str(name)
    return None


def use_loopback() -> None:
    """Makes workers of a session on this machine listen on loopback only, which is the address of its Ray node."""
    use_node_interface()
    listen_on_loopback()


def listen_on_loopback() -> None:
    """Gives torch's store, where workers meet, a socket of the address that they use; its own takes any address."""
    rendezvous = import_module("torch.distributed.rendezvous")  # torch.distributed has a function of that name

    class Store(rendezvous.TCPStore):  # type: ignore[name-defined]
        def __init__(self, *, host_name: str, port: int, is_master: bool, **options: Any) -> None:
            listener = socket.create_server((host_name, port)).detach() if is_master else None
            options |= {"host_name": host_name, "port": port, "is_master": is_master}
            super().__init__(**options, master_listen_fd=listener)

    rendezvous.TCPStore = Store  # type: ignore[attr-defined]
