"""Batches as torch tensors."""

from __future__ import annotations

import operator
import os
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, Union

import numpy as np

from ._frameworks import need
from ._loader import Batch, BatchIterator, BatchSource, Overrides, source_arguments
from .errors import ConfigError

_PROFILE_FIELDS = (
    "batch_size",
    "num_workers",
    "shuffle",
    "seed",
    "drop_last",
    "prefetch_factor",
    "persistent_workers",
    "in_order",
    "sampler",
    "multiprocessing_context",
)


class LoadedDataset:
    """What a loader reads from, as a map-style data set: ``dataset[i]`` is ``(data, target)`` of sample i, file after file in their order."""

    def __init__(self, source: BatchSource) -> None:
        opened = source.opened
        #: Folder with the files, and their format.
        self.folder: str = opened["folder"]
        self.format: str = opened["format"]
        self._samples = int(opened["samplesPerEpoch"][source.split])
        self._source = source

    def __len__(self) -> int:
        """Samples of an epoch, of all ranks together."""
        return self._samples

    def __getitem__(self, index: int) -> Tuple[Any, Any]:
        """One sample, in memory of its own: reading it takes a request to the engine, and nothing is read ahead."""
        number = operator.index(index)
        if number < 0:
            number += self._samples
        if not 0 <= number < self._samples:
            raise IndexError(f"sample {index}: the data set has {self._samples}")
        sample: Tuple[Any, Any] = self._source.sample(number)
        return sample


