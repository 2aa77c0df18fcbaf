// Synthetic: a file that holds its own number as text and is never opened while training. Layout: README.md.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { runOnPlainFiles } from '../plain-files.js'
import { checkSampleIndex } from '../sample-array.js'
import type { Format, FormatWriter, Inspection, ReaderOptions, SampleReader } from '../types.js'

/** More digits than any number of files has. */
const maxTextBytes = 20

function* readText(port: IoPort, uri: string): Io<string> {
  const handle = yield port.open(uri)
  try {
    yield port.read(handle, 0, maxTextBytes + 1)
    const text = Buffer.from(port.window.bytes.slice(port.window.begin, port.window.end)).toString('latin1')
    if (!/^\d{1,20}$/.test(text))
      throw new DataError(uri, `holds no decimal number and nothing else: it begins with ${JSON.stringify(text)}`, 0)
    return text
  } finally {
    yield port.close(handle)
  }
}

class SyntheticReader implements SampleReader {
  constructor(
    private readonly port: IoPort,
    private readonly options: ReaderOptions,
  ) {}

  /** DLIO's reader never opens its files. With `verify` the text is looked at. */
  *read(uri: string, sample: number): Io<number> {
    checkSampleIndex(uri, sample, this.options.samplesPerFile)
    if (this.options.verify) yield* readText(this.port, uri)
    return 0
  }
  *release(): Io<void> {}
  *close(): Io<void> {}
}

const writer: FormatWriter = {
  sizeBytes: ({ index = 0 }) => String(index).length,
  write: ({ index = 0 }, _, out) => out.append(Buffer.from(String(index), 'latin1')),
}

export const synthetic: Format = {
  name: 'synthetic',
  kind: 'sample',
  sampleReader: (port, options) => new SyntheticReader(port, options),
  async inspect(path): Promise<Inspection> {
    const text = runOnPlainFiles((port) => readText(port, path))
    return { file: path, format: 'synthetic', samples: [], labels: null, text }
  },
  writer,
}
