"""The examples run as they stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

EXAMPLES = ROOT / "examples"


def _run(arguments, folder):
    path = os.pathsep.join([str(EXAMPLES), str(ROOT / "python")])
    ended = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=folder, env={**os.environ, "PYTHONPATH": path})
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("name", sorted(file.name for file in EXAMPLES.glob("*.py") if file.name != "example_data.py"))
def test_each_script_trains(name, tmp_path):
    assert "loss" in _run([str(EXAMPLES / name)], tmp_path)


def test_the_torch_example_leaves_a_result(tmp_path):
    _run([str(EXAMPLES / "torch_cnn.py")], tmp_path)
    result = json.loads((tmp_path / "results" / "torch_cnn" / "result.json").read_text())
    assert result["train"]["steps"] == 8


@pytest.mark.parametrize("name", sorted(file.name for file in EXAMPLES.glob("*.ipynb")))
def test_each_notebook_runs_from_top_to_bottom(name, tmp_path):
    cells = json.loads((EXAMPLES / name).read_text())["cells"]
    script = tmp_path / "notebook.py"
    script.write_text("\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"))
    assert "samples per second" in _run([str(script)], tmp_path)
