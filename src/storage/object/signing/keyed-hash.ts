// HMAC-SHA256 of short texts under one key, as two one-shot hashes: an Hmac object of Node costs twice as much for each text, and the collector
// has to take it away again. Source: RFC 2104.
import { hash } from 'node:crypto'

/** Of SHA-256, in bytes. */
const blockBytes = 64
const hashBytes = 32
/** UTF-8 has at most so many bytes for each of a string's units. */
const bytesOfUnit = 3

export class KeyedHash {
  private readonly key: Uint8Array
  /** The inner block, behind it room for texts. */
  private inner: Buffer
  /** The outer block, behind it the inner hash. */
  private readonly outer: Buffer

  constructor(key: Uint8Array) {
    this.key = key.length > blockBytes ? hash('sha256', key, 'buffer') : key
    this.inner = this.padded(0x36, 1024)
    this.outer = this.padded(0x5c, hashBytes)
  }

  /** The HMAC of a text's UTF-8 form. */
  digest(text: string, encoding: 'hex' | 'base64'): string {
    if (bytesOfUnit * text.length > this.inner.length - blockBytes) this.inner = this.padded(0x36, 2 * bytesOfUnit * text.length)
    const byteLength = this.inner.write(text, blockBytes)
    this.outer.write(hash('sha256', this.inner.subarray(0, blockBytes + byteLength), 'binary'), blockBytes, 'latin1')
    return hash('sha256', this.outer, encoding)
  }

  /** The key's block exclusive-or `pad`, with room for `more` bytes behind it. */
  private padded(pad: number, more: number): Buffer {
    const bytes = Buffer.alloc(blockBytes + more)
    for (let i = 0; i < blockBytes; i++) bytes[i] = (this.key[i] ?? 0) ^ pad
    return bytes
  }
}
