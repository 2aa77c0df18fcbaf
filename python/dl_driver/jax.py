"""Batches as JAX or NumPy arrays."""

from __future__ import annotations

import os
from typing import Any, Iterator, Optional, Tuple, Union

import numpy as np

from ._frameworks import need
from ._loader import Batch, BatchSource, Overrides, source_arguments
from .errors import ConfigError

_PROFILE_FIELDS = ("batch_size", "seed", "shuffle", "worker_count", "prefetch_buffer_size", "drop_remainder")


class JaxBatches:
    """Iterates over ``(data, target)``; each iteration is the next epoch. Made by :func:`iterate`."""

    def __init__(self, source: BatchSource) -> None:
        self._source = source

    def __len__(self) -> int:
        """Batches of an epoch of this process."""
        return self._source.steps

    def __iter__(self) -> Iterator[Tuple[Any, Any]]:
        return self._source.iterate()

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is epoch ``epoch``, counted from 0."""
        self._source.set_epoch(epoch)

    def close(self) -> None:
        """Ends the engine. Arrays in use stay valid."""
        self._source.close()

    def __enter__(self) -> "JaxBatches":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def iterate(
    config: Union[str, "os.PathLike[str]"],
    *,
    overrides: Overrides = (),
    rank: Optional[int] = None,
    world_size: Optional[int] = None,
    batch_size: Optional[int] = None,
    seed: Optional[int] = None,
    shuffle: Optional[bool] = None,
    worker_count: Optional[int] = None,
    prefetch_buffer_size: Optional[int] = None,
    drop_remainder: Optional[bool] = None,
    order: Optional[str] = None,
    split: str = "train",
    as_numpy: bool = False,
    variable: str = "list",
    pad_value: float = 0,
    on_full: str = "copy",
    ring_bytes: Optional[int] = None,
    semantics: Optional[str] = None,
    direct: bool = False,
    verify: bool = False,
) -> JaxBatches:
    """Batches of a DLIO configuration as ``(data, target)`` of JAX arrays, or of NumPy arrays with ``as_numpy``.

    NumPy arrays share memory with the engine. JAX arrays are on the default device; on a CPU they may share that memory too, and 64-bit
    types become 32-bit ones unless ``jax_enable_x64`` is set, as always in JAX. Other arguments are those of ``PyTorchDataLoader``; the
    fields ``batch_size`` to ``drop_remainder`` ask for grain's order.

    Raises ConfigError, RunError, ImportError.
    """
    arguments = source_arguments(locals(), _PROFILE_FIELDS)
    if as_numpy not in (False, True):
        raise ConfigError(f"as_numpy {as_numpy!r}: must be True or False")
    convert = None if as_numpy else need("jax").numpy.asarray
    source = BatchSource(
        framework="jax",
        **arguments,
        finish=lambda batch: _pair(batch, convert),
    )
    return JaxBatches(source)


def _pair(batch: Batch, convert: Any) -> Tuple[Any, Any]:
    return (batch.data, batch.target) if convert is None else (_converted(batch.data, convert), _converted(batch.target, convert))


def _converted(value: Any, convert: Any) -> Any:
    if isinstance(value, np.ndarray):
        return convert(value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("=")))
    if isinstance(value, list):
        return [_converted(item, convert) for item in value]
    if isinstance(value, dict):
        return {name: _converted(item, convert) for name, item in value.items()}
    return value
