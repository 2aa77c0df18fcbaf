"""Reads data files with the libraries that training programs use, and prints one JSON line a file: the shape of `dl-driver inspect --json`
(file, format, samples, labels), and `content`, statistics of each sample, and `layout`, what is particular to the format.

usage: python read_back.py FILE...
"""
import hashlib
import json
import os
import sys
import zlib

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
os.environ['CUDA_VISIBLE_DEVICES'] = ''

import h5py
import numpy as np


def describe(array):
    raw = np.ascontiguousarray(array).tobytes()
    return dict(shape=list(array.shape), dtype=array.dtype.str, nbytes=len(raw), sha256=hashlib.sha256(raw).hexdigest())


def statistics(array):
    """How random the content is. `deflated`: size after zlib over size before."""
    raw = np.ascontiguousarray(array).tobytes()
    values = array.astype(np.float64)
    return dict(
        min=float(values.min()),
        max=float(values.max()),
        mean=float(values.mean()),
        std=float(values.std()),
        deflated=len(zlib.compress(raw, 9)) / len(raw),
        distinctBytes=len(set(raw)),
    )


def read_npz(path):
    with np.load(path, allow_pickle=False) as archive:
        members = archive.files
        x, y = archive['x'], archive['y']
    arrays = [x[..., i] for i in range(x.shape[-1])]
    return dict(
        samples=[describe(array) for array in arrays],
        labels=y.tolist(),
        content=[statistics(array) for array in arrays],
        layout=dict(members=members, labelType=y.dtype.str, fortranOrder=bool(x.flags.f_contiguous and not x.flags.c_contiguous)),
    )


def read_hdf5(path):
    with h5py.File(path, 'r') as file:
        names = [f'records_{i}' for i in range(len(file) - 1)]
        samples, content = [], []
        for i in range(file['records_0'].shape[0]):
            arrays = {name: np.asarray(file[name][i]) for name in names}
            described = {name: describe(array) for name, array in arrays.items()}
            samples.append(described)
            content.append(statistics(arrays['records_0']))
        labels = file['labels'][...]
        layout = {
            name: dict(
                shape=list(file[name].shape),
                chunks=file[name].chunks and list(file[name].chunks),
                maxshape=list(file[name].maxshape),
                compression=file[name].compression,
                compressionLevel=file[name].compression_opts,
            )
            for name in names
        }
        return dict(samples=samples, labels=labels.tolist(), content=content, layout=dict(datasets=layout, labelType=labels.dtype.str))


def read_tfrecord(path):
    import tensorflow as tf

    samples, content = [], []
    offset = 0
    # TFRecordDataset checks both checksums of every record.
    for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
        parsed = tf.io.parse_single_example(
            record, {'image': tf.io.FixedLenFeature([], tf.string), 'size': tf.io.FixedLenFeature([], tf.int64)})
        image = parsed['image'].numpy()
        features = tf.train.Example.FromString(record).features.feature
        framed = 16 + len(record)
        samples.append(dict(
            offset=offset,
            framed_length=framed,
            record_length=len(record),
            record_sha256=hashlib.sha256(record).hexdigest(),
            features=sorted(features),
            size_feature=[int(parsed['size'])],
            nbytes=len(image),
            sha256=hashlib.sha256(image).hexdigest(),
        ))
        content.append(statistics(np.frombuffer(image, np.uint8)))
        offset += framed
    # DLIO's index: {folder}/index/{train|valid}/{name}.idx, subfolders dropped.
    parts = path.split('/')
    split = max(i for i, part in enumerate(parts) if part in ('train', 'valid'))
    index = '/'.join([*parts[:split], 'index', parts[split], parts[-1] + '.idx'])
    with open(index) as file:
        lines = file.read()
    return dict(samples=samples, labels=None, content=content, layout=dict(index=lines, fileBytes=os.path.getsize(path)))


readers = dict(npz=read_npz, hdf5=read_hdf5, tfrecord=read_tfrecord)
for path in sys.argv[1:]:
    kind = path.rsplit('.', 1)[1]
    print(json.dumps(dict(file=path, format=kind, **readers[kind](path))))
