// What the tensors of checkpoints are filled with: fresh random numbers made right where they are written from, or ones.
import { randomFillSync } from 'node:crypto'
import type { StateType } from '../config/workload.js'
import { createKernel, type Fill, type KernelMemory, stateBytes, strideBytes, type Transform } from '../dataset/content/kernel.js'

/** Floats must be finite. Clearing the highest exponent bit does that for both of the two-byte types. */
const transformOf: Readonly<Record<StateType, Transform>> = {
  int8: 'raw',
  uint8: 'raw',
  fp16: 'float16',
  bf16: 'float16',
  fp32: 'float32',
  fp64: 'float64',
}

const transforms: readonly Transform[] = ['raw', 'float16', 'float32', 'float64']

/** The number 1 of each type, little-endian. */
const oneOf: Readonly<Record<StateType, readonly number[]>> = {
  int8: [1],
  uint8: [1],
  fp16: [0x00, 0x3c],
  bf16: [0x80, 0x3f],
  fp32: [0x00, 0x00, 0x80, 0x3f],
  fp64: [0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
}

/** Bytes that a content needs at the beginning of its memory. */
export const contentStateBytes = transforms.length * stateBytes

/** Bytes behind the place that is filled that may be overwritten. */
export const contentOverrun = strideBytes

/** Fills pieces of one memory. Made once for each rank, seeded by the operating system's entropy, and never repeated. */
export class StateContent {
  private readonly fills = new Map<Transform, Fill>()
  private readonly bytes: Uint8Array

  /** The first {@link contentStateBytes} of `memory` are the content's own. */
  constructor(
    private readonly memory: KernelMemory,
    private readonly random: boolean,
  ) {
    this.bytes = new Uint8Array(memory.buffer)
    if (random) randomFillSync(this.bytes, 0, contentStateBytes)
  }

  /** Fills bytes [begin, end) of the memory with elements of a type; up to {@link contentOverrun} bytes behind `end` are lost. */
  fill(type: StateType, begin: number, end: number): void {
    if (end <= begin) return
    if (this.random) this.fillRandom(transformOf[type], begin, end)
    else this.fillOnes(type, begin, end)
  }

  private fillRandom(transform: Transform, begin: number, end: number): void {
    let fill = this.fills.get(transform)
    if (fill === undefined) {
      fill = createKernel(transform, this.memory).fill
      this.fills.set(transform, fill)
    }
    const strides = Math.ceil((end - begin) / strideBytes)
    fill(begin, begin + strides * strideBytes, transforms.indexOf(transform) * stateBytes)
  }

  private fillOnes(type: StateType, begin: number, end: number): void {
    const one = oneOf[type]
    this.bytes.set(one.slice(0, end - begin), begin)
    // What is filled is copied behind itself until all is.
    for (let done = one.length; done < end - begin; done *= 2)
      this.bytes.copyWithin(begin + done, begin, Math.min(begin + done, end - done))
  }
}
