"""The wheel brings everything along: the engine, and Node.js by a package of PyPI."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", str(ROOT / "python"), "--no-deps", "--no-build-isolation", "-w", str(folder)], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)], check=True)
    return wheel, folder / "site"


def test_the_wheel_is_typed_for_its_platform_and_for_any_python_3(site):
    wheel, _ = site
    assert re.fullmatch(r"dl_driver-[\d.]+-py3-none-(linux|manylinux\w*)_\w+\.whl", wheel.name)
    names = zipfile.ZipFile(wheel).namelist()
    assert {"dl_driver/py.typed", "dl_driver/_engine/bin/dl-driver.js", "dl_driver/_engine/dist/cli/main.js"} <= set(names)
    version = re.search(r'"version": "([^"]+)"', (ROOT / "package.json").read_text())[1]
    assert f"dl_driver-{version}-" in wheel.name


def test_it_reads_without_node_npm_or_a_checkout(site, small):
    _, folder = site
    script = (
        "import dl_driver\n"
        f"with dl_driver.PyTorchDataLoader({small[0]!r}, return_type='numpy') as loader:\n"
        "    print(sorted(int(n) // 10 for _, target in loader for n in target))\n"
        "print(dl_driver.__file__)\n"
    )
    env = {"PYTHONPATH": str(folder), "PATH": "/nonexistent", "HOME": os.environ.get("HOME", "/")}
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, cwd="/")
    assert ended.returncode == 0, ended.stderr
    numbers, file = ended.stdout.splitlines()
    assert numbers == str(list(range(16))) and Path(file).is_relative_to(folder)
