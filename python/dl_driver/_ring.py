"""The memory that the engine shares with this process. ``src/serve/layout.ts`` describes the same numbers."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import platform
import struct
from typing import Any, Dict, List, NamedTuple, Tuple

import numpy as np
import numpy.typing as npt

from .errors import EngineError

Array = npt.NDArray[Any]

VERSION = 1
NEWS, FAILED = 1, 2
COMMON_WORDS, THREAD_WORDS = 16, 32
PRODUCED, STARVES, CONSUMED, WAKE = 0, 1, 16, 17
QUEUE_SLOTS = 1024
PAGE = 4096
_HEADER = struct.Struct("<8i")
_FUTEX_NUMBERS = {"x86_64": 202, "amd64": 202, "aarch64": 98, "arm64": 98}
_FUTEX_WAIT, _FUTEX_WAKE = 0, 1


class Layout(NamedTuple):
    """What one array of a sample is."""

    role: str
    name: str
    dtype: np.dtype[Any]
    shape: Tuple[int, ...]
    fortran_order: bool


class RawBatch(NamedTuple):
    """A batch in the ring. ``arrays`` are views: one of shape [samples, ...] for each layout if ``uniform``, else one for each array of each sample."""

    step: int
    samples: int
    uniform: bool
    layouts: Tuple[Layout, ...]
    arrays: List[Array]


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class _Block(np.ndarray[Any, np.dtype[Any]]):
    """The bytes of one batch. Every view of them refers to this object, so that its end is the end of the batch's use."""

    _ring: Any = None
    _position = 0
    _thread = 0

    def __del__(self) -> None:
        ring = self._ring
        if ring is not None:
            ring.release(self._position, self._thread)


