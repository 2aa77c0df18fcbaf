"""Tensors hold what the reference libraries read."""

from __future__ import annotations

import numpy as np
import torch
from conftest import assert_equal_to_recorded, make_set, workload_of, write_config

from dl_driver import PyTorchDataLoader


def _sample(value, i):
    """Sample `i` of a batch: its arrays by name."""
    if isinstance(value, dict):
        return {name: _row(item, i) for name, item in value.items()}
    return _row(value, i)


def _row(value, i):
    return np.asarray(value[i])


def _check(golden, tmp_path, return_type, **options):
    config = write_config(tmp_path, workload_of(golden))
    seen = []
    with PyTorchDataLoader(config, return_type=return_type, **options) as loader:
        for step, (data, target) in enumerate(loader, 1):
            for i, (file, index) in enumerate(loader.samples(step)):
                arrays = _sample(data, i)
                if not isinstance(arrays, dict):
                    arrays = {next(iter(golden.sample(file, index))): arrays}
                assert_equal_to_recorded(golden, file, index, arrays, None if target is None else target[i], return_type == "tensor")
                seen.append((file, index))
        assert len(seen) == len(loader.dataset) == len(set(seen))


def test_tensors_of_every_golden_set_equal_what_the_reference_library_read(golden, tmp_path):
    _check(golden, tmp_path, "tensor")


def test_numpy_batches_with_every_checksum_checked_equal_it_too(golden, tmp_path):
    _check(golden, tmp_path, "numpy", verify=True)


def test_a_batch_of_equal_samples_is_one_contiguous_tensor_that_shares_memory_with_the_engine(small):
    config, _ = small
    with PyTorchDataLoader(config) as loader:
        for step, (data, target) in enumerate(loader, 1):
            assert data.shape == (4, 64, 48) and data.dtype == torch.float32 and data.is_contiguous()
            numbers = [int(file.split("_")[1]) for file, _ in loader.samples(step)]
            assert data[:, 0, 0].tolist() == numbers and (data == data[:, :1, :1]).all()
            assert target.dtype == torch.int64 and target.tolist() == [10 * n for n in numbers]
            # The ring is the only mapping of a file without a name.
            assert "memfd:dl-driver" in _mapping_of(data.data_ptr())


def _mapping_of(address):
    for line in open("/proc/self/maps"):
        begin, end = (int(part, 16) for part in line.split()[0].split("-"))
        if begin <= address < end:
            return line
    raise AssertionError(f"{address:x} is mapped nowhere")


def test_samples_of_different_shapes_are_a_list_or_filled_up(tmp_path):
    config, folder = make_set(tmp_path, files=4, reader={"read_threads": 1})
    for i, name in enumerate(sorted((folder / "data" / "train").iterdir())):
        np.savez(name, x=np.full((2 + i, 5 - i, 1), i + 1, dtype=np.int16), y=np.array([i]))
    with PyTorchDataLoader(config) as loader:
        ((data, target),) = list(loader)
        assert sorted(target.tolist()) == [0, 1, 2, 3]
        for i, item in zip(target.tolist(), data):
            assert tuple(item.shape) == (2 + i, 5 - i) and item.unique().tolist() == [i + 1]
    with PyTorchDataLoader(config, variable="pad", pad_value=-1) as loader:
        ((data, target),) = list(loader)
        assert data.shape == (4, 5, 5) and data.dtype == torch.int16
        for i, item in zip(target.tolist(), data):
            assert (item[: 2 + i, : 5 - i] == i + 1).all()
            assert (item == -1).sum() == 20 - (2 + i) * (5 - i) + 5


def test_batches_that_outgrow_the_first_samples_size_move_and_keep_their_values(tmp_path):
    config, folder = make_set(tmp_path, files=8, reader={"batch_size": 8, "read_threads": 1})
    for i, name in enumerate(sorted((folder / "data" / "train").iterdir())):
        np.savez(name, x=np.arange(8 ** (i + 1) // 4, dtype=np.uint32).reshape(-1, 1) + i, y=np.array([i]))
    with PyTorchDataLoader(config, return_type="numpy", ring_bytes=64 << 20) as loader:
        ((data, target),) = list(loader)
    assert sorted(target.tolist()) == list(range(8))
    for i, item in zip(target.tolist(), data):
        assert np.array_equal(item, np.arange(8 ** (i + 1) // 4, dtype=np.uint32) + i)
