"""Makes the files of test/golden/hdf5-layouts with h5py: layouts that DLIO does not write, but that HDF5 files in the wild have.

usage: python hdf5-layouts.py FOLDER   (h5py 3.14 with HDF5 1.14; later versions write newer message versions)
"""
import hashlib
import json
import os
import sys

import h5py
import numpy as np

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
rng = np.random.default_rng(7)
expected = {}


def values(shape, dtype='u1'):
    return rng.integers(0, 100, shape).astype(dtype)


def describe(path):
    with h5py.File(path, 'r') as file:
        names = [f'records_{i}' for i in range(len(file)) if f'records_{i}' in file]
        samples = []
        for i in range(file['records_0'].shape[0]):
            sample = {}
            for name in names:
                data = np.asarray(file[name][i], dtype=file[name].dtype)
                raw = data.tobytes()
                sample[name] = dict(shape=list(data.shape), dtype=file[name].dtype.str, nbytes=len(raw), sha256=hashlib.sha256(raw).hexdigest())
            samples.append(sample)
        return dict(samples=samples, labels=file['labels'][...].tolist())


def make(name, fill, libver='latest', **options):
    path = os.path.join(folder, f'{name}.hdf5')
    with h5py.File(path, 'w', libver=libver, **options) as file:
        fill(file)
        if 'labels' not in file:
            file.create_dataset('labels', data=np.arange(file['records_0'].shape[0]))
    expected[f'{name}.hdf5'] = describe(path)


def one(shape, dtype='u1', **options):
    return lambda file: file.create_dataset('records_0', data=values(shape, dtype), **options)


def low_level(shape, chunk, dtype='<i2', prepare=lambda plist: None, layout=None):
    def fill(file):
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if layout is not None:
            plist.set_layout(layout)
        if chunk is not None:
            plist.set_chunk(chunk)
        prepare(plist)
        data = values(shape, dtype)
        dataset = h5py.h5d.create(file.id, b'records_0', h5py.h5t.py_create(np.dtype(dtype)), h5py.h5s.create_simple(shape), plist)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, data)

    return fill


def sparse(file):
    dataset = file.create_dataset('records_0', (3, 400), dtype='<i4', chunks=(1, 1), fillvalue=7)
    dataset[2, 303:309] = values((6,), '<i4')


def committed(file):
    file['type'] = np.dtype('<i4')
    file.create_dataset('records_0', (3, 4), dtype=file['type'], data=values((3, 4)))


def attributes(file):
    for i in range(7):
        file.attrs[f'a{i}'] = 'x' * 60
    dataset = file.create_dataset('records_0', data=values((3, 4)))
    for i in range(7):
        dataset.attrs[f'a{i}'] = 'x' * 60


def many(datasets):
    def fill(file):
        for i in range(datasets):
            file.create_dataset(f'records_{i}', data=values((2, 3)))

    return fill


def links(file):
    file.create_dataset('real', data=values((3, 4)))
    file['records_0'] = h5py.SoftLink('/real')


make('extensible-array', one((4, 30, 11), chunks=(1, 3, 5), maxshape=(4, None, 11)))
make('extensible-array-filtered', one((8, 9, 7), chunks=(1, 3, 4), maxshape=(None, 9, 7), compression='lzf'))
make('extensible-array-super-blocks', one((3, 400), chunks=(1, 2), maxshape=(3, None)))
make('btree2', one((4, 40, 7), chunks=(1, 4, 2), maxshape=(None, None, 7)))
make('btree2-filtered', one((5, 8, 7), '<f4', chunks=(1, 4, 2), maxshape=(None, None, 7), compression='gzip', shuffle=True))
make('fixed-array-paged', one((4, 30, 20), chunks=(1, 1, 2)))
make('fixed-array-sparse', sparse)
make('single-chunk-filtered', one((4, 6, 5), '>f8', chunks=(4, 6, 5), compression='gzip', fletcher32=True))
make('implicit', low_level((3, 8), (1, 3), prepare=lambda p: p.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)))
make('compact', low_level((3, 4), None, layout=h5py.h5d.COMPACT))
make('chunks-across-samples', one((5, 4, 3), '>u4', chunks=(2, 3, 3), compression='gzip'), libver='earliest')
make('dense-links', many(9))
make('dense-links-earliest', many(20), libver='earliest')
make('continuation', attributes)
make('continuation-earliest', attributes, libver='earliest')
make('user-block', one((2, 3)), userblock_size=512)
make('creation-order', one((2, 3)), track_order=True)
make('committed-type', committed, libver='earliest')
make('half-precision', one((2, 3), '<f2'))
make('library-bool', one((2, 3), '?'))
make('library-scale-offset', one((2, 30), 'u1', scaleoffset=7))
make('library-soft-link', links)
with open(os.path.join(folder, 'expected.json'), 'w') as out:
    json.dump(expected, out, separators=(',', ':'))
    out.write('\n')
