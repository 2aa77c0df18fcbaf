"""Golden data sets: configurations for them, and what the reference libraries read from them."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
_SHARED = ROOT.parent / "shared" / "golden" / "datasets"
GOLDEN = _SHARED if _SHARED.is_dir() else ROOT / "test" / "golden" / "datasets"
_LOADED = ("npz", "hdf5", "tfrecord")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


class GoldenSet(NamedTuple):
    id: str
    folder: Path
    format: str
    expected: Dict[str, Any]

    def sample(self, file: str, index: int) -> Dict[str, Dict[str, Any]]:
        """What is recorded of a sample: its arrays by name."""
        recorded = self.expected["files"][file]["samples"][index]
        if self.format == "hdf5":
            return dict(recorded)
        return {"image" if self.format == "tfrecord" else "x": recorded}

    def label(self, file: str, index: int) -> Any:
        labels = self.expected["files"][file].get("labels")
        return None if labels is None else labels[index]


def golden_sets(*formats: str) -> List[GoldenSet]:
    sets = []
    for folder in sorted(GOLDEN.iterdir()):
        if not (folder / "expected.json").exists():
            continue
        expected = json.loads((folder / "expected.json").read_text())
        name = next((name for name in expected["files"] if name.startswith("train/")), "")
        format_name = name.rsplit(".", 1)[-1]
        if format_name in (formats or _LOADED):
            sets.append(GoldenSet(folder.name, folder, format_name, expected))
    assert sets, f"no golden data sets in {GOLDEN}"
    return sets


def pytest_generate_tests(metafunc: Any) -> None:
    if "golden" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("formats")
        sets = golden_sets(*(marker.args if marker else ()))
        metafunc.parametrize("golden", sets, ids=[golden.id for golden in sets])


def workload_of(golden: GoldenSet, **sections: Dict[str, Any]) -> Dict[str, Any]:
    """A configuration that reads all of a golden data set."""
    files = [name for name in golden.expected["files"] if name.endswith("." + golden.format)]
    train = [name for name in files if name.startswith("train/")]
    recorded = (golden.expected.get("workload") or {}).get("dataset", {})
    dataset = {key: value for key, value in recorded.items() if not key.startswith("compression")}
    first = golden.sample(train[0], 0)
    types = [array["dtype"] for array in first.values() if "dtype" in array]
    if types:
        dataset["record_element_type"] = np.dtype(types[0]).name
    framework = "tensorflow" if golden.format == "tfrecord" else "pytorch"
    dataset.update(
        format=golden.format,
        data_folder=str(golden.folder / "data"),
        num_files_train=len(train),
        num_samples_per_file=min(len(golden.expected["files"][name]["samples"]) for name in train),
    )
    workload: Dict[str, Any] = {
        "framework": framework,
        "workflow": {"train": True},
        "dataset": dataset,
        "reader": {"data_loader": framework, "batch_size": 2, "read_threads": 2},
        "train": {"epochs": 1},
    }
    for name, section in sections.items():
        workload[name] = {**workload.get(name, {}), **section} if isinstance(section, dict) else section
    return workload


def write_config(folder: Path, workload: Dict[str, Any]) -> str:
    path = folder / "workload.yaml"
    path.write_text(json.dumps({"workload": workload}))
    return str(path)


@pytest.fixture
def small(tmp_path: Path) -> Tuple[str, Path]:
    """Sixteen .npz files of 12 KB with labels, written by NumPy; their content tells which is which."""
    return make_set(tmp_path, files=16)


def make_set(folder: Path, files: int, shape: Tuple[int, ...] = (64, 48), **sections: Any) -> Tuple[str, Path]:
    train = folder / "data" / "train"
    train.mkdir(parents=True)
    (folder / "data" / "valid").mkdir()
    width = len(str(files))
    for i in range(files):
        x = np.full((*shape, 1), i, dtype=np.float32)
        np.savez(train / f"img_{i:0{width}d}_of_{files}.npz", x=x, y=np.array([10 * i]))
    workload = {
        "framework": "pytorch",
        "workflow": {"train": True},
        "dataset": {"format": "npz", "data_folder": str(folder / "data"), "num_files_train": files, "record_length_bytes": 12288},
        "reader": {"data_loader": "pytorch", "batch_size": 4, "read_threads": 2, "file_shuffle": "seed", "sample_shuffle": "seed"},
        "train": {"epochs": 3, "seed": 7},
    }
    for name, section in sections.items():
        workload[name] = {**workload.get(name, {}), **section}
    return write_config(folder, workload), folder


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def assert_equal_to_recorded(golden: GoldenSet, file: str, index: int, arrays: Dict[str, np.ndarray], target: Any, native: bool) -> None:
    """The arrays of one sample against what the reference library read; `native`: in the machine's byte order."""
    recorded = golden.sample(file, index)
    assert set(arrays) == set(recorded)
    for name, want in recorded.items():
        array = arrays[name]
        if "dtype" in want:
            dtype = np.dtype(want["dtype"])
            assert array.dtype == (dtype.newbyteorder("=") if native else dtype)
            assert list(array.shape) == want["shape"]
            array = array.astype(dtype)
        assert sha256(array) == want["sha256"]
    label = golden.label(file, index)
    assert (target is None) == (label is None)
    if label is not None:
        assert np.asarray(target).tolist() == label


def engine_processes(pid: int) -> Iterator[int]:
    """Living children of a process."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            yield int(entry.name)
