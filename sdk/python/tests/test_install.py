"""A user's way: the wheel in a fresh environment, and the README as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from conftest import ROOT, Cluster, binary, free_port_base

README = Path(__file__).parent.parent / "README.md"
DIST = ROOT / "target" / "python"


def wheel() -> Path:
    found = sorted(DIST.glob("reverie-*.whl"))
    if not found:
        pytest.skip(f"no wheel in {DIST}: make python builds it")
    return found[-1]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    done = subprocess.run(
        [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel())],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and ("NewConnectionError" in done.stderr or "No matching distribution" in done.stderr):
        pytest.skip(f"the package index cannot be reached: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return folder / "bin" / "python"


def test_the_wheel_holds_all_that_it_needs(python: Path, cluster: Cluster, tmp_path: Path) -> None:
    program = """
import reverie, importlib.metadata, pathlib
assert importlib.metadata.version("reverie") == reverie.__version__
assert (pathlib.Path(reverie.__file__).parent / "py.typed").is_file()
with reverie.Client() as client:
    store = client.stores.create("smoke", exist_ok=True)
    store.write("/a.md", "from a wheel\\n")
    print(store.read("/a.md").text, end="")
"""
    env = {"PATH": os.environ["PATH"], "REVERIE_URL": cluster.url, "REVERIE_TOKEN_FILE": str(cluster.token_file)}
    done = subprocess.run([python, "-c", program], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "from a wheel\n"), done.stderr


def test_the_version_is_the_projects() -> None:
    workspace = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    package = re.search(r'^version = "(.*)"$', (README.parent / "pyproject.toml").read_text(), re.MULTILINE)
    assert workspace is not None
    assert package is not None
    assert package[1] == workspace[1]


def test_the_five_minutes_of_the_readme_work(python: Path, tmp_path: Path) -> None:
    (start,) = blocks("sh")
    # As the README has it, but on ports that are surely free, and with the data elsewhere.
    ports = free_port_base()
    start = start.replace("reverie up", f"reverie up --port-base {ports}")
    (tmp_path / "target").symlink_to(ROOT / "target")
    program = tmp_path / "program.py"
    program.write_text("\n".join(blocks("python")))
    script = f"""set -e
{start}
trap 'kill %1; wait %1' EXIT
until [ -f reverie-data/up.json ]; do kill -0 %1; sleep 0.1; done
python program.py
"""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "reverie").symlink_to(binary().resolve())
    env = {k: v for k, v in os.environ.items() if not k.startswith(("REVERIE_", "PYTHON"))}
    env["REVERIE_URL"] = f"http://127.0.0.1:{ports}"
    env["PATH"] = f"{bin_folder}:{python.parent}:{env['PATH']}"
    done = subprocess.run(["bash", "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "primary: ana" in done.stdout
    assert "now it says primary: dan" in done.stdout
    assert "- team-sre (read and write)" in done.stdout
    assert "/on-call.md" in done.stdout


def test_the_reference_is_made(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pdoc", "--output-directory", str(tmp_path), "reverie"],
        env={**os.environ, "PYTHONPATH": str(README.parent / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "MemoryCommands" in (tmp_path / "reverie.html").read_text()
