"""Everything that goes wrong is an exception of a documented class, with the command line's words."""

from __future__ import annotations

import gc
import os
import subprocess

import pytest
from conftest import engine_processes, make_set, write_config

from dl_driver import ConfigError, DataError, DlDriverError, EngineError, PyTorchDataLoader, RunError, StorageError
from dl_driver._launch import engine_command


def _words(*arguments):
    ended = subprocess.run([*engine_command(), *arguments], capture_output=True, text=True)
    return ended.returncode, ended.stderr


def test_a_wrong_configuration_is_refused_in_the_command_lines_words_and_nothing_keeps_running(tmp_path):
    gc.collect()
    before = set(engine_processes(os.getpid()))
    config = write_config(tmp_path, {"framework": "pytorch", "reader": {"batch_size": -3}, "train": {"epochs": "many"}})
    with pytest.raises(ConfigError) as caught:
        PyTorchDataLoader(config)
    code, words = _words("validate", config)
    assert code == caught.value.exit_code == 2
    for problem in ("reader.batch_size", "train.epochs"):
        assert problem in str(caught.value) and problem in words
    assert {problem["path"] for problem in caught.value.problems} >= {"reader.batch_size", "train.epochs"}
    assert isinstance(caught.value, (DlDriverError, ValueError))
    assert set(engine_processes(os.getpid())) <= before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"overrides": ["reader.batch_size=0"]}, "reader.batch_size"),
        ({"overrides": "reader.batch_size=4"}, "must be a list"),
        ({"batch_size": 0}, "framework_profiles.pytorch.batch_size"),
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"return_type": "list"}, "return_type"),
        ({"variable": "cut"}, "variable"),
        ({"on_full": "wait"}, "on_full"),
        ({"split": "test"}, "split"),
        ({"order": "mine"}, "order"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_argument_is_a_config_error(small, options, words):
    with pytest.raises(ConfigError, match=words):
        PyTorchDataLoader(small[0], **options)


def test_too_few_files_are_a_run_error_before_anything_is_read(small):
    with pytest.raises(RunError, match="Not enough training dataset is found.*16 files.*99 are needed") as caught:
        PyTorchDataLoader(small[0], overrides={"dataset.num_files_train": 99})
    assert caught.value.exit_code == 2


def test_a_configuration_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no-such.yaml"):
        PyTorchDataLoader(str(tmp_path / "no-such.yaml"))


def test_a_batch_that_does_not_fit_into_the_ring_is_a_run_error_with_the_numbers(small):
    with pytest.raises(RunError, match="ring_bytes 40000: a batch takes .* give at least"):
        PyTorchDataLoader(small[0], ring_bytes=40_000)


def test_a_format_whose_values_cannot_be_loaded_is_refused(small):
    with pytest.raises(ConfigError, match="synthetic"):
        PyTorchDataLoader(small[0], overrides={"dataset.format": "synthetic"})


def _victim(folder):
    return sorted((folder / "data" / "train").iterdir())[-1]


@pytest.mark.parametrize("cut", [0, 3, 100, 5000, 12470])
def test_a_truncated_file_is_a_data_error_that_names_it(tmp_path, cut):
    config, folder = make_set(tmp_path, files=8)
    victim = _victim(folder)
    victim.write_bytes(victim.read_bytes()[:cut])
    with pytest.raises(DataError) as caught, PyTorchDataLoader(config) as loader:
        list(loader)
    assert caught.value.uri == str(victim) and str(victim) in str(caught.value)


def test_a_file_of_another_kind_is_a_data_error(tmp_path):
    config, folder = make_set(tmp_path, files=8)
    _victim(folder).write_bytes(b"x" * 20_000)
    with pytest.raises(DataError, match="is no .npz file"), PyTorchDataLoader(config) as loader:
        list(loader)


def test_a_damaged_file_is_found_when_asked_to_verify(tmp_path):
    config, folder = make_set(tmp_path, files=8)
    victim = _victim(folder)
    content = bytearray(victim.read_bytes())
    content[6000] ^= 1
    victim.write_bytes(content)
    overrides = {"dataset.record_element_type": "float32"}
    with PyTorchDataLoader(config, overrides=overrides) as loader:
        assert len(list(loader)) == 2
    with pytest.raises(DataError, match="damaged"), PyTorchDataLoader(config, overrides=overrides, verify=True) as loader:
        list(loader)


def test_a_file_that_vanishes_is_a_storage_error_with_the_systems_code(tmp_path):
    config, folder = make_set(tmp_path, files=8)
    with PyTorchDataLoader(config) as loader:
        _victim(folder).unlink()
        with pytest.raises(StorageError) as caught:
            list(loader)
        assert (caught.value.code, caught.value.operation) == ("ENOENT", "open")


def test_an_engine_that_is_not_there_is_an_engine_error_that_says_what_to_do(small, monkeypatch):
    monkeypatch.setenv("DL_DRIVER_BIN", "/no/such/dl-driver")
    with pytest.raises(EngineError, match="DL_DRIVER_BIN: /no/such/dl-driver does not exist"):
        PyTorchDataLoader(small[0])
    monkeypatch.setenv("DL_DRIVER_BIN", "/bin/false")
    with pytest.raises(EngineError, match="ended with exit code 1"):
        PyTorchDataLoader(small[0])
