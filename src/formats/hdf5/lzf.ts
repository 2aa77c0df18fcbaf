// LZF, Marc Lehmann's small compression format, as h5py's filter 32000 uses it: literal runs and back references, no framing.

/** Expands LZF data into exactly `byteLength` bytes; undefined where the data is damaged or does not give that many. */
export function expandLzf(input: Uint8Array, byteLength: number): Uint8Array | undefined {
  const output = new Uint8Array(byteLength)
  let from = 0
  let to = 0
  while (from < input.length) {
    const control = input[from++] as number
    if (control < 32) {
      // A run of control + 1 literal bytes.
      const count = control + 1
      if (from + count > input.length || to + count > byteLength) return undefined
      for (let i = 0; i < count; i++) output[to++] = input[from++] as number
      continue
    }
    let count = control >>> 5
    if (count === 7) {
      if (from >= input.length) return undefined
      count += input[from++] as number
    }
    if (from >= input.length) return undefined
    let back = to - (((control & 0x1f) << 8) | (input[from++] as number)) - 1
    count += 2
    if (back < 0 || to + count > byteLength) return undefined
    // Byte by byte: a reference may overlap what it produces.
    for (let i = 0; i < count; i++) output[to++] = output[back++] as number
  }
  return to === byteLength ? output : undefined
}

const hashBits = 14
const mostLiterals = 32
const longestMatch = 264
const farthestReference = 8192

/** Compresses into LZF; undefined where the result would not be smaller, in which case h5py's filter leaves the chunk as it is. */
export function compressLzf(input: Uint8Array): Uint8Array | undefined {
  const output = new Uint8Array(input.length)
  const lastSeen = new Int32Array(2 ** hashBits).fill(-1)
  let to = 0
  let literalsBegin = 0
  const flush = (end: number): boolean => {
    for (let at = literalsBegin; at < end; at += mostLiterals) {
      const count = Math.min(mostLiterals, end - at)
      if (to + 1 + count >= output.length) return false
      output[to++] = count - 1
      output.set(input.subarray(at, at + count), to)
      to += count
    }
    return true
  }
  for (let at = 0; at + 2 < input.length; ) {
    const a = input[at] as number
    const b = input[at + 1] as number
    const c = input[at + 2] as number
    const slot = Math.imul((a << 16) | (b << 8) | c, 0x9e3779b1) >>> (32 - hashBits)
    const seen = lastSeen[slot] as number
    lastSeen[slot] = at
    const distance = at - seen - 1
    if (seen < 0 || distance >= farthestReference || input[seen] !== a || input[seen + 1] !== b || input[seen + 2] !== c) {
      at++
      continue
    }
    let count = 3
    while (count < longestMatch && at + count < input.length && input[seen + count] === input[at + count]) count++
    if (!flush(at) || to + 3 >= output.length) return undefined
    const coded = count - 2
    output[to++] = (Math.min(coded, 7) << 5) | (distance >>> 8)
    if (coded >= 7) output[to++] = coded - 7
    output[to++] = distance & 0xff
    at += count
    literalsBegin = at
  }
  return flush(input.length) ? output.subarray(0, to) : undefined
}
