"""One figure for bench/python-loader.mjs: reads a data set several times one way, and prints samples, wall and CPU seconds of all processes.

usage: python-loader.py WAY CONFIG FOLDER BATCH EPOCHS
"""

import glob
import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
way, config, folder, batch, epochs = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
files = sorted(glob.glob(os.path.join(folder, "train", "*")))


def cpu_seconds():
    """Of this process and its living and ended descendants."""
    own = os.times()
    total = own.user + own.system + own.children_user + own.children_system
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    fields = stat.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            parents[int(entry)] = (int(fields[1]), (int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK"))
    for process, (parent, seconds) in parents.items():
        while parent not in (0, 1, os.getpid()):
            parent = parents.get(parent, (0, 0))[0]
        if parent == os.getpid() and process != os.getpid():
            total += seconds
    return total


def dl_driver_torch():
    from dl_driver import PyTorchDataLoader

    return PyTorchDataLoader(config), lambda pair: len(pair[0])


def torch_loader(read):
    import torch

    class Files(torch.utils.data.Dataset):
        def __len__(self):
            return len(files)

        def __getitem__(self, index):
            return read(files[index])

    loader = torch.utils.data.DataLoader(Files(), batch_size=batch, shuffle=True, num_workers=2, persistent_workers=True)
    return loader, lambda pair: len(pair[0])


def torch_numpy():
    import numpy as np

    def read(file):
        with np.load(file) as archive:
            return archive["x"][..., 0], archive["y"][0]

    return torch_loader(read)


def torch_h5py():
    import h5py

    def read(file):
        with h5py.File(file, "r") as opened:
            return opened["records_0"][0], opened["labels"][0]

    return torch_loader(read)


def dl_driver_tf():
    import dl_driver.tensorflow as dldt

    return dldt.create_dataset(config), lambda data: data.shape[0]


def tfdata():
    import tensorflow as tf

    def parse(record):
        example = tf.io.parse_single_example(record, {"image": tf.io.FixedLenFeature([], tf.string), "size": tf.io.FixedLenFeature([], tf.int64)})
        return tf.io.decode_raw(example["image"], tf.uint8)

    dataset = tf.data.TFRecordDataset(files, num_parallel_reads=2).map(parse, num_parallel_calls=2).batch(batch).prefetch(2)
    return dataset, lambda data: data.shape[0]


def epoch(loader, size):
    return sum(size(element) for element in loader)


ways = {"dl-driver-torch": dl_driver_torch, "torch-numpy": torch_numpy, "torch-h5py": torch_h5py, "dl-driver-tf": dl_driver_tf, "tf.data": tfdata}
# The framework's own import does not count.
__import__("tensorflow" if way in ("dl-driver-tf", "tf.data") else "torch")
began = time.perf_counter()
loader, size = ways[way]()
iterator = iter(loader)
next(iterator)
first = time.perf_counter() - began
del iterator
epoch(loader, size)  # files, imports and memory are warm
cpu, wall = cpu_seconds(), time.perf_counter()
count = sum(epoch(loader, size) for _ in range(epochs))
wall = time.perf_counter() - wall
print(json.dumps({"samples": count, "wallSeconds": wall, "cpuSeconds": cpu_seconds() - cpu, "firstBatchSeconds": first}))
