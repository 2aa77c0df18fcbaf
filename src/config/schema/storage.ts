import { key, section } from './key.js'
import { choice, nullable, number, openMap, text } from './kinds.js'

export const storage = section({
  name: 'storage',
  keys: {
    storage_type: key(
      choice(['local_fs', 'direct_fs', 'parallel_fs', 's3', 'aistore']),
      'local_fs',
      'Where the data lies: files, files read with O_DIRECT (`direct_fs`), or an object store.',
    ),
    storage_root: key(text(), './', 'Files: the folder in front of relative paths. Object stores: the bucket.'),
    storage_options: key(nullable(openMap()), null, 'Endpoint, credentials and the like, for object stores.'),
    storage_library: key(
      nullable(text()),
      null,
      "Client library of MLCommons' DLIO for object stores: s3dlio, minio or s3torchconnector.",
      { mlcommonsOnly: true },
    ),
    post_generation_settle_seconds: key(number({ min: 0 }), 0, 'Rank 0 waits this long after generating into an object store.', {
      unit: 's',
      mlcommonsOnly: true,
    }),
  },
})
