"""What the loaders of all frameworks share: an engine, its epochs, where an iteration stands, and what it measures."""

from __future__ import annotations

import inspect
import os
import sys
import time
import weakref
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from ._engine import Engine
from ._ring import Array, Layout, RawBatch
from .errors import ConfigError

Overrides = Union[Sequence[str], Mapping[str, Any]]
_ON_FULL = ("error", "copy")
_VARIABLE = ("list", "pad")


class Batch:
    """The arrays of one batch by role, as NumPy arrays: views of the ring, or copies of them."""

    __slots__ = ("data", "step", "target")

    def __init__(self, data: Any, target: Any, step: int) -> None:
        self.data = data
        self.target = target
        self.step = step


class BatchSource:
    """Batches of one configuration. The iteration hands out whatever ``finish`` makes of a :class:`Batch`."""

    def __init__(
        self,
        config: Union[str, "os.PathLike[str]"],
        *,
        framework: str,
        overrides: Overrides = (),
        profile: Optional[Mapping[str, Any]] = None,
        order: Optional[str] = None,
        split: str = "train",
        rank: Optional[int] = None,
        world_size: Optional[int] = None,
        semantics: Optional[str] = None,
        direct: bool = False,
        verify: bool = False,
        ring_bytes: Optional[int] = None,
        on_full: str = "error",
        variable: str = "list",
        pad_value: float = 0,
        output: Union[str, "os.PathLike[str]", None] = None,
        finish: Callable[[Batch], Any],
    ) -> None:
        if split not in ("train", "valid"):
            raise ConfigError(f"split {split!r}: must be 'train' or 'valid'")
        if on_full not in _ON_FULL:
            raise ConfigError(f"on_full {on_full!r}: must be 'error' or 'copy'")
        if variable not in _VARIABLE:
            raise ConfigError(f"variable {variable!r}: must be 'list' or 'pad'")
        self.rank, self.world_size = _place_in_world(rank, world_size)
        self.split = split
        options: Dict[str, Any] = {
            "config": os.fspath(config),
            "overrides": override_list(overrides) + profile_overrides(framework, profile or {}, order),
            "split": split,
            "rank": self.rank,
            "ranks": self.world_size,
            "direct": direct,
            "verify": verify,
            "command": [os.path.basename(sys.argv[0] or "python"), *sys.argv[1:]],
        }
        if semantics is not None:
            options["semantics"] = semantics
        if profile or order == "native":
            options["framework"] = framework
        if ring_bytes is not None:
            options["ringBytes"] = int(ring_bytes)
        self._options = options
        self._on_full = on_full
        self._variable = variable
        self._pad_value = pad_value
        self._output = None if output is None else os.fspath(output)
        self._finish = finish
        self._next_epoch = 1
        self._resume_at = 0
        self._engine: Optional[Engine] = None
        self._active: Optional["weakref.ReferenceType[BatchIterator]"] = None
        self._ahead: Optional[Tuple[int, int]] = None
        self._latest: Optional[Progress] = None
        self._measured: List[Dict[str, Any]] = []
        self._probed_uniform = True
        self.opened: Dict[str, Any] = self._engine_now().opened

    @property
    def steps(self) -> int:
        """Batches of an epoch of this rank."""
        return int(self.opened["steps"][self.split])

    @property
    def batch_size(self) -> int:
        return int(self.opened["batchSize"][self.split])

    @property
    def pid(self) -> int:
        """Process number of the engine."""
        return self._engine_now().pid

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is epoch ``epoch``, counted from 0 as torch's samplers do."""
        if epoch < 0:
            raise ConfigError(f"epoch {epoch}: must be at least 0")
        self._next_epoch, self._resume_at = epoch + 1, 0
        self._latest = None

    def state(self) -> Dict[str, int]:
        """Where the iteration stands: the epoch (from 0) and how many of its batches were handed out."""
        latest = self._latest
        if latest is None or latest.batches >= self.steps:
            return {"version": 1, "epoch": self._next_epoch - 1, "batches": self._resume_at}
        return {"version": 1, "epoch": latest.epoch - 1, "batches": latest.batches}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The next iteration goes on where :meth:`state` was taken."""
        if state.get("version") != 1 or not {"epoch", "batches"} <= set(state):
            raise ConfigError(f"state {dict(state)!r}: must be what state_dict() has given")
        if not 0 <= int(state["batches"]) <= self.steps:
            raise ConfigError(f"the state is at batch {state['batches']} of an epoch that has {self.steps}; it belongs to another configuration")
        self._next_epoch, self._resume_at = int(state["epoch"]) + 1, int(state["batches"])
        self._latest = None

    def samples(self, step: int, epoch: Optional[int] = None) -> List[Tuple[str, int]]:
        """The samples of step ``step`` (from 1) of an epoch (from 1; the present one by default): file and index in the file."""
        epoch = epoch or (1 if self._latest is None else self._latest.epoch)
        answer = self._engine_now().request({"op": "samples", "split": self.split, "epoch": epoch, "step": step})
        return [(str(file), int(sample)) for file, sample in answer["samples"]]

    def sample(self, index: int) -> Any:
        """Sample ``index`` of the data set, in the files' order, as ``finish`` gives it."""
        data: Dict[str, Any] = {}
        target: Any = None
        for role, name, array in self._engine_now().sample(self.split, index):
            if role == "label":
                target = array
            else:
                data[name] = array
        return self._finish(Batch(next(iter(data.values())) if len(data) == 1 else data, target, 0))

    @property
    def has_fixed_shapes(self) -> bool:
        """Whether the configuration gives all samples the same shape, and the first batch does not disagree."""
        return bool(self.opened["fixedShapes"]) and self._probed_uniform

    def probe(self) -> Tuple[Layout, ...]:
        """What the arrays of the first sample are, labels last."""
        engine = self._engine_now()
        engine.start(self.split, self._next_epoch, 0)
        raw = engine.take(0)
        self._ahead = None
        self._probed_uniform = raw.uniform
        return raw.layouts if raw.uniform else raw.layouts[: len(raw.layouts) // raw.samples]

    def iterate(self) -> "BatchIterator":
        """An iteration, which becomes the next epoch with its first batch: programs make some that they never use."""
        if self._is_free():
            self._read_ahead(self._engine_now())
        return BatchIterator(self)

    def begin(self, iterator: "BatchIterator") -> "Tuple[Engine, Progress]":
        """The engine for an iteration whose first batch is wanted, and the epoch that it becomes."""
        if self._is_free():
            engine = self._engine_now()
            self._read_ahead(engine)
            self._active = weakref.ref(iterator)
            self._ahead = None
        else:
            # Two at the same time have an engine each.
            engine = Engine(self._options)
            engine.start(self.split, self._next_epoch, self._resume_at)
        progress = Progress(self._next_epoch, self._resume_at)
        self._latest = progress
        self._next_epoch, self._resume_at = self._next_epoch + 1, 0
        return engine, progress

    def _read_ahead(self, engine: Engine) -> None:
        """Has the engine begin with what the next iteration will be."""
        wanted = (self._next_epoch, self._resume_at)
        if self._ahead != wanted:
            engine.start(self.split, *wanted)
            self._ahead = wanted

    def _is_free(self) -> bool:
        active = self._active() if self._active is not None else None
        return active is None or active.is_finished

    def write_result(self, folder: Union[str, "os.PathLike[str]", None] = None) -> str:
        """Writes ``result.json`` of the epochs that were iterated to their end, with this loop's own step times; returns its path."""
        folder = self._output if folder is None else os.fspath(folder)
        if folder is None:
            raise ConfigError("write_result: give a folder, here or as output= of the loader")
        if not self._measured:
            raise ConfigError("write_result: no epoch has been iterated to its end yet")
        answer = self._engine_now().request({"op": "result", "folder": self._own_folder(folder), "epochs": self._measured})
        return str(answer["path"])

    def _own_folder(self, folder: str) -> str:
        """Several ranks are given the same folder, and must not write over each other's result."""
        return folder if self.world_size == 1 else os.path.join(folder, f"rank_{self.rank}")

    def close(self) -> None:
        """Writes the result where ``output`` was given, and ends the engine. Batches in use stay valid."""
        engine, self._engine = self._engine, None
        if engine is None:
            return
        try:
            if self._output is not None and self._measured and engine.is_open:
                engine.request({"op": "result", "folder": self._own_folder(self._output), "epochs": self._measured})
        finally:
            engine.close()

    def _engine_now(self) -> Engine:
        """The engine of this process; made anew after a fork or a failure."""
        if self._engine is None or not self._engine.is_open:
            if self._engine is not None:
                self._engine.close()
            self._engine = Engine(self._options)
            self._active = None
            self._ahead = None
        return self._engine

    def _copies(self, engine: Engine, batch: int) -> bool:
        return self._on_full == "copy" and engine.is_crowded(batch % engine.ring.threads)

    def _assemble(self, raw: RawBatch, copies: bool) -> Batch:
        arrays = [array.copy() for array in raw.arrays] if copies else raw.arrays
        data: Dict[str, Any] = {}
        target: Any = None
        if raw.uniform:
            for layout, array in zip(raw.layouts, arrays):
                if layout.role == "label":
                    target = array
                else:
                    data[layout.name] = array
        else:
            lists: Dict[Tuple[str, str], List[Array]] = {}
            for layout, array in zip(raw.layouts, arrays):
                lists.setdefault((layout.role, layout.name), []).append(array)
            for (role, name), values in lists.items():
                if role == "label":
                    target = _stacked(values)
                else:
                    data[name] = self._padded(values) if self._variable == "pad" else values
        return Batch(next(iter(data.values())) if len(data) == 1 else data, target, raw.step)

    def _padded(self, values: List[Array]) -> Array:
        """Samples of different shapes in one array, filled up at the ends of their axes."""
        axes = {value.ndim for value in values}
        if len(axes) > 1:
            raise ConfigError(f"variable='pad': the samples of a batch have {' and '.join(map(str, sorted(axes)))} axes; use variable='list'")
        shape = tuple(max(sizes) for sizes in zip(*(value.shape for value in values)))
        padded = np.full((len(values), *shape), self._pad_value, dtype=np.result_type(*{value.dtype for value in values}))
        for row, value in zip(padded, values):
            row[tuple(slice(size) for size in value.shape)] = value
        return padded


class Progress:
    """How far an iteration is."""

    __slots__ = ("batches", "epoch")

    def __init__(self, epoch: int, batches: int) -> None:
        self.epoch = epoch
        #: Handed out, those before a resumed iteration included.
        self.batches = batches


class BatchIterator(Iterator[Any]):
    """One epoch."""

    def __init__(self, source: BatchSource) -> None:
        self._source = source
        self._engine: Optional[Engine] = None
        self._progress = Progress(0, 0)
        self._steps = source.steps
        self._finish = source._finish
        self._began = 0.0
        self._asked = 0.0
        self._load: List[float] = []
        self._step: List[float] = []
        self.is_finished = False

    def __iter__(self) -> "BatchIterator":
        return self

    def __next__(self) -> Any:
        asked = time.perf_counter()
        engine = self._engine
        if engine is None:
            engine, self._progress = self._source.begin(self)
            self._engine = engine
            self._began = time.time()
        else:
            self._step.append(asked - self._asked)
        self._asked = asked
        progress = self._progress
        number = progress.batches
        if number >= self._steps:
            self._end(engine)
            raise StopIteration
        source = self._source
        copies = source._copies(engine, number)
        batch = self._finish(source._assemble(engine.take(number), copies))
        progress.batches = number + 1
        self._load.append(time.perf_counter() - asked)
        return batch

    def _end(self, engine: Engine) -> None:
        if self.is_finished:
            return
        self.is_finished = True
        source = self._source
        if source.split == "train" and self._load:
            compute = [step - load for step, load in zip(self._step, self._load)]
            epoch = self._progress.epoch
            source._measured.append(
                {"epoch": epoch, "begin": self._began, "end": time.time(), "load": self._load, "step": self._step, "compute": compute}
            )
        if engine is not source._engine:
            engine.close()


def _stacked(values: List[Array]) -> Any:
    if all(value.shape == values[0].shape and value.dtype == values[0].dtype for value in values):
        return np.stack(values)
    return values


def source_arguments(given: Mapping[str, Any], profile_fields: Sequence[str]) -> Dict[str, Any]:
    """What a front end hands on to :class:`BatchSource`, out of its own arguments: ``locals()`` at its beginning.

    Arguments of the same name go as they are, those of ``profile_fields`` that are not None go together as ``profile``.
    """
    arguments = {name: given[name] for name in inspect.signature(BatchSource).parameters if name in given}
    return {**arguments, "profile": {name: given[name] for name in profile_fields if given[name] is not None}}


def override_list(overrides: Overrides) -> List[str]:
    """Overrides as the command line takes them."""
    if isinstance(overrides, str):
        raise ConfigError(f"overrides {overrides!r}: must be a list of 'key=value' or a mapping")
    if isinstance(overrides, Mapping):
        return [f"{key}={_text(value)}" for key, value in overrides.items()]
    return [str(override) for override in overrides]


def profile_overrides(framework: str, profile: Mapping[str, Any], order: Optional[str]) -> List[str]:
    """Overrides that ask for a framework's own rules: fields of its profile, or ``order='native'`` alone."""
    if order not in (None, "shared", "native"):
        raise ConfigError(f"order {order!r}: must be 'shared' (the configuration's, for every framework) or 'native' (the framework's own)")
    if order == "shared" and profile:
        raise ConfigError(f"order 'shared' is the configuration's own; {', '.join(profile)} ask for the framework's. Give the one or the other")
    if order == "native" and not profile:
        profile = {"batch_size": None}
    return [f"framework_profiles.{framework}.{key}={_text(value)}" for key, value in profile.items()]


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_text(item) for item in value) + "]"
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def _place_in_world(rank: Optional[int], world_size: Optional[int]) -> Tuple[int, int]:
    """Rank and number of ranks: as given, of torch's process group, or of the environment that torchrun and others set."""
    if (rank is None) != (world_size is None):
        raise ConfigError("rank and world_size belong together; give both or none")
    if rank is None or world_size is None:
        distributed = sys.modules.get("torch.distributed")
        if distributed is not None and distributed.is_available() and distributed.is_initialized():
            rank, world_size = distributed.get_rank(), distributed.get_world_size()
        elif "RANK" in os.environ and "WORLD_SIZE" in os.environ:
            try:
                rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
            except ValueError:
                raise ConfigError(f"RANK={os.environ['RANK']!r} WORLD_SIZE={os.environ['WORLD_SIZE']!r}: must be whole numbers") from None
        else:
            rank, world_size = 0, 1
    if not 0 <= rank < world_size:
        raise ConfigError(f"rank {rank} of {world_size}: ranks count from 0 to world_size - 1")
    return rank, world_size