class Ring:
    """A mapping of the shared memory. It stays mapped until the last array that lies in it is gone."""

    def __init__(self, fd: int, size_bytes: int, threads: int, arena_bytes: int, ahead: int) -> None:
        self._memory = mmap.mmap(fd, size_bytes)
        self._words = memoryview(self._memory).cast("i")
        queues = -(-4 * (COMMON_WORDS + threads * THREAD_WORDS) // 64) * 64
        doubles = memoryview(self._memory).cast("d")
        begins = [queues // 8 + QUEUE_SLOTS * thread for thread in range(threads)]
        self._queues = [doubles[begin : begin + QUEUE_SLOTS] for begin in begins]
        self._bases = [COMMON_WORDS + THREAD_WORDS * thread for thread in range(threads)]
        self._layouts: Dict[bytes, Tuple[Layout, ...]] = {}
        self._process = os.getpid()
        self._set_up_futex()
        self.threads = threads
        self._low = (ahead - 1) // 2
        self.arena_bytes = arena_bytes
        self.size_bytes = size_bytes
        #: Bytes of batches that are in use, of each thread.
        self.leased_bytes = [0] * threads
        self._sizes: Dict[int, int] = {}
        if self._words[0] != VERSION:
            raise EngineError(f"the engine shares memory in version {self._words[0]}, this package knows version {VERSION}; install matching ones")

    def _set_up_futex(self) -> None:
        number = _FUTEX_NUMBERS.get(platform.machine().lower())
        if platform.system() != "Linux" or number is None:
            raise EngineError(f"loading needs Linux on x86_64 or arm64, this is {platform.system()} on {platform.machine()}")
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall
        self._number = ctypes.c_long(number)
        self._news_address = ctypes.c_void_p(address + 4 * NEWS)
        self._wake_addresses = [ctypes.c_void_p(address + 4 * (base + WAKE)) for base in self._bases]
        self._wake_operation = ctypes.c_int(_FUTEX_WAKE)
        self._wait_operation = ctypes.c_int(_FUTEX_WAIT)
        self._all = ctypes.c_int(0x7FFFFFFF)
        self._none = ctypes.c_void_p(None)
        self._zero = ctypes.c_uint(0)

    @property
    def news(self) -> int:
        return self._words[NEWS]

    @property
    def failed(self) -> bool:
        return self._words[FAILED] != 0

    def produced(self, thread: int) -> int:
        """Batches that a thread has made since the start of the iteration."""
        return self._words[self._bases[thread] + PRODUCED]

    def starves(self, thread: int) -> bool:
        """Whether a thread has no memory for its next batch."""
        return self._words[self._bases[thread] + STARVES] != 0

    def wait_for_news(self, seen: int, seconds: float) -> None:
        """Sleeps while ``news`` is ``seen``. A signal ends it early."""
        timeout = _Timespec(int(seconds), int(seconds % 1 * 1e9))
        self._syscall(
            self._number, self._news_address, self._wait_operation, ctypes.c_uint(seen & 0xFFFFFFFF), ctypes.byref(timeout), self._none, self._zero
        )

    def _wake(self, thread: int) -> None:
        self._syscall(self._number, self._wake_addresses[thread], self._wake_operation, self._all, self._none, self._none, self._zero)

    def take(self, thread: int, index: int) -> RawBatch:
        """The batch number ``index`` of a thread, which must have been produced."""
        words = self._words
        base = self._bases[thread]
        position = int(self._queues[thread][index % QUEUE_SLOTS])
        batch = self._read(position, thread)
        words[base + CONSUMED] = index + 1
        # Waking costs more than all the rest, so a thread is left asleep while half of its batches are still there.
        if words[base + PRODUCED] - index - 1 <= self._low:
            words[base + WAKE] = (words[base + WAKE] + 1) & 0x7FFFFFFF
            self._wake(thread)
        return batch

    def release(self, position: int, thread: int) -> None:
        """Gives a block back. In a forked process it is not ours to give."""
        if os is None or os.getpid() != self._process:  # the interpreter may be ending
            return
        self.leased_bytes[thread] -= self._sizes.pop(position, 0)
        words = self._words
        words[position // 4] = 0
        base = self._bases[thread]
        if words[base + STARVES]:  # otherwise nobody waits for memory; a thread that just begins to looks again by itself
            words[base + WAKE] = (words[base + WAKE] + 1) & 0x7FFFFFFF
            self._wake(thread)

    def _read(self, position: int, thread: int) -> RawBatch:
        memory = self._memory
        _, step, samples, fields, uniform, layout_bytes, layout_begin, table_words = _HEADER.unpack_from(memory, position)
        text = memory[position + layout_begin : position + layout_begin + layout_bytes]
        layouts = self._layouts.get(text)
        if layouts is None:
            layouts = self._parse_layouts(text)
        block = _Block((layout_begin,), np.uint8, memory, position)
        block._ring = self
        block._position = position
        block._thread = thread
        self._sizes[position] = layout_begin
        self.leased_bytes[thread] += layout_begin
        table = position + 4 * table_words
        arrays: List[Array] = []
        if uniform:
            begins = struct.unpack_from(f"<{fields}d", memory, table)
            for layout, begin in zip(layouts, begins):
                arrays.append(_array(block, int(begin), layout, samples))
        else:
            entries = struct.unpack_from(f"<{2 * fields * samples}d", memory, table)
            for begin, number in zip(entries[::2], entries[1::2]):
                arrays.append(_array(block, int(begin), layouts[int(number)], None))
            layouts = tuple(layouts[int(number)] for number in entries[1::2])
        return RawBatch(step, samples, bool(uniform), layouts, arrays)

    def _parse_layouts(self, text: bytes) -> Tuple[Layout, ...]:
        layouts = tuple(
            Layout(role, name, np.dtype(dtype), tuple(shape), fortran_order) for role, name, dtype, shape, fortran_order in json.loads(text)
        )
        if len(self._layouts) < 4096:
            self._layouts[text] = layouts
        return layouts


def _array(block: _Block, begin: int, layout: Layout, samples: Any) -> Array:
    """A view of one sample's array, or of that of ``samples`` samples side by side."""
    _, _, dtype, shape, fortran_order = layout
    if not fortran_order:
        return np.ndarray(shape if samples is None else (samples, *shape), dtype, block, begin)
    strides = []
    stride = dtype.itemsize
    for count in shape:
        strides.append(stride)
        stride *= count
    if samples is None:
        return np.ndarray(shape, dtype, block, begin, strides)
    return np.ndarray((samples, *shape), dtype, block, begin, (stride, *strides))
