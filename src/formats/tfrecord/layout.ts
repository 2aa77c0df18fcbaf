// The framing of TFRecord files and the wrapping of DLIO's records. Pure. Layout: TensorFlow `core/lib/io/record_reader.cc`, protobuf; see README.md.
import { crc32cOfU64, maskCrc } from '../checksums.js'

/** Length and its checksum. */
export const frameHeaderBytes = 12
/** Checksum behind the payload. */
export const frameFooterBytes = 4
/** Longest protobuf message: what TensorFlow can parse as an Example. */
export const maxExampleBytes = 2 ** 31 - 1

/** Whether the checksum in a frame header, at bytes[at + 8, at + 12), is that of its length. */
export function frameHeaderIsValid(low: number, high: number, crc: number): boolean {
  return maskCrc(crc32cOfU64(low, high)) === crc
}

/** The frame header of a payload of `byteLength` bytes. */
export function encodeFrameHeader(byteLength: number): Uint8Array {
  const bytes = new Uint8Array(frameHeaderBytes)
  const view = new DataView(bytes.buffer)
  const low = byteLength % 4_294_967_296
  const high = Math.floor(byteLength / 4_294_967_296)
  view.setUint32(0, low, true)
  view.setUint32(4, high, true)
  view.setUint32(8, maskCrc(crc32cOfU64(low, high)), true)
  return bytes
}

/** What surrounds the image bytes in DLIO's record: an Example with features `size` and `image`, in the order TensorFlow was seen to write them. */
export interface ExampleWrapping {
  /** Payload bytes before the image's. */
  readonly prefix: Uint8Array
  /** Length of the whole payload. */
  readonly payloadBytes: number
}

/** DLIO `TFRecordGenerator.generate`: `Example{features{feature{"size": int64_list, "image": bytes_list}}}`; the image comes last. */
export function exampleWrapping(imageBytes: number): ExampleWrapping {
  // Innermost first: every length-delimited field is tag, length, content; the image's own bytes are only counted.
  const sizeEntry = message(1, [...message(1, text('size')), ...message(2, message(3, message(1, varint(imageBytes))))])
  const imageValue = lengthPrefix(1, imageBytes)
  const imageList = lengthPrefix(1, imageValue.length + imageBytes)
  const feature = lengthPrefix(2, imageList.length + imageValue.length + imageBytes)
  const name = message(1, text('image'))
  const imageEntry = [
    ...lengthPrefix(1, name.length + feature.length + imageList.length + imageValue.length + imageBytes),
    ...name,
    ...feature,
    ...imageList,
    ...imageValue,
  ]
  const featuresBytes = sizeEntry.length + imageEntry.length + imageBytes
  const prefix = Uint8Array.from([...lengthPrefix(1, featuresBytes), ...sizeEntry, ...imageEntry])
  return { prefix, payloadBytes: prefix.length + imageBytes }
}

function message(field: number, content: readonly number[]): number[] {
  return [...lengthPrefix(field, content.length), ...content]
}

function lengthPrefix(field: number, byteLength: number): number[] {
  return [(field << 3) | 2, ...varint(byteLength)]
}

function text(value: string): number[] {
  return Array.from(value, (char) => char.charCodeAt(0))
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let left = value
  while (left > 127) {
    bytes.push((left % 128) | 128)
    left = Math.floor(left / 128)
  }
  bytes.push(left)
  return bytes
}
