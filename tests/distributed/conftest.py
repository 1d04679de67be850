"""One Ray cluster and one object store for all tests of this folder."""

from __future__ import annotations

import os
import sys

import pytest

STORE = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}


def pytest_collection_modifyitems(items):
    """One worker of pytest-xdist runs them all, so that there is one cluster."""
    for item in items:
        if "distributed" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group("ray"))
            item.add_marker(pytest.mark.slow)
            # Ray and its dependencies are not free of warnings of their own.
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"))
            item.add_marker(pytest.mark.filterwarnings("ignore::FutureWarning:ray"))
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))


@pytest.fixture(scope="session")
def store():
    """An object store on loopback; its address is in the environment of the nodes, too."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    added = {**STORE, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    yield added["AWS_ENDPOINT_URL"]
    server.stop()
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def cluster(store, tmp_path_factory):
    """A node on this machine; tests add others."""
    if sys.platform != "linux":
        pytest.skip("Ray starts several nodes on one machine on Linux alone")
    from itae_cluster.distributed.connection import load_ray

    load_ray()
    os.environ["ITAE_CLUSTER_OFFLINE"] = "1"
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    yield nodes
    nodes.shutdown()


@pytest.fixture
def ray(cluster, monkeypatch):
    """`--ray` means that cluster."""
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    return cluster


@pytest.fixture
def two_nodes(ray):
    """That cluster with a second node, which may be lost."""
    if len(ray.list_all_nodes()) < 2:
        ray.add_node(**NODE)
    return ray
