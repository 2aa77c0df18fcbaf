// What the tensors of checkpoints are filled with: fresh random numbers made right where they are written from, or ones.
import { randomFillSync } from 'node:crypto'
import type { StateType } from '../config/workload.js'
import { createKernel, type Kernel, type KernelMemory, stateBytes, strideBytes, type Transform } from '../dataset/content/kernel.js'
import { mixerBytes, PageMixer } from '../dataset/content/mixer.js'
import { type CrcKind, crcOf } from '../formats/checksums.js'

/** Content is made in parts of at most this size, which stay in the processor's cache until they are written. */
export const contentPartBytes = 256 * 1024

/**
 * Floats must be finite. Clearing one bit of every 16 does that for all of them: it is the highest of the exponent in the element's upper two
 * bytes. What is made so can be mixed from pages.
 */
const transformOf: Readonly<Record<StateType, Transform>> = {
  int8: 'raw',
  uint8: 'raw',
  fp16: 'float16',
  bf16: 'float16',
  fp32: 'float16',
  fp64: 'float16',
}

const transforms: readonly Transform[] = ['raw', 'float16']

/** The number 1 of each type, little-endian. */
const oneOf: Readonly<Record<StateType, readonly number[]>> = {
  int8: [1],
  uint8: [1],
  fp16: [0x00, 0x3c],
  bf16: [0x80, 0x3f],
  fp32: [0x00, 0x00, 0x80, 0x3f],
  fp64: [0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
}

const statePageBytes = 4096
/** Bytes that a content needs at the beginning of its memory: states of generators, then the pages of mixers. */
export const contentStateBytes = statePageBytes + transforms.length * mixerBytes

/** Bytes behind the place that is filled that may be overwritten. */
export const contentOverrun = strideBytes

/** Fills pieces of one memory. Made once for each rank, seeded by the operating system's entropy, and never repeated. */
export class StateContent {
  private readonly mixers = new Map<Transform, PageMixer>()
  private readonly bytes: Uint8Array
  private last: { readonly part: Uint8Array; readonly mixer: PageMixer | undefined } | undefined

  /** The first {@link contentStateBytes} of `memory` are the content's own. */
  constructor(
    private readonly memory: KernelMemory,
    private readonly random: boolean,
  ) {
    this.bytes = new Uint8Array(memory.buffer)
    if (random) randomFillSync(this.bytes, 0, transforms.length * stateBytes)
  }

  /**
   * Fills bytes [begin, end) of the memory, at most {@link contentPartBytes}, with elements of a type; up to {@link contentOverrun} bytes behind
   * `end` are lost. Returns what was filled.
   */
  fill(type: StateType, begin: number, end: number): Uint8Array {
    const part = this.bytes.subarray(begin, end)
    const mixer = this.random ? this.mixerFor(transformOf[type]) : undefined
    if (mixer) mixer.make(begin, end - begin)
    else this.fillOnes(type, begin, end)
    this.last = { part, mixer }
    return part
  }

  /** CRC of what was filled last; `initial` is that of the bytes before. Most of the time it costs nothing. */
  checksum(kind: CrcKind, initial: number): number {
    const { part, mixer } = this.last!
    return mixer ? mixer.checksum(kind, initial, part) : crcOf(kind, part, initial)
  }

  private mixerFor(transform: Transform): PageMixer {
    const known = this.mixers.get(transform)
    if (known) return known
    const index = transforms.indexOf(transform)
    const kernel: Kernel = createKernel(transform, this.memory)
    const mixer = new PageMixer(kernel, statePageBytes + index * mixerBytes, index * stateBytes, contentPartBytes)
    this.mixers.set(transform, mixer)
    return mixer
  }

  private fillOnes(type: StateType, begin: number, end: number): void {
    const one = oneOf[type]
    this.bytes.set(one.slice(0, end - begin), begin)
    // What is filled is copied behind itself until all is.
    for (let done = one.length; done < end - begin; done *= 2)
      this.bytes.copyWithin(begin + done, begin, Math.min(begin + done, end - done))
  }
}
