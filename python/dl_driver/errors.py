"""What can go wrong, as exceptions with the command line's own words."""

from __future__ import annotations

from typing import Any, Mapping, Optional


class DlDriverError(Exception):
    """Base of all errors of this package. ``exit_code`` is what the command line would end with."""

    exit_code = 1


class ConfigError(DlDriverError, ValueError):
    """The configuration, an override or an argument is wrong; nothing was touched.

    ``problems`` holds one mapping for each: ``source``, ``line``, ``column``, ``path``, ``value``, ``rule``, ``remedy`` as far as known.
    """

    exit_code = 2

    def __init__(self, message: str, problems: Any = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class DataError(DlDriverError):
    """A data file is not what it claims or what the configuration says."""

    def __init__(self, message: str, uri: Optional[str] = None, byte_offset: Optional[int] = None) -> None:
        super().__init__(message)
        self.uri = uri
        self.byte_offset = byte_offset


class StorageError(DlDriverError):
    """The storage refused or failed an operation; ``code`` is the system's, such as ``ENOENT``."""

    def __init__(self, message: str, uri: Optional[str] = None, operation: Optional[str] = None, code: Optional[str] = None) -> None:
        super().__init__(message)
        self.uri = uri
        self.operation = operation
        self.code = code


class RunError(DlDriverError):
    """Loading failed or cannot begin: too few files, a batch that does not fit into the ring."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class RingFullError(RunError):
    """All of the ring is held by batches that are still referenced, and ``on_full`` is ``"error"``."""


class EngineError(DlDriverError):
    """The engine cannot be started, or has died."""


def from_engine(answer: Mapping[str, Any]) -> DlDriverError:
    """The exception for an answer of the engine that says ``ok: false``."""
    message = str(answer["message"])
    error = answer["error"]
    fields = error.get("fields", {})
    tag = error.get("tag")
    if tag == "config":
        return ConfigError(message, fields.get("problems") or ())
    if tag == "data":
        return DataError(message, fields.get("uri"), fields.get("byteOffset"))
    if tag == "storage":
        return StorageError(message, fields.get("uri"), fields.get("operation"), fields.get("code"))
    if tag == "run":
        return RunError(message, int(answer.get("exitCode", 1)))
    return EngineError(message)
