// HDF5, as DLIO writes and reads it through h5py. The byte layout is in README.md.
import type { Format } from '../types.js'
import { Hdf5Decoder } from './decode.js'
import { inspectHdf5 } from './inspect.js'
import { Hdf5SampleReader } from './read.js'
import { hdf5Writer } from './write.js'

export const hdf5: Format = {
  name: 'hdf5',
  kind: 'sample',
  sampleReader: (port, options) => new Hdf5SampleReader(port, options),
  decoder: (port, options) => new Hdf5Decoder(port, options),
  inspect: inspectHdf5,
  writer: hdf5Writer,
}
