"""Compares the samples of two configurations of the same data; DLIO reads object stores in another order. usage: objects.py CONFIG CONFIG"""

import sys

from dl_driver import PyTorchDataLoader


def samples(config):
    """What a configuration gives of each sample: arrays by name as (dtype, shape, bytes), and the label."""
    found = {}
    with PyTorchDataLoader(config, return_type="numpy") as loader:
        for step, (data, target) in enumerate(loader, 1):
            arrays = data if isinstance(data, dict) else {"": data}
            for i, sample in enumerate(loader.samples(step)):
                rows = {name: (rows[i].dtype.str, rows[i].shape, rows[i].tobytes()) for name, rows in arrays.items()}
                found[sample] = (rows, None if target is None else target[i].item())
    return found


one, other = samples(sys.argv[1]), samples(sys.argv[2])
assert one.keys() == other.keys(), (sorted(one), sorted(other))
for sample, found in one.items():
    assert found == other[sample], sample
print(len(one))
