"""Frameworks are imported when they are used, and never before."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from importlib import metadata
from typing import Any, Dict, List, NamedTuple, Optional

_PROFILES = {"torch": "pytorch", "tensorflow": "tensorflow", "jax": "jax"}
_DISTRIBUTIONS = {"torch": ["torch"], "tensorflow": ["tensorflow", "tensorflow-cpu", "tensorflow-intel", "tf-nightly"], "jax": ["jax"]}


class Framework(NamedTuple):
    """A framework that can be imported."""

    #: The name of its profile: ``pytorch``, ``tensorflow``, ``jax``.
    name: str
    version: str
    #: Whether it has been imported by this program.
    in_use: bool
    #: ``cuda`` or ``cpu``: of the framework itself where it is in use, of the machine otherwise.
    device: str


class Detection(NamedTuple):
    """What :func:`detect` has found."""

    frameworks: List[Framework]
    #: The profile of the one in use, else of the first that can be imported; None where there is none.
    profile: Optional[str]


def need(module: str) -> Any:
    """Imports a framework. Raises ImportError that says what to install."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        hint = {"torch": "pip install torch", "tensorflow": "pip install tensorflow", "jax": "pip install jax"}[module]
        raise ImportError(f"{_PROFILES[module]} batches need the package {module}, which is not installed: {hint}", name=module) from None


def detect() -> Detection:
    """Which frameworks can be imported, in which versions, and which one's profile applies. Imports none of them."""
    frameworks = []
    for module, name in _PROFILES.items():
        in_use = sys.modules.get(module) is not None
        if not in_use and importlib.util.find_spec(module) is None:
            continue
        frameworks.append(Framework(name, _version(module), in_use, _device(module, in_use)))
    chosen = [framework for framework in frameworks if framework.in_use] or frameworks
    return Detection(frameworks, chosen[0].name if chosen else None)


def _version(module: str) -> str:
    loaded = getattr(sys.modules.get(module), "__version__", None)
    if loaded is not None:
        return str(loaded)
    for distribution in _DISTRIBUTIONS[module]:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"


def _device(module: str, in_use: bool) -> str:
    ask: Dict[str, Any] = {
        "torch": lambda torch: torch.cuda.is_available(),
        "tensorflow": lambda tf: bool(tf.config.list_physical_devices("GPU")),
        "jax": lambda jax: jax.default_backend() == "gpu",
    }
    has_gpu = ask[module](sys.modules[module]) if in_use else os.path.exists("/proc/driver/nvidia/version")
    return "cuda" if has_gpu else "cpu"