class PyTorchDataLoader:
    """Iterates over ``(data, target)`` of a DLIO configuration, as ``torch.utils.data.DataLoader`` does over a data set.

    ``data`` is one tensor of shape [batch, ...] that shares memory with the engine (no copy), a mapping of them where samples have several
    arrays, or a list of tensors where samples differ (``variable="pad"``: one tensor, filled up with ``pad_value``). ``target`` holds the
    labels, or is None where the format has none. A batch stays valid as long as anything refers to it; then its memory is used again.

    :param config: path of a DLIO workload file, or the name of a bundled one
    :param overrides: as on the command line, a list of ``key=value`` or a mapping
    :param rank: with ``world_size``; by default those of ``torch.distributed``, or of RANK and WORLD_SIZE
    :param batch_size: this and the other fields of torch's DataLoader up to ``multiprocessing_context``: asks for torch's own order
    :param order: ``"native"`` asks for torch's own order without a field, ``"shared"`` says that the configuration's is meant
    :param return_type: ``"tensor"`` or ``"numpy"``
    :param pin_memory: copy tensors to page-locked memory, where there is a CUDA device
    :param on_full: what happens when all memory is held by batches in use: ``"error"``, or ``"copy"`` (batches are copied before that)
    :param ring_bytes: size of the shared memory; by default what read-ahead and a few batches in use take
    :param verify: check everything that files have checksums for
    :param output: folder for ``result.json``, written by :meth:`close`
    :raises ConfigError: the configuration or an argument is wrong
    :raises RunError: there are too few files
    """

    def __init__(
        self,
        config: Union[str, "os.PathLike[str]"],
        *,
        overrides: Overrides = (),
        rank: Optional[int] = None,
        world_size: Optional[int] = None,
        batch_size: Optional[int] = None,
        num_workers: Optional[int] = None,
        shuffle: Optional[bool] = None,
        seed: Optional[int] = None,
        drop_last: Optional[bool] = None,
        prefetch_factor: Optional[int] = None,
        persistent_workers: Optional[bool] = None,
        in_order: Optional[bool] = None,
        sampler: Optional[str] = None,
        multiprocessing_context: Optional[str] = None,
        order: Optional[str] = None,
        split: str = "train",
        return_type: str = "tensor",
        pin_memory: bool = False,
        variable: str = "list",
        pad_value: float = 0,
        on_full: str = "error",
        ring_bytes: Optional[int] = None,
        semantics: Optional[str] = None,
        direct: bool = False,
        verify: bool = False,
        output: Union[str, "os.PathLike[str]", None] = None,
    ) -> None:
        arguments = source_arguments(locals(), _PROFILE_FIELDS)
        if return_type not in ("tensor", "numpy"):
            raise ConfigError(f"return_type {return_type!r}: must be 'tensor' or 'numpy'")
        torch = need("torch") if return_type == "tensor" else None
        self.return_type = return_type
        self.pin_memory = pin_memory
        pins = pin_memory and torch is not None and torch.cuda.is_available()
        self._source = BatchSource(
            framework="pytorch",
            **arguments,
            finish=_pair if torch is None else _TensorMaker(torch, pins),
        )
        self.num_workers = int(self._source.opened["threads"])
        self.sampler: Any = None
        self.batch_sampler: Any = None
        self.collate_fn: Any = None

    def __len__(self) -> int:
        """Batches of an epoch of this rank."""
        return self._source.steps

    def __iter__(self) -> Iterator[Tuple[Any, Any]]:
        """Begins the next epoch, the one that :meth:`set_epoch` named, or goes on where :meth:`load_state_dict` was told."""
        return self._source.iterate()

    @property
    def batch_size(self) -> int:
        return self._source.batch_size

    @property
    def drop_last(self) -> bool:
        """Whether all batches are full."""
        return bool(self._source.opened["dropLast"])

    @property
    def dataset(self) -> LoadedDataset:
        return LoadedDataset(self._source)

    @property
    def rank(self) -> int:
        return self._source.rank

    @property
    def world_size(self) -> int:
        return self._source.world_size

    @property
    def ring_bytes(self) -> int:
        """Size of the shared memory; it does not grow."""
        return int(self._source.opened["ringBytes"])

    @property
    def warnings(self) -> List[str]:
        """What the command line would warn of."""
        return [str(warning["message"]) for warning in self._source.opened["warnings"]]

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is epoch ``epoch``, counted from 0. Without it, each iteration is one epoch further."""
        self._source.set_epoch(epoch)

    def samples(self, step: int, epoch: Optional[int] = None) -> List[Tuple[str, int]]:
        """Which samples step ``step`` (from 1) holds: file and index in the file."""
        return self._source.samples(step, None if epoch is None else epoch + 1)

    def state_dict(self) -> Dict[str, int]:
        """Where the iteration stands; what was handed out counts as used."""
        return self._source.state()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """The next iteration begins with the very batch that would have followed."""
        self._source.load_state(state_dict)

    def write_result(self, folder: Union[str, "os.PathLike[str]", None] = None) -> str:
        """Writes ``result.json`` with this loop's step times, for ``dl-driver compare``; returns its path."""
        return self._source.write_result(folder)

    def close(self) -> None:
        """Ends the engine. Tensors in use stay valid. Iterating again starts another one."""
        self._source.close()

    def __enter__(self) -> "PyTorchDataLoader":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _pair(batch: Batch) -> Tuple[Any, Any]:
    return batch.data, batch.target


class _TensorMaker:
    """Turns NumPy arrays into tensors over the same memory."""

    def __init__(self, torch: Any, pins: bool) -> None:
        self._from_numpy = torch.from_numpy
        self._pins = pins

    def __call__(self, batch: Batch) -> Tuple[Any, Any]:
        return self._tensors(batch.data), self._tensors(batch.target)

    def _tensors(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            if not value.dtype.isnative:  # torch knows the machine's byte order only
                value = value.astype(value.dtype.newbyteorder("="))
            tensor = self._from_numpy(value)
            return tensor.pin_memory() if self._pins else tensor
        if isinstance(value, list):
            return [self._tensors(item) for item in value]
        if isinstance(value, dict):
            return {name: self._tensors(item) for name, item in value.items()}
        return value


__all__ = ["BatchIterator", "LoadedDataset", "PyTorchDataLoader"]
