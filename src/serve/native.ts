// The few calls of libc that Node does not have: mapping memory that another process has too, and sleeping and waking across processes.
import { dependency } from '../package.js'

type Koffi = typeof import('koffi')

interface Libc {
  readonly koffi: Koffi
  readonly mmap: (address: null, byteLength: number, protection: number, flags: number, fd: number, offset: number) => unknown
  readonly syscall: (
    number: number,
    address: unknown,
    operation: number,
    value: number,
    timeout: unknown,
    address2: null,
    value3: number,
  ) => number
}

let loaded: Libc | undefined

function libc(): Libc {
  if (loaded === undefined) {
    const koffi = dependency<Koffi>('koffi')
    // The process itself: Node is linked with libc, whichever it is.
    const library = koffi.load(null)
    koffi.struct('dl_driver_timespec', { tv_sec: 'long', tv_nsec: 'long' })
    loaded = {
      koffi,
      mmap: library.func('void *mmap(void *, size_t, int, int, int, int64_t)') as Libc['mmap'],
      syscall: library.func('long syscall(long, void *, int, uint32_t, dl_driver_timespec *, void *, uint32_t)') as Libc['syscall'],
    }
  }
  return loaded
}

const protReadWrite = 3
const mapShared = 1
const mapPrivateAnonymous = 0x22

/** Maps `byteLength` bytes of an open file, shared with everybody who maps it. Stays mapped until the process ends. */
export function mapFile(fd: number, byteLength: number): ArrayBuffer {
  return map(byteLength, mapShared, fd)
}

/** Page-aligned memory of this process. Stays mapped until the process ends. */
export function mapMemory(byteLength: number): ArrayBuffer {
  return map(byteLength, mapPrivateAnonymous, -1)
}

function map(byteLength: number, flags: number, fd: number): ArrayBuffer {
  const { koffi, mmap } = libc()
  const address = mmap(null, byteLength, protReadWrite, flags, fd, 0)
  const failed = koffi.address(address) === 2n ** 64n - 1n
  if (failed) throw new Error(`mmap of ${byteLength} bytes failed: not enough memory or address space`)
  return koffi.view(address, byteLength) as ArrayBuffer
}

/** SYS_futex by processor (linux: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h). */
const futexNumbers: Readonly<Record<string, number>> = { x64: 202, arm64: 98 }
const futexWait = 0
const futexWake = 1

/** A word in shared memory on which threads of several processes sleep and are woken (futex(2)). */
export class SleepingWord {
  private readonly number: number
  private readonly address: Uint8Array

  constructor(
    private readonly words: Int32Array,
    private readonly index: number,
  ) {
    const number = futexNumbers[process.arch]
    if (process.platform !== 'linux' || number === undefined)
      throw new Error(`loading batches into another process needs Linux on x64 or arm64, this is ${process.platform} on ${process.arch}`)
    this.number = number
    this.address = new Uint8Array(words.buffer, words.byteOffset + 4 * index, 4)
  }

  get value(): number {
    return Atomics.load(this.words, this.index)
  }

  /** Sleeps while the word is `seen`, at most `timeoutMs`; may return early. */
  wait(seen: number, timeoutMs: number): void {
    const timeout = { tv_sec: Math.floor(timeoutMs / 1000), tv_nsec: Math.round((timeoutMs % 1000) * 1e6) }
    libc().syscall(this.number, this.address, futexWait, seen >>> 0, timeout, null, 0)
  }

  /** Wakes all that sleep on the word. Whoever changed it calls this. */
  wake(): void {
    libc().syscall(this.number, this.address, futexWake, 0x7fffffff, null, null, 0)
  }

  raise(): void {
    Atomics.add(this.words, this.index, 1)
    this.wake()
  }
}
