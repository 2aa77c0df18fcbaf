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


def plain(arrays):
    return dict(samples=[describe(array) for array in arrays], labels=None, content=[statistics(array) for array in arrays], layout={})


def read_npy(path):
    array = np.load(path, allow_pickle=False)
    return plain([array[..., i] for i in range(array.shape[-1])])


def read_csv(path):
    import pandas as pd

    # The default parser of pandas errs in the last bit of some doubles.
    return plain(list(pd.read_csv(path, header=None, float_precision='round_trip').to_numpy()))


def read_image(path):
    from PIL import Image

    with open(path, 'rb') as file:
        is_image = file.read(2) in (b'\xff\xd8', b'\x89P')
    return plain([np.asarray(Image.open(path)) if is_image else np.fromfile(path, np.uint8)])


def read_indexed_binary(path):
    data = np.fromfile(path, np.uint8)
    offsets, sizes = (np.fromfile(path + ending, '<u8') for ending in ('.off.idx', '.sz.idx'))
    return plain([data[int(offset):int(offset + size)] for offset, size in zip(offsets, sizes, strict=True)])


def read_parquet(path):
    import pyarrow.parquet as pq

    rows = [np.array(row, np.uint8) for row in pq.read_table(path)['data'].to_pylist()]
    return dict(plain(rows), samples=[dict(data=describe(row)) for row in rows])


readers = dict(
    npz=read_npz,
    hdf5=read_hdf5,
    tfrecord=read_tfrecord,
    npy=read_npy,
    csv=read_csv,
    jpeg=read_image,
    png=read_image,
    indexed_binary=read_indexed_binary,
    mmap_indexed_binary=read_indexed_binary,
    parquet=read_parquet,
)
for path in sys.argv[1:]:
    kind = path.rsplit('.', 1)[1]
    print(json.dumps(dict(file=path, format=kind, **readers[kind](path))))
