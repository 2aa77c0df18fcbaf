"""Compares files of the writer with what h5py makes of the same settings, as DLIO calls it. usage: hdf5-check.py FOLDER"""
import hashlib
import json
import os
import sys

import h5py
import numpy as np

folder = sys.argv[1]
with open(os.path.join(folder, 'specs.json')) as file:
    specs = json.load(file)


def shape_of(spec):
    dims = list(spec['dims'])
    if not spec.get('dimsDrawn'):
        dims[0] //= spec['hdf5']['numDsetPerRecord']
        if dims[0] == 1:
            dims = dims[1:]
    return (spec['samples'], *dims)


def structure(dataset):
    return (dataset.shape, dataset.dtype.str, dataset.maxshape, dataset.chunks, dataset.compression, dataset.compression_opts,
            dataset.shuffle, dataset.fletcher32, dataset.fillvalue, dataset.id.get_create_plist().get_layout())


for i, spec in enumerate(specs):
    settings = spec['hdf5']
    shape = shape_of(spec)
    kwargs = {}
    if settings['chunkDims']:
        kwargs['chunks'] = tuple(settings['chunkDims'])
    if settings['maxShape']:
        kwargs['maxshape'] = (shape[0], *settings['maxShape'])
    if spec['compression']:
        kwargs['compression'] = spec['compression']
    if spec['compression'] == 'gzip':
        kwargs['compression_opts'] = spec['compressionLevel']
    with h5py.File(os.path.join(folder, f'{i}.hdf5'), 'r') as ours, h5py.File('memory', 'w', libver='latest', driver='core', backing_store=False) as theirs:
        datasets = settings['numDsetPerRecord']
        assert sorted(ours) == sorted([*(f'records_{k}' for k in range(datasets)), 'labels']), spec
        for k in range(datasets):
            mine = ours[f'records_{k}']
            made = theirs.create_dataset(f'records_{k}', shape, dtype=spec['elementType'], data=mine[...], **kwargs)
            assert structure(mine) == structure(made), (spec, structure(mine), structure(made))
            for s in range(spec['samples']):
                raw = np.asarray(mine[s], dtype=mine.dtype).tobytes()
                assert hashlib.sha256(raw).hexdigest() == spec['samplesInfo'][s][f'records_{k}']['sha256'], spec
        made = theirs.create_dataset('labels', data=[0] * spec['samples'])
        assert structure(ours['labels']) == structure(made), spec
        assert not ours['labels'][...].any()
print(f'{len(specs)} files equal')
