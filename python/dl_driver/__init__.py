"""Reads training data at the speed of dl-driver's engine, in the order of a DLIO configuration or of the framework's own samplers.

Importing this package imports no framework; each is imported when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._frameworks import Detection, Framework, detect
from ._order import Order, PlannedBatch, order
from .errors import ConfigError, DataError, DlDriverError, EngineError, RingFullError, RunError, StorageError

if TYPE_CHECKING:
    from .pytorch import PyTorchDataLoader

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "PyTorchDataLoader":
        from .pytorch import PyTorchDataLoader

        return PyTorchDataLoader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ConfigError",
    "DataError",
    "Detection",
    "DlDriverError",
    "EngineError",
    "Framework",
    "Order",
    "PlannedBatch",
    "PyTorchDataLoader",
    "RingFullError",
    "RunError",
    "StorageError",
    "detect",
    "order",
]
