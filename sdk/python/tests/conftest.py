"""A real cluster for all tests: each test makes stores of its own."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

import reverie

ROOT = Path(__file__).resolve().parents[3]


def binary() -> Path:
    """The `reverie` command: REVERIE_BIN, or what is built in this repository."""
    given = os.environ.get("REVERIE_BIN")
    candidates = [Path(given)] if given else [ROOT / "target" / kind / "reverie" for kind in ("release", "debug")]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    pytest.exit(
        f"no reverie command at {', '.join(map(str, candidates))}: cargo build --bin reverie, or set REVERIE_BIN"
    )


def free_port_base() -> int:
    """The first of 8 ports in a row that nobody uses, below those that the system gives out."""
    for _ in range(1_000):
        base = random.randrange(20_000, 32_000)
        with ExitStack() as held:
            try:
                for port in range(base, base + 8):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return base
    raise RuntimeError("no 8 free ports in a row")


@dataclass
class Cluster:
    """`reverie up` on ports that the system chose."""

    data: Path
    process: subprocess.Popen[str]
    url: str
    _reader: threading.Thread

    @classmethod
    def start(cls, data: Path, port_base: int = 0) -> Cluster:
        command = [str(binary()), "up", "--data", str(data), "--port-base", str(port_base)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        # It writes what it says once, when every service serves.
        assert process.stdout is not None
        for line in process.stdout:
            if (data / "up.json").is_file():
                break
            print(line, end="")
        # What it says later is read, so that it never waits for a reader.
        reader = threading.Thread(target=process.stdout.read, daemon=True)
        reader.start()
        if not (data / "up.json").is_file():
            raise RuntimeError(f"{' '.join(command)} ended with {process.wait()}")
        return cls(data, process, json.loads((data / "up.json").read_text())["base"], reader)

    @property
    def token_file(self) -> Path:
        return self.data / "admin.token"

    def client(self) -> reverie.Client:
        return reverie.Client(self.url, token_file=self.token_file)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        ended = self.process.wait(30)
        self._reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return ended


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster.start(tmp_path_factory.mktemp("cluster"))
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def client(cluster: Cluster) -> Iterator[reverie.Client]:
    with cluster.client() as client:
        yield client


@pytest.fixture
async def aclient(cluster: Cluster) -> AsyncIterator[reverie.AsyncClient]:
    async with reverie.AsyncClient(cluster.url, token_file=cluster.token_file) as client:
        yield client


@pytest.fixture
def handle(request: pytest.FixtureRequest) -> str:
    """A store's handle that tells whose it is."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40].strip("-")
    return f"{name}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def store(client: reverie.Client, handle: str) -> reverie.Store:
    return client.stores.create(handle)


@pytest.fixture
async def astore(aclient: reverie.AsyncClient, handle: str) -> reverie.AsyncStore:
    return await aclient.stores.create(handle)


@pytest.fixture(scope="session")
def shell() -> str:
    return shutil.which("bash") or pytest.skip("there is no bash here")
