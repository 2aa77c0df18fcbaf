"""The package's types hold, and its source is that of the oldest Python it promises."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from conftest import ROOT

PACKAGE = ROOT / "python" / "dl_driver"


def test_the_types_hold_under_mypy_strict(tmp_path):
    settings = ["--config-file", str(ROOT / "python" / "pyproject.toml"), "--cache-dir", str(tmp_path)]
    ended = subprocess.run([sys.executable, "-m", "mypy", *settings], cwd=PACKAGE.parent, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_the_source_is_that_of_python_3_9(path):
    tree = ast.parse(path.read_text(), str(path), feature_version=(3, 9))
    annotated = any(isinstance(node, (ast.AnnAssign, ast.FunctionDef)) for node in ast.walk(tree))
    imports = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__" for alias in node.names}
    # Annotations may be newer than that only where they are not evaluated.
    assert "annotations" in imports or not annotated
