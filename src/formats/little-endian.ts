// Little-endian numbers in bytes, wherever a window happens to begin.

export function u16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8)
}

export function u32(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0
}

/** A u64 as a number; beyond 2^53 inexact, and then larger than any file. */
export function u64(bytes: Uint8Array, at: number): number {
  return u32(bytes, at) + 4_294_967_296 * u32(bytes, at + 4)
}

/** Writes a number up to 2^53 as a u64. */
export function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 4_294_967_296, true)
  view.setUint32(at + 4, Math.floor(value / 4_294_967_296), true)
}
