"""One engine process and the memory shared with it."""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import tempfile
import time
import weakref
from typing import Any, Dict, List, Mapping, Optional, Tuple

import numpy as np

from ._launch import start_engine
from ._ring import Array, RawBatch, Ring
from .errors import DlDriverError, EngineError, RingFullError, from_engine

#: A dead engine is noticed within this time, in seconds.
_LOOK_SECONDS = 0.2
#: How long a thread may lack memory before the consumer is told to let go of batches, in seconds.
_STARVING_SECONDS = 2.0
_END_SECONDS = 2.0

_living: "weakref.WeakSet[Engine]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    # The child must not keep the engine alive by its copy of the socket.
    for engine in list(_living):
        engine._disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


class Engine:
    """Starts an engine for ``options`` (``OpenOptions`` of ``src/serve/messages.ts``). Raises what the engine refuses."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._process_id = os.getpid()
        self._failure: Optional[DlDriverError] = None
        self._received = b""
        self._taken: List[int] = []
        self._from = 0
        self._stderr = tempfile.TemporaryFile()
        memory_fd = _anonymous_file()
        self._socket, theirs = socket.socketpair()
        try:
            self._child = start_engine(theirs.fileno(), memory_fd, self._stderr)
        except BaseException:
            self._socket.close()
            os.close(memory_fd)
            raise
        finally:
            theirs.close()
        self._finalizer = weakref.finalize(self, _end, self._socket, self._child, self._process_id)
        _living.add(self)
        try:
            #: What the engine says of itself: ``Opened`` of ``src/serve/engine.ts``.
            self.opened: Dict[str, Any] = self.request({"op": "open", "options": dict(options)})
            self.ring = Ring(memory_fd, self.opened["ringBytes"], self.opened["threads"], self.opened["arenaBytes"], self.opened["ahead"])
        except BaseException:
            self.close()
            raise
        finally:
            os.close(memory_fd)

    @property
    def is_open(self) -> bool:
        return self._finalizer.alive and self._process_id == os.getpid() and self._failure is None

    @property
    def pid(self) -> int:
        return self._child.pid

    def request(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        """Sends a request and waits for its answer. Raises the error that it says."""
        self._check()
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError:
            raise self._died() from None
        while True:
            answer = self._answer()
            if answer.get("failed"):
                self._failure = from_engine(answer)
                raise self._failure
            if not answer["ok"]:
                raise from_engine(answer)
            return answer

    def sample(self, split: str, index: int) -> List[Tuple[str, str, Array]]:
        """Role, name and value of the arrays of one sample of the data set, in memory of their own."""
        answer = self.request({"op": "sample", "split": split, "index": index})
        body = np.empty(answer["bodyBytes"], np.uint8)
        rest = body.data
        held = min(len(self._received), len(rest))
        rest[:held], self._received = self._received[:held], self._received[held:]
        rest = rest[held:]
        while rest:
            try:
                count = self._socket.recv_into(rest)
            except OSError:
                count = 0
            if count == 0:
                raise self._died()
            rest = rest[count:]
        return [
            (role, name, np.ndarray(tuple(shape), dtype, body, begin, order="F" if fortran_order else "C"))
            for role, name, dtype, shape, fortran_order, begin in answer["arrays"]
        ]

    def start(self, split: str, epoch: int, begin: int) -> None:
        """Begins epoch ``epoch`` (from 1) at batch ``begin`` (from 0); what was made before and not taken is dropped."""
        self.request({"op": "start", "split": split, "epoch": epoch, "from": begin})
        self._taken = [0] * self.ring.threads

    def take(self, batch: int) -> RawBatch:
        """Batch ``batch`` (from 0) of the epoch; batches are taken in order. Waits until it is ready."""
        ring = self.ring
        thread = batch % ring.threads
        index = self._taken[thread]
        if ring.produced(thread) <= index or self._failure is not None:
            self._wait(thread, index)
        self._taken[thread] = index + 1
        return ring.take(thread, index)

    def is_crowded(self, thread: int) -> bool:
        """Whether batches in use take more than half of a thread's memory."""
        return 2 * self.ring.leased_bytes[thread] > self.ring.arena_bytes

    def close(self) -> None:
        """Ends the engine. Batches that are in use stay valid."""
        self._finalizer()

    def _wait(self, thread: int, index: int) -> None:
        ring = self.ring
        starving_since: Optional[float] = None
        while True:
            seen = ring.news
            self._check()
            if ring.produced(thread) > index:
                return
            if ring.failed:
                raise self._failed()
            if self._child.poll() is not None:
                raise self._died()
            if ring.starves(thread) and ring.leased_bytes[thread] > 0:
                now = time.monotonic()
                if starving_since is None:
                    starving_since = now
                    gc.collect()  # what only cycles hold is not in use
                elif now - starving_since > _STARVING_SECONDS:
                    raise RingFullError(
                        f"the ring of {ring.size_bytes} bytes is full: {sum(ring.leased_bytes)} bytes are batches that are still referenced; "
                        "let go of them (del, or clone() what is kept), give a larger ring_bytes, or on_full='copy'"
                    )
            else:
                starving_since = None
            ring.wait_for_news(seen, _LOOK_SECONDS)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if not self._finalizer.alive:
            raise EngineError("the loader is closed")

    def _failed(self) -> DlDriverError:
        """The reason of a failure, which the engine sends by itself."""
        answer = self._answer()
        while not answer.get("failed"):
            answer = self._answer()
        self._failure = from_engine(answer)
        return self._failure

    def _answer(self) -> Dict[str, Any]:
        while b"\n" not in self._received:
            try:
                piece = self._socket.recv(1 << 16)
            except OSError:
                piece = b""
            if not piece:
                raise self._died()
            self._received += piece
        line, self._received = self._received.split(b"\n", 1)
        answer: Dict[str, Any] = json.loads(line)
        return answer

    def _died(self) -> DlDriverError:
        try:
            code: Any = self._child.wait(_END_SECONDS)
        except Exception:
            code = None
        self._stderr.seek(0)
        words = self._stderr.read()[-2000:].decode("utf8", "replace").strip()
        how = "ended unexpectedly" if code is None else f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        self._failure = EngineError(f"the engine (process {self._child.pid}) {how}" + (f": {words}" if words else ""))
        return self._failure

    def _disown(self) -> None:
        self._failure = EngineError("this loader was made by another process; iterate over it anew to get an engine of this one")
        self._finalizer.detach()
        self._socket.close()


def _anonymous_file() -> int:
    """Memory without a name, so that nothing can be left behind."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("dl-driver", os.MFD_CLOEXEC)
    folder = "/dev/shm" if sys.platform == "linux" and os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())


def _end(control: socket.socket, child: Any, process_id: int) -> None:
    """Closes the control socket, at which the engine ends, and waits for it."""
    if os.getpid() != process_id:
        return
    try:
        control.close()
        child.wait(_END_SECONDS)
    except Exception:
        child.kill()
        child.wait()
