"""Epochs, resuming, ranks, and the same order everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from conftest import make_set

import dl_driver
from dl_driver import ConfigError, PyTorchDataLoader

FIELDS = [
    {},
    {"batch_size": 3, "shuffle": True, "num_workers": 2, "seed": 5},
    {"batch_size": 5, "shuffle": True, "num_workers": 0, "drop_last": True},
    {"order": "native"},
]


def _delivered(loader):
    """Numbers of the samples of one epoch, batch by batch."""
    return [[int(n) // 10 for n in target] for _, target in loader]


def _planned(config, epoch, rank=0, world_size=1, **options):
    batches = dl_driver.order(config, world_size=world_size, **options)
    return [[int(file.split("_")[1]) for file, _ in batch.samples] for batch in batches if (batch.epoch, batch.rank) == (epoch, rank)]


def _overrides(fields):
    fields = {key: value for key, value in fields.items() if key != "order"} or ({"batch_size": None} if "order" in fields else {})
    return {f"framework_profiles.pytorch.{key}": value for key, value in fields.items()}


@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_every_epoch_holds_the_batches_that_the_plan_says(small, fields):
    config, _ = small
    with PyTorchDataLoader(config, **fields) as loader:
        for epoch in (1, 2, 3):
            batches = _delivered(loader)
            assert batches == _planned(config, epoch, overrides=_overrides(fields))
            assert len(batches) == len(loader)


def test_the_order_of_torchs_own_loader_under_a_native_profile(small):
    import torch

    config, _ = small
    generator = torch.Generator()
    generator.manual_seed(5)
    own = torch.utils.data.DataLoader(range(16), batch_size=3, shuffle=True, generator=generator)
    with PyTorchDataLoader(config, batch_size=3, shuffle=True, num_workers=2, seed=5) as loader:
        for _ in range(2):
            assert _delivered(loader) == [batch.tolist() for batch in own]


def test_the_plans_digest_is_the_command_lines(small):
    config, _ = small
    ended = subprocess.run([*_engine(), "plan", config, "--order", "--digest"], capture_output=True, text=True, check=True)
    assert dl_driver.order(config).digest == json.loads(ended.stdout.splitlines()[-1])["orderDigest"]


def _engine():
    from dl_driver._launch import engine_command

    return engine_command()


def test_set_epoch_chooses_any_epoch_forwards_and_back(small):
    config, _ = small
    with PyTorchDataLoader(config) as loader:
        for epoch in (2, 0, 1, 1, 5):
            loader.set_epoch(epoch)
            first = _delivered(loader)
            assert first == _planned(config, epoch + 1, overrides=["train.epochs=6"])


def test_a_loop_that_is_left_early_begins_the_next_epoch_at_its_first_batch(small):
    config, _ = small
    with PyTorchDataLoader(config) as loader:
        for step, _ in enumerate(loader, 1):
            if step == 2:
                break
        assert _delivered(loader) == _planned(config, 2)


@pytest.mark.parametrize("fields", FIELDS[:2], ids=str)
def test_a_loader_resumes_at_the_exact_next_batch(small, fields):
    config, _ = small
    with PyTorchDataLoader(config, **fields) as loader:
        whole = [_delivered(loader) for _ in range(3)]
    for stop in range(len(whole[1]) + 1):
        with PyTorchDataLoader(config, **fields) as loader:
            _delivered(loader)
            iterator = iter(loader)
            for _ in range(stop):
                next(iterator)
            state = json.loads(json.dumps(loader.state_dict()))
        with PyTorchDataLoader(config, **fields) as loader:
            loader.load_state_dict(state)
            assert loader.state_dict() == state
            rest = [_delivered(loader) for _ in range(2)]
        # A state at the end of an epoch is the beginning of the next.
        expected = [whole[1][stop:], whole[2]] if stop < len(whole[1]) else [whole[2]]
        assert rest[: len(expected)] == expected


def test_a_state_of_another_configuration_is_refused(small):
    config, _ = small
    with PyTorchDataLoader(config) as loader:
        with pytest.raises(ConfigError, match="batch 99 of an epoch that has 4"):
            loader.load_state_dict({"version": 1, "epoch": 0, "batches": 99})
        with pytest.raises(ConfigError, match="state_dict"):
            loader.load_state_dict({"epoch": 0})


def test_loaders_of_several_ranks_share_the_samples_out(small):
    config, _ = small
    seen = []
    for rank in range(2):
        with PyTorchDataLoader(config, rank=rank, world_size=2) as loader:
            batches = _delivered(loader)
            assert batches == _planned(config, 1, rank=rank, world_size=2)
            seen += [n for batch in batches for n in batch]
    assert sorted(seen) == list(range(16))


def test_rank_and_world_come_from_the_environment(small, monkeypatch):
    config, _ = small
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with PyTorchDataLoader(config) as loader:
        assert (loader.rank, loader.world_size, len(loader)) == (1, 4, 1)
    with pytest.raises(ConfigError, match="rank 4 of 4"):
        PyTorchDataLoader(config, rank=4, world_size=4)
    with pytest.raises(ConfigError, match="belong together"):
        PyTorchDataLoader(config, rank=0)


def test_two_ranks_under_torchrun_see_disjoint_samples(small, tmp_path):
    config, _ = small
    script = tmp_path / "train.py"
    script.write_text(
        "import sys, torch, torch.distributed as dist\n"
        "from dl_driver import PyTorchDataLoader\n"
        "dist.init_process_group('gloo')\n"
        f"with PyTorchDataLoader({config!r}) as loader:\n"
        "    seen = [int(n) // 10 for _, target in loader for n in target]\n"
        "gathered = [None, None]\n"
        "dist.all_gather_object(gathered, seen)\n"
        "assert sorted(gathered[0] + gathered[1]) == list(range(16)), gathered\n"
        "from pathlib import Path\n"
        "Path(sys.argv[1], f'rank-{dist.get_rank()}').write_text(f'of {loader.world_size}')\n"
        "dist.destroy_process_group()\n"
    )
    # By the loopback interface, since nothing may know the name of this machine.
    alone = ["--standalone", "--local-addr", "127.0.0.1"]
    ended = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *alone, "--nproc-per-node", "2", str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"},
    )
    assert ended.returncode == 0, ended.stderr
    # a file of its own per rank: lines of two processes may run into each other on the pipe they share
    assert {file.name: file.read_text() for file in tmp_path.glob("rank-*")} == {"rank-0": "of 2", "rank-1": "of 2"}


def test_the_evaluation_split_is_a_loader_of_its_own(tmp_path):
    import shutil

    config, folder = make_set(tmp_path, files=8, dataset={"num_files_eval": 3}, reader={"batch_size_eval": 3})
    for i, name in enumerate(sorted((folder / "data" / "train").iterdir())[:3]):
        shutil.copy(name, folder / "data" / "valid" / f"img_{i}_of_3.npz")
    with PyTorchDataLoader(config, split="valid") as loader:
        assert [sorted(batch) for batch in _delivered(loader)] == [[0, 1, 2]]


def test_an_iteration_of_which_nothing_was_taken_is_no_epoch(small):
    config, _ = small
    with PyTorchDataLoader(config) as loader:
        unused = [iter(loader), iter(loader)]
        assert _delivered(loader) == _planned(config, 1)
        assert [[int(n) // 10 for n in target] for _, target in unused[0]] == _planned(config, 2)


def test_two_iterations_at_a_time_do_not_disturb_each_other(small):
    config, _ = small
    with PyTorchDataLoader(config) as loader:
        pairs = [([int(n) // 10 for n in a[1]], [int(n) // 10 for n in b[1]]) for a, b in zip(loader, loader)]
    assert [a for a, _ in pairs] == _planned(config, 1) and [b for _, b in pairs] == _planned(config, 2)


def test_shared_and_native_order_exclude_each_other(small):
    config, _ = small
    with pytest.raises(ConfigError, match="order 'shared'"):
        PyTorchDataLoader(config, order="shared", batch_size=2)
    with pytest.raises(ConfigError, match="must be 'shared'"):
        PyTorchDataLoader(config, order="random")
