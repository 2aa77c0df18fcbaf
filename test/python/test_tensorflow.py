"""``create_dataset`` gives a tf.data.Dataset."""

from __future__ import annotations

import gc
import os

import numpy as np
import pytest
import tensorflow as tf
from conftest import GoldenSet, assert_equal_to_recorded, engine_processes, make_set, workload_of, write_config

import dl_driver
import dl_driver.tensorflow as dldt


def _planned(config, epoch, **options):
    return [[file for file, _ in batch.samples] for batch in dl_driver.order(config, **options) if batch.epoch == epoch]


def _numbers(dataset):
    return [[int(n) // 10 for n in target.numpy()] for _, target in dataset]


def test_elements_of_every_golden_set_equal_what_the_reference_library_read(golden: GoldenSet, tmp_path):
    config = write_config(tmp_path, workload_of(golden))
    dataset = dldt.create_dataset(config)
    order = [batch.samples for batch in dl_driver.order(config)]
    elements = list(dataset)
    assert len(elements) == len(order) == int(dataset.cardinality())
    variable = golden.expected.get("workload") and golden.expected["workload"]["dataset"].get("record_length_bytes_stdev")
    for element, samples in zip(elements, order):
        data, target = element if isinstance(element, tuple) else (element, None)
        for i, (file, index) in enumerate(samples):
            recorded = golden.sample(file, index)
            arrays = {name: value[i].numpy() for name, value in data.items()} if isinstance(data, dict) else {next(iter(recorded)): data[i].numpy()}
            if variable:
                # Filled up at the ends: what was recorded is the beginning.
                arrays = {name: _cut(array, recorded[name]) for name, array in arrays.items()}
            assert_equal_to_recorded(golden, file, index, arrays, None if target is None else target[i].numpy(), native=True)


def _cut(array, recorded):
    shape = recorded.get("shape", [recorded["nbytes"] // array.itemsize])
    rest = array.copy()
    rest[tuple(slice(n) for n in shape)] = 0
    assert not rest.any()
    return np.ascontiguousarray(array[tuple(slice(n) for n in shape)])


@pytest.mark.formats("tfrecord")
def test_the_snippet_of_the_documentation(golden, tmp_path):
    config = write_config(tmp_path, workload_of(golden))
    count = 0
    dataset = dldt.create_dataset(config)
    for batch in dataset:
        assert isinstance(batch, tf.Tensor)
        count += len(batch)
    assert count == sum(len(batch) for batch in _planned(config, 1))


def test_shapes_are_static_and_the_number_of_batches_known(small):
    config, _ = small
    dataset = dldt.create_dataset(config)
    assert isinstance(dataset, tf.data.Dataset)
    assert dataset.element_spec == (tf.TensorSpec((4, 64, 48), tf.float32), tf.TensorSpec((4,), tf.int64))
    assert int(dataset.cardinality()) == 4
    short = dldt.create_dataset(config, batch_size=5)
    assert short.element_spec[0].shape.as_list() == [None, 64, 48] and int(short.cardinality()) == 4
    full = dldt.create_dataset(config, batch_size=5, drop_remainder=True)
    assert full.element_spec[0].shape.as_list() == [5, 64, 48] and int(full.cardinality()) == 3


def test_each_iteration_and_each_repetition_is_the_next_epoch(small):
    config, _ = small
    dataset = dldt.create_dataset(config)
    planned = [[[int(file.split("_")[1]) for file in batch] for batch in _planned(config, epoch)] for epoch in (1, 2, 3)]
    assert _numbers(dataset) == planned[0]
    assert _numbers(dataset.repeat().take(8)) == planned[1] + planned[2]


def test_pytorch_and_tensorflow_share_the_configurations_order(small):
    from dl_driver import PyTorchDataLoader

    config, _ = small
    with PyTorchDataLoader(config, order="shared") as loader:
        own = [[int(n) // 10 for n in target] for _, target in loader]
    assert _numbers(dldt.create_dataset(config, order="shared")) == own


def test_tf_datas_own_order_under_a_native_profile(small):
    config, folder = small
    names = sorted(str(name) for name in (folder / "data" / "train").iterdir())
    own = tf.data.Dataset.from_tensor_slices(list(range(len(names)))).interleave(
        lambda i: tf.data.Dataset.from_tensors(i), cycle_length=2, block_length=1
    )
    own = own.shuffle(8, seed=11).batch(4)
    got = _numbers(dldt.create_dataset(config, shuffle_buffer_size=8, seed=11, cycle_length=2, batch_size=4))
    assert got == [batch.numpy().tolist() for batch in own]


def test_it_composes_with_map_batch_prefetch_shuffle_and_cache(small):
    config, _ = small
    dataset = dldt.create_dataset(config, ring_bytes=8 * 65536)
    composed = dataset.map(lambda x, y: (x[:, 0, 0], y)).unbatch().shuffle(16, seed=1).batch(8).prefetch(tf.data.AUTOTUNE)
    rows = [(float(x), int(y)) for xs, ys in composed for x, y in zip(xs, ys)]
    assert sorted(rows) == [(float(i), 10 * i) for i in range(16)]
    cached = dataset.cache()
    first = _numbers(cached)
    assert _numbers(cached) == first and sorted(sum(first, [])) == list(range(16))
    # Everything kept, though the ring is small: batches are copied before it is full.
    kept = list(dataset.repeat(10))
    assert all((x[:, 5, 5].numpy() == y.numpy() / 10).all() for x, y in kept)


def test_tensors_share_memory_with_the_engine(small):
    config, _ = small
    seen = []
    for x, _ in dldt.create_dataset(config):
        address = np.asarray(memoryview(x)).__array_interface__["data"][0]
        seen.append(any(_holds(line, address) for line in open("/proc/self/maps") if "memfd:dl-driver" in line))
    assert all(seen)


def _holds(line, address):
    begin, end = (int(part, 16) for part in line.split()[0].split("-"))
    return begin <= address < end


def test_it_feeds_a_distribution_strategy_and_keras(tmp_path):
    config, _ = make_set(tmp_path, files=16)
    dataset = dldt.create_dataset(config)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    total = sum(int(tf.reduce_sum(y)) for _, y in strategy.experimental_distribute_dataset(dataset.with_options(options)))
    assert total == sum(10 * i for i in range(16))
    model = tf.keras.Sequential([tf.keras.Input((64, 48)), tf.keras.layers.Flatten(), tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(dataset.map(lambda x, y: (x / 100, y / 100)), epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2


def test_the_engine_ends_with_the_last_data_set_that_is_made_from_it(small):
    config, _ = small
    gc.collect()
    before = set(engine_processes(os.getpid()))
    mapped = dldt.create_dataset(config).map(lambda x, y: y).prefetch(1)
    assert len(list(mapped)) == len(list(mapped)) == 4
    (own,) = set(engine_processes(os.getpid())) - before
    iterator = iter(mapped)
    del mapped
    assert len(list(iterator)) == 4
    del iterator
    gc.collect()
    assert own not in set(engine_processes(os.getpid()))


def test_errors_of_the_engine_reach_the_loop(small):
    config, folder = small
    dataset = dldt.create_dataset(config)
    victim = sorted((folder / "data" / "train").iterdir())[5]
    victim.write_bytes(victim.read_bytes()[:5000])
    with pytest.raises(tf.errors.OpError, match="is truncated"):
        list(dataset)

