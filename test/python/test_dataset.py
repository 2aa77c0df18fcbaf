"""The data set of a loader, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import assert_equal_to_recorded, make_set, workload_of, write_config

from dl_driver import DataError, PyTorchDataLoader


def test_every_sample_is_the_one_that_was_recorded(golden, tmp_path):
    config = write_config(tmp_path, workload_of(golden))
    with PyTorchDataLoader(config, return_type="numpy") as loader:
        dataset = loader.dataset
        files = sorted(name for name in golden.expected["files"] if name.startswith("train/") and name.endswith(golden.format))
        per_file = min(len(golden.expected["files"][name]["samples"]) for name in files)
        assert len(dataset) > 0
        for number in range(len(dataset)):
            data, target = dataset[number]
            name = next(iter(golden.sample(files[0], 0)))
            arrays = data if isinstance(data, dict) else {name: data}
            assert_equal_to_recorded(golden, files[number // per_file], number % per_file, arrays, target, native=False)


def test_samples_are_tensors_that_nothing_else_uses(small):
    with PyTorchDataLoader(small[0]) as loader:
        dataset = loader.dataset
        rows = [dataset[i] for i in range(len(dataset))]
        rows[3][0].fill_(-1)
        assert [int(x[0, 0]) for x, _ in rows] == [-1 if i == 3 else i for i in range(16)]
        assert [int(y) for _, y in rows] == [10 * i for i in range(16)]
        assert rows[0][0].dtype == torch.float32 and tuple(rows[0][0].shape) == (64, 48)
        assert int(dataset[-1][1]) == 150 and len(list(dataset)) == 16
        for index in (16, -17):
            with pytest.raises(IndexError, match="the data set has 16"):
                dataset[index]


def test_samples_and_batches_do_not_disturb_each_other(small):
    with PyTorchDataLoader(small[0]) as loader:
        plain = [y.tolist() for _, y in loader]
        loader.set_epoch(0)
        mixed = []
        for step, (_, y) in enumerate(loader):
            assert int(loader.dataset[step][1]) == 10 * step
            mixed.append(y.tolist())
        assert mixed == plain


def test_a_sample_larger_than_the_first_ones_is_read_whole(tmp_path):
    config, folder = make_set(tmp_path, files=4)
    large = np.arange(300_000, dtype=np.float64).reshape(300, 1000, 1)
    np.savez(folder / "data" / "train" / "img_3_of_4.npz", x=large, y=np.array([30]))
    with PyTorchDataLoader(config, return_type="numpy") as loader:
        data, target = loader.dataset[3]
        assert np.array_equal(data, large[..., 0]) and target == 30
        assert loader.dataset[0][0].shape == (64, 48)


def test_torchs_own_loader_reads_it_in_its_workers(small):
    with PyTorchDataLoader(small[0]) as loader:
        own = torch.utils.data.DataLoader(loader.dataset, batch_size=4, num_workers=2, multiprocessing_context="fork")
        assert [y.tolist() for _, y in own] == [[40 * k, 40 * k + 10, 40 * k + 20, 40 * k + 30] for k in range(4)]


def test_a_damaged_file_is_an_error_and_the_next_sample_is_read(small):
    config, folder = small
    with PyTorchDataLoader(config) as loader:
        (folder / "data" / "train" / "img_05_of_16.npz").write_bytes(b"PK no")
        with pytest.raises(DataError, match="img_05_of_16"):
            loader.dataset[5]
        assert int(loader.dataset[6][1]) == 60
