"""The order of reading, without reading."""

from __future__ import annotations

import json
import os
from typing import Any, Iterator, List, NamedTuple, Optional, Tuple, Union

from ._launch import run_engine
from ._loader import Overrides, override_list
from .errors import ConfigError, RunError


class PlannedBatch(NamedTuple):
    """One step of one rank. Epochs and steps count from 1."""

    rank: int
    epoch: int
    #: ``train`` or ``valid``.
    split: str
    step: int
    #: The worker that makes it, −1 for the training process, None where several do.
    reader: Optional[int]
    #: File, relative to the data folder, and index in the file.
    samples: List[Tuple[str, int]]


class Order:
    """What is read when. Iterating gives every batch, in the order of delivery of each rank."""

    def __init__(self, arguments: List[str]) -> None:
        self._arguments = arguments

    def __iter__(self) -> Iterator[PlannedBatch]:
        for line in _plan(self._arguments).splitlines():
            fields = json.loads(line)
            samples = [(str(file), int(sample)) for file, sample in fields["samples"]]
            yield PlannedBatch(fields["rank"], fields["epoch"], fields["split"], fields["step"], fields.get("reader"), samples)

    @property
    def digest(self) -> str:
        """One hash of everything, equal to ``orderDigest`` of a run's result."""
        last: Any = json.loads(_plan([*self._arguments, "--digest"]).splitlines()[-1])
        return str(last["orderDigest"])


def order(
    config: Union[str, "os.PathLike[str]"],
    *,
    overrides: Overrides = (),
    world_size: int = 1,
    epochs: Optional[int] = None,
    framework: Optional[str] = None,
    semantics: Optional[str] = None,
) -> Order:
    """The plan of a configuration, as ``dl-driver plan --order`` gives it: nothing is read, the data need not be there."""
    arguments = ["plan", os.fspath(config), *override_list(overrides), "--order", "--ranks", str(world_size)]
    if epochs is not None:
        arguments += ["--epochs", str(epochs)]
    if framework is not None:
        arguments += ["--framework", framework]
    if semantics is not None:
        arguments += ["--semantics", semantics]
    return Order(arguments)


def _plan(arguments: List[str]) -> str:
    ended = run_engine(arguments)
    if ended.returncode == 0:
        return ended.stdout
    message = ended.stderr.strip()
    raise ConfigError(message) if ended.returncode == 2 else RunError(message)
