// `data.pkl` of a file that torch.save writes: pickle protocol 2 of a dict of tensors, byte for byte as CPython's C pickler makes it
// (Modules/_pickle.c; torch/serialization.py `persistent_id`; torch/_tensor.py `_reduce_ex_internal`).
import type { StateType } from '../config/workload.js'
import { isTensor, type State, type Tensor } from './types.js'

/** Name of the storage class in `torch`. */
const storageClass: Readonly<Record<StateType, string>> = {
  int8: 'CharStorage',
  uint8: 'ByteStorage',
  fp16: 'HalfStorage',
  bf16: 'BFloat16Storage',
  fp32: 'FloatStorage',
  fp64: 'DoubleStorage',
}

/** Items of a dict that one SETITEMS takes. */
const batchItems = 1000

const op = {
  proto: 0x80,
  emptyDict: 0x7d,
  mark: 0x28,
  setItem: 0x73,
  setItems: 0x75,
  text: 0x58,
  global: 0x63,
  int1: 0x4b,
  int2: 0x4d,
  int4: 0x4a,
  long1: 0x8a,
  put1: 0x71,
  put4: 0x72,
  get1: 0x68,
  get4: 0x6a,
  tuple: 0x74,
  tuple1: 0x85,
  persistentId: 0x51,
  newFalse: 0x89,
  emptyTuple: 0x29,
  reduce: 0x52,
  stop: 0x2e,
} as const

/** Keys that DLIO writes as literals: one object wherever they are, while numbers are turned into new text each time. */
const isLiteral = (key: string): boolean => !/^\d+$/.test(key)

/** The pickle of a state. Tensors' contents are in files of their own, `data/0`, `data/1`, … in the order of `tensorsOf`. */
export function pickleState(state: State): Uint8Array {
  return new Pickler().dump(state)
}

class Pickler {
  private readonly bytes: number[] = []
  /** Objects that were met before, by what they are, with their numbers in the memo. */
  private readonly memo = new Map<unknown, number>()
  private memoized = 0
  private storages = 0

  dump(state: State): Uint8Array {
    this.bytes.push(op.proto, 2)
    this.dict(state)
    this.bytes.push(op.stop)
    return Uint8Array.from(this.bytes)
  }

  private dict(state: State): void {
    if (this.recall(state)) return
    this.bytes.push(op.emptyDict)
    this.remember(state)
    const entries = [...state]
    if (entries.length === 1) {
      this.item(entries[0]!)
      this.bytes.push(op.setItem)
      return
    }
    for (let at = 0; at < entries.length; at += batchItems) {
      this.bytes.push(op.mark)
      for (const entry of entries.slice(at, at + batchItems)) this.item(entry)
      this.bytes.push(op.setItems)
    }
  }

  private item([key, value]: [string, Tensor | State]): void {
    this.text(key, isLiteral(key))
    if (isTensor(value)) this.tensor(value)
    else this.dict(value)
  }

  /** `_rebuild_tensor_v2(storage, offset 0, size (n,), stride (1,), requires_grad False, hooks OrderedDict())`. */
  private tensor(tensor: Tensor): void {
    if (this.recall(tensor)) return
    const { type, elements } = tensor
    this.global('torch._utils', '_rebuild_tensor_v2')
    this.bytes.push(op.mark)
    this.bytes.push(op.mark)
    this.text('storage', true)
    this.global('torch', storageClass[type])
    this.text(String(this.storages++), false)
    this.text('cpu', true)
    this.int(elements)
    this.bytes.push(op.tuple)
    this.remember()
    this.bytes.push(op.persistentId)
    this.int(0)
    this.int(elements)
    this.bytes.push(op.tuple1)
    this.remember()
    this.int(1)
    this.bytes.push(op.tuple1)
    this.remember()
    this.bytes.push(op.newFalse)
    this.global('collections', 'OrderedDict')
    this.bytes.push(op.emptyTuple, op.reduce)
    this.remember()
    this.bytes.push(op.tuple)
    this.remember()
    this.bytes.push(op.reduce)
    this.remember(tensor)
  }

  private text(value: string, isShared: boolean): void {
    if (isShared && this.recall(`text ${value}`)) return
    const utf8 = Buffer.from(value)
    this.bytes.push(op.text)
    this.u32(utf8.length)
    this.bytes.push(...utf8)
    this.remember(isShared ? `text ${value}` : undefined)
  }

  private global(module: string, name: string): void {
    const key = `global ${module} ${name}`
    if (this.recall(key)) return
    this.bytes.push(op.global, ...Buffer.from(`${module}\n${name}\n`))
    this.remember(key)
  }

  private int(value: number): void {
    if (value < 2 ** 8) this.bytes.push(op.int1, value)
    else if (value < 2 ** 16) this.bytes.push(op.int2, value & 255, value >>> 8)
    else if (value < 2 ** 31) {
      this.bytes.push(op.int4)
      this.u32(value)
    } else {
      // As few bytes as hold it in two's complement.
      const digits: number[] = []
      for (let left = value; left > 0; left = Math.floor(left / 256)) digits.push(left % 256)
      if (digits.at(-1)! >= 0x80) digits.push(0)
      this.bytes.push(op.long1, digits.length, ...digits)
    }
  }

  private u32(value: number): void {
    this.bytes.push(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24)
  }

  /** Numbers the object that was just written. */
  private remember(key?: unknown): void {
    const number = this.memoized++
    if (key !== undefined) this.memo.set(key, number)
    if (number < 256) this.bytes.push(op.put1, number)
    else {
      this.bytes.push(op.put4)
      this.u32(number)
    }
  }

  /** Writes a reference to an object that was written before; false where it was not. */
  private recall(key: unknown): boolean {
    const number = this.memo.get(key)
    if (number === undefined) return false
    if (number < 256) this.bytes.push(op.get1, number)
    else {
      this.bytes.push(op.get4)
      this.u32(number)
    }
    return true
  }
}
