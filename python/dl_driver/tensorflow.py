"""Batches as a ``tf.data.Dataset``."""

from __future__ import annotations

import functools
import os
import weakref
from typing import Any, Iterator, Mapping, Optional, Tuple, Union

import numpy as np

from ._frameworks import need
from ._loader import Batch, BatchSource, Overrides, source_arguments

_PROFILE_FIELDS = (
    "batch_size",
    "shuffle_buffer_size",
    "seed",
    "reshuffle_each_iteration",
    "num_parallel_calls",
    "num_parallel_reads",
    "cycle_length",
    "block_length",
    "prefetch_buffer_size",
    "deterministic",
    "drop_remainder",
)


def create_dataset(
    config: Union[str, "os.PathLike[str]"],
    *,
    overrides: Overrides = (),
    rank: Optional[int] = None,
    world_size: Optional[int] = None,
    batch_size: Optional[int] = None,
    shuffle_buffer_size: Optional[int] = None,
    seed: Optional[int] = None,
    reshuffle_each_iteration: Optional[bool] = None,
    num_parallel_calls: Optional[int] = None,
    num_parallel_reads: Optional[int] = None,
    cycle_length: Optional[int] = None,
    block_length: Optional[int] = None,
    prefetch_buffer_size: Optional[int] = None,
    deterministic: Optional[bool] = None,
    drop_remainder: Optional[bool] = None,
    order: Optional[str] = None,
    split: str = "train",
    pad_value: float = 0,
    on_full: str = "copy",
    ring_bytes: Optional[int] = None,
    semantics: Optional[str] = None,
    direct: bool = False,
    verify: bool = False,
) -> Any:
    """A ``tf.data.Dataset`` of the batches of a DLIO configuration.

    Elements are ``(data, target)`` where the format has labels and ``data`` alone where it has none; ``data`` is a mapping where samples have
    several arrays. Samples of different shapes are filled up with ``pad_value``. Tensors share memory with the engine: TensorFlow takes
    aligned NumPy arrays without a copy, and their memory is used again once no tensor refers to it. ``on_full="copy"``, the default, copies
    batches when many are buffered (shuffle, prefetch, cache).

    Each iteration is the next epoch, ``repeat()`` therefore goes on through the epochs. The fields ``batch_size`` to ``drop_remainder`` are
    those of the TensorFlow profile; one of them, or ``order="native"``, asks for tf.data's own order instead of the configuration's.

    Raises ConfigError, RunError, ImportError.
    """
    arguments = source_arguments(locals(), _PROFILE_FIELDS)
    tf = need("tensorflow")
    make_source = functools.partial(
        BatchSource,
        framework="tensorflow",
        **arguments,
        variable="pad",
        finish=_element,
    )
    source = make_source()
    signature = _signature(tf, source)
    # TensorFlow keeps the Python functions of data sets until the process ends; the engine shall end with the data set.
    reference = weakref.ref(source)

    def elements() -> Iterator[Any]:
        return (reference() or make_source()).iterate()

    dataset = tf.data.Dataset.from_generator(elements, output_signature=signature)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(source.steps))
    # Data sets made from this one and their iterators refer to it.
    dataset._dl_driver_source = source
    return dataset


def _element(batch: Batch) -> Any:
    data = _native(batch.data)
    return data if batch.target is None else (data, _native(batch.target))


def _native(value: Any) -> Any:
    """TensorFlow knows the machine's byte order only."""
    if isinstance(value, Mapping):
        return {name: _native(item) for name, item in value.items()}
    return value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("="))


def _signature(tf: Any, source: BatchSource) -> Any:
    """Static shapes as far as they are the same for all batches, told by the first one."""
    layouts = source.probe()
    same_rows = bool(source.opened["dropLast"])
    rows = source.batch_size if same_rows else None

    def spec(layout: Any) -> Any:
        shape: Tuple[Optional[int], ...] = layout.shape if source.has_fixed_shapes else (None,) * len(layout.shape)
        return tf.TensorSpec((rows, *shape), tf.as_dtype(np.dtype(layout.dtype).newbyteorder("=")))

    data = {layout.name: spec(layout) for layout in layouts if layout.role == "data"}
    element = next(iter(data.values())) if len(data) == 1 else data
    labels = [spec(layout) for layout in layouts if layout.role == "label"]
    return (element, labels[0]) if labels else element
