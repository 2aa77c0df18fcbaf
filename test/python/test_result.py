"""A real training run leaves the same result.json as an emulated one."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

import dl_driver
from dl_driver import ConfigError, PyTorchDataLoader
from dl_driver._launch import engine_command


def _train(config, folder, compute):
    with PyTorchDataLoader(config, output=folder) as loader:
        for _ in range(3):
            for _ in loader:
                time.sleep(compute)
    return json.loads((folder / "result.json").read_text())


def test_it_holds_the_loops_own_step_times(small, tmp_path):
    config, _ = small
    begin = time.monotonic()
    result = _train(config, tmp_path / "real", 0.02)
    elapsed = time.monotonic() - begin
    train = result["train"]
    assert (train["steps"], train["samples"], train["epochs"]) == (12, 48, 3)
    assert result["complete"] and result["world"]["ranks"] == 1
    assert result["io"]["samplesRead"] == 48 and result["io"]["bytesAsked"] >= 48 * 12288
    # Twelve steps of 20 ms: the sum of the computation is real time.
    assert 0.2 < train["samples"] / train["samplesPerSecond"] < elapsed


def test_it_is_comparable_with_an_emulated_run_of_the_configuration(small, tmp_path):
    config, _ = small
    real = _train(config, tmp_path / "real", 0.0)
    command = [*engine_command(), "run", config, "-q", "--output", str(tmp_path / "emulated")]
    subprocess.run(command, check=True, capture_output=True)
    emulated = json.loads((tmp_path / "emulated" / "result.json").read_text())
    assert real["orderDigest"] == emulated["orderDigest"] == dl_driver.order(config).digest
    assert real["configDigest"] == emulated["configDigest"]
    assert real["work"] == emulated["work"]
    ended = subprocess.run(
        [*engine_command(), "compare", str(tmp_path / "emulated"), str(tmp_path / "real"), "--threshold", "1000000", "--json"],
        capture_output=True,
        text=True,
    )
    assert ended.returncode in (0, 4), ended.stderr


def test_a_result_of_nothing_is_refused(small, tmp_path):
    with PyTorchDataLoader(small[0]) as loader:
        with pytest.raises(ConfigError, match="no epoch has been iterated"):
            loader.write_result(tmp_path)
        list(loader)
        with pytest.raises(ConfigError, match="give a folder"):
            loader.write_result()
        assert loader.write_result(tmp_path / "out").endswith("out/result.json")


def test_each_of_several_ranks_leaves_a_result_of_its_own(small, tmp_path):
    config, _ = small
    for rank in range(2):
        with PyTorchDataLoader(config, rank=rank, world_size=2, output=tmp_path / "real") as loader:
            for _ in range(3):
                for _ in loader:
                    pass
    results = [json.loads((tmp_path / "real" / f"rank_{rank}" / "result.json").read_text()) for rank in range(2)]
    assert not (tmp_path / "real" / "result.json").exists()
    for result in results:
        assert result["world"]["ranks"] == 2 and result["complete"]
        assert (result["train"]["steps"], result["train"]["samples"], result["io"]["samplesRead"]) == (6, 24, 24)
        assert result["orderDigest"] == dl_driver.order(config, world_size=2).digest
