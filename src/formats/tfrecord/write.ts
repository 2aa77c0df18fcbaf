// Writes the TFRecord files that DLIO's generator makes, and their index files, in one pass. Layout: README.md.
import { ConfigError } from '../../errors.js'
import { contentCrc, crc32c, maskCrc } from '../checksums.js'
import { appendContent, checkedType } from '../content.js'
import type { ContentSource, FileSpec, FormatWriter, OutputFile, SideOutput } from '../types.js'
import { type ExampleWrapping, encodeFrameHeader, exampleWrapping, frameFooterBytes, frameHeaderBytes, maxExampleBytes } from './layout.js'

function recordOf(spec: FileSpec): ExampleWrapping & { readonly imageBytes: number; readonly framedBytes: number } {
  const { sampleBytes: imageBytes } = checkedType(spec, 'a TFRecord file')
  // Their wrapping is below 100 bytes; the exact rule is checked next, on numbers that are known to be exact.
  if (imageBytes > maxExampleBytes) failTooLong(imageBytes)
  const wrapping = exampleWrapping(imageBytes)
  if (wrapping.payloadBytes > maxExampleBytes) failTooLong(imageBytes)
  return { ...wrapping, imageBytes, framedBytes: frameHeaderBytes + wrapping.payloadBytes + frameFooterBytes }
}

function failTooLong(imageBytes: number): never {
  throw new ConfigError(
    `a sample of ${imageBytes} bytes does not fit a TFRecord: a protobuf message holds at most ${maxExampleBytes} bytes; make record_length_bytes or record_dims smaller`,
  )
}

export const tfrecordWriter: FormatWriter = {
  sizeBytes(spec: FileSpec): number {
    return recordOf(spec).framedBytes * spec.samples
  },

  write(spec: FileSpec, content: ContentSource, out: OutputFile, side: SideOutput): void {
    const { prefix, payloadBytes, imageBytes, framedBytes } = recordOf(spec)
    const header = encodeFrameHeader(payloadBytes)
    const prefixCrc = crc32c(prefix)
    const footer = new Uint8Array(frameFooterBytes)
    const footerView = new DataView(footer.buffer)
    const index: string[] = []
    for (let record = 0; record < spec.samples; record++) {
      index.push(`${record * framedBytes} ${framedBytes}\n`)
      out.append(header)
      out.append(prefix)
      let crc = prefixCrc
      appendContent(content, imageBytes, (piece) => {
        crc = contentCrc(content, 'crc32c', piece, crc)
        out.append(piece)
      })
      footerView.setUint32(0, maskCrc(crc), true)
      out.append(footer)
    }
    side('index', Buffer.from(index.join(''), 'latin1'))
  },
}
