"""The process group: the interface of the node's address, and variables of the user before it."""

import os
import socket

import pytest

from headrace.cluster.workers import process_group as module
from headrace.cluster.workers.process_group import find_interface, make_torch_config, use_node_interface

VARIABLES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


@pytest.fixture(autouse=True)
def _unset(monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # so that it is unset again afterwards
        monkeypatch.delenv(name)


def test_interface_is_found_by_its_address():
    loopback = find_interface("127.0.0.1")
    assert loopback in {name for _, name in socket.if_nameindex()}
    assert find_interface("192.0.2.1") is None  # of documentation, RFC 5737


def test_workers_use_the_interface_of_the_nodes_address(monkeypatch):
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "127.0.0.1")
    use_node_interface()
    name = find_interface("127.0.0.1")
    assert [os.environ[variable] for variable in VARIABLES] == [name, f"={name}"]


def test_variables_of_the_user_stay(monkeypatch):
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "127.0.0.1")
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "ib0")
    use_node_interface()
    assert os.environ["GLOO_SOCKET_IFNAME"] == "ib0"


def test_a_translated_address_leaves_the_choice_to_gloo(monkeypatch):
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "192.0.2.1")
    use_node_interface()
    assert not set(VARIABLES) & os.environ.keys()


@pytest.mark.parametrize(("is_attached", "prepare"), [(True, "use_node_interface"), (False, "use_loopback")])
def test_workers_are_prepared_before_they_meet(monkeypatch, is_attached, prepare):
    from ray.train.torch.config import _TorchBackend

    calls = []
    monkeypatch.setattr(module, "is_attached", lambda: is_attached)
    monkeypatch.setattr(_TorchBackend, "on_start", lambda *_: calls.append("meet"))

    class Group:
        def execute(self, function):
            calls.append(function.__name__)

    config = make_torch_config()
    config.backend_cls().on_start(Group(), config)
    assert calls == [prepare, "meet"]
    assert config.timeout_s == module.COLLECTIVE_TIMEOUT.total_seconds()
