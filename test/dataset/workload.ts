// Workloads for the tests of this room: what generating needs, the rest as a configuration without it would have it.
import type { Workload } from '#src/config/workload.js'

export function testWorkload(dataset: Partial<Workload['dataset']>, more: Partial<Workload> = {}): Workload {
  return {
    semantics: 'mlcommons',
    storage: { type: 'local_fs', root: './', options: {} },
    reader: { dataLoader: 'pytorch' },
    dataset: {
      folder: 'data',
      format: 'npz',
      numFilesTrain: 1,
      numFilesEval: 0,
      numSamplesPerFile: 1,
      numSubfoldersTrain: 0,
      numSubfoldersEval: 0,
      recordLengthBytes: 65536,
      recordLengthBytesStdev: 0,
      recordLengthBytesResize: 0,
      recordDims: [],
      recordElementType: 'uint8',
      filePrefix: 'img',
      compression: 'none',
      compressionLevel: 4,
      keepFiles: true,
      hdf5: { chunkDims: [], maxShape: [], numDsetPerRecord: 1 },
      parquet: { columns: [], rowGroupSize: 1024, generationBatchSize: 0, partitionBy: null },
      generationBufferBytes: 2 ** 31,
      skipListing: false,
      listingValidationInterval: 1000,
      ...dataset,
    },
    ...more,
  } as Workload
}
