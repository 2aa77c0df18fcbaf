"""Memory is leased, and nothing is left behind, however a process ends."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import engine_processes, make_set

from dl_driver import EngineError, PyTorchDataLoader, RingFullError


def _wait_until(condition, seconds=100.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def _is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_batch_keeps_its_values_while_anything_refers_to_it(small):
    config, _ = small
    with PyTorchDataLoader(config) as loader:
        kept = []
        for _ in range(20):
            for data, target in loader:
                if len(kept) < 3:
                    kept.append((data[1:3].view(-1), target.clone()))
                del data
        for view, target in kept:
            assert view.reshape(2, -1)[:, 0].tolist() == [n / 10 for n in target[1:3].tolist()]


def test_memory_is_used_again_once_nothing_refers_to_it(small):
    config, _ = small
    with PyTorchDataLoader(config, ring_bytes=4 << 20) as loader:
        places = {data.data_ptr() for _ in range(10) for data, _ in loader}
    assert len(places) <= 8


def test_a_consumer_that_keeps_everything_is_told_so(small):
    config, _ = small
    with PyTorchDataLoader(config, ring_bytes=8 * 65536) as loader:
        kept = []
        with pytest.raises(RingFullError, match="ring_bytes, or on_full='copy'"):
            for _ in range(100):
                kept += list(loader)
        assert len(kept) >= 2
        # The loader goes on once memory is given back.
        kept.clear()
        gc.collect()
        assert sum(len(target) for _, target in loader) == 16


def test_a_consumer_that_keeps_everything_gets_copies_if_it_wants(small):
    config, _ = small
    with PyTorchDataLoader(config, ring_bytes=8 * 65536, on_full="copy") as loader:
        kept = [pair for _ in range(20) for pair in loader]
    assert len(kept) == 80
    for data, target in kept:
        assert data[:, 3, 3].tolist() == [n / 10 for n in target.tolist()]


def test_tensors_stay_valid_after_the_loader_is_closed(small):
    config, _ = small
    with PyTorchDataLoader(config) as loader:
        data, target = next(iter(loader))
        pid = loader._source.pid
    assert not _is_alive(pid)
    assert data[:, 0, 0].tolist() == [n / 10 for n in target.tolist()]
    data += 1  # and writable


def test_a_dead_engine_is_noticed_while_waiting_for_it(small):
    config, _ = small
    with PyTorchDataLoader(config) as loader:
        iterator = iter(loader)
        next(iterator)
        os.kill(loader._source.pid, signal.SIGSTOP)
        loader._source._engine.ring.wait_for_news = lambda seen, seconds: time.sleep(seconds)
        os.kill(loader._source.pid, signal.SIGKILL)
        with pytest.raises(EngineError, match="killed by signal 9"):
            while True:
                loader._source._engine._taken = [99, 99]  # nothing of what is ready already
                next(iterator)
        # Iterating anew starts another engine.
        assert len(list(loader)) == 4


def test_an_engine_whose_consumer_is_killed_ends_itself(small):
    config, _ = small
    script = (
        "import time\nfrom dl_driver import PyTorchDataLoader\n"
        f"loader = PyTorchDataLoader({config!r}, return_type='numpy')\nnext(iter(loader))\nprint(loader._source.pid, flush=True)\ntime.sleep(600)\n"
    )
    consumer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    engine = int(consumer.stdout.readline())
    assert _is_alive(engine)
    consumer.kill()
    consumer.wait()
    _wait_until(lambda: not _is_alive(engine))


def test_nothing_is_left_behind_after_use(small):
    config, _ = small
    gc.collect()
    files = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        loader = PyTorchDataLoader(config, return_type="numpy")
        next(iter(loader))
        del loader  # without close()
        gc.collect()
    assert list(engine_processes(os.getpid())) == []
    assert "memfd:dl-driver" not in open("/proc/self/maps").read()
    assert len(os.listdir("/proc/self/fd")) == files


def test_a_forked_process_gets_an_engine_of_its_own_and_gives_nothing_back_of_its_parents(small):
    config, _ = small
    with PyTorchDataLoader(config, return_type="numpy") as loader:
        iterator = iter(loader)
        data, target = next(iterator)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                try:
                    next(iterator)
                except EngineError:
                    seen = sorted(int(n) // 10 for _, labels in loader for n in labels)
                    del data, iterator
                    gc.collect()
                    code = 0 if seen == list(range(16)) else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert [tuple(labels) for _, labels in iterator] and np.array_equal(data[:, 0, 0], target / 10)


def test_a_forked_process_does_not_keep_the_engine_of_a_dead_parent_alive(small):
    config, _ = small
    script = (
        "import os, time\nfrom dl_driver import PyTorchDataLoader\n"
        f"loader = PyTorchDataLoader({config!r}, return_type='numpy')\nnext(iter(loader))\nchild = os.fork()\n"
        "if child == 0:\n    time.sleep(600)\nprint(loader._source.pid, child, flush=True)\ntime.sleep(600)\n"
    )
    consumer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    engine, child = (int(word) for word in consumer.stdout.readline().split())
    try:
        consumer.kill()
        consumer.wait()
        _wait_until(lambda: not _is_alive(engine))
        assert _is_alive(child)
    finally:
        os.kill(child, signal.SIGKILL)


def test_several_loaders_in_several_threads(small):
    config, _ = small
    results = [None] * 4

    def work(i):
        with PyTorchDataLoader(config, return_type="numpy") as loader:
            results[i] = sorted(int(n) // 10 for _ in range(5) for _, target in loader for n in target)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [sorted(list(range(16)) * 5)] * 4


def test_ctrl_c_ends_a_wait_for_data_and_the_program(tmp_path):
    config, folder = make_set(tmp_path, files=4)
    names = sorted((folder / "data" / "train").iterdir())
    script = (
        "from dl_driver import PyTorchDataLoader\n"
        f"loader = PyTorchDataLoader({config!r}, return_type='numpy')\nprint(loader._source.pid, flush=True)\n"
        "iterator = iter(loader)\nimport time, os\nos.kill(loader._source.pid, 19)\nloader._source._engine._taken = [9, 9]\nprint('waits', flush=True)\nnext(iterator)\n"
    )
    assert names
    consumer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    engine = int(consumer.stdout.readline())
    assert consumer.stdout.readline() == "waits\n"
    consumer.send_signal(signal.SIGINT)
    _, words = consumer.communicate(timeout=100)
    assert "KeyboardInterrupt" in words
    _wait_until(lambda: not _is_alive(engine))
