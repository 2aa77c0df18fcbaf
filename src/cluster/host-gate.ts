// The barrier of processes of one host: a page of memory they all see, and the kernel's futex to sleep on it. A thread that waits here is
// woken by the last one that arrives and by nobody in between, which is what a barrier between threads costs; through MPI it would be a
// thread that looks again and again, and wakes the one that waits.
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { RunError } from '../errors.js'
import { dependency } from '../package.js'
import type { ProcessBarrier } from './gate.js'
import type { World } from './world.js'

type Koffi = typeof import('koffi')

/** A mapped page, for the threads of the process that mapped it. */
export interface HostGate {
  readonly address: number
  /** Of this host's. */
  readonly process: number
  readonly processes: number
}

/** Number of futex(2) by architecture (linux/arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h). */
const futexNumbers: Partial<Record<NodeJS.Architecture, number>> = { x64: 202, arm64: 98 }
const futexWait = 0
const futexWake = 1
const sharedMemory = '/dev/shm'
const nonceBytes = 16
const readAndWrite = 3
const mapShared = 1
const mapFailed = -1
/** Words (int32): how many barriers have opened, then, each in a cache line of its own, how many each process has arrived at. */
const lineWords = 16
const openedWord = 0

function sizeBytesFor(processes: number): number {
  return 4096 * Math.ceil((4 * lineWords * (1 + processes)) / 4096)
}

/** `DL_DRIVER_BARRIER`: `mpi` for MPI's also within a host. */
function barrierFrom(env: NodeJS.ProcessEnv): 'mpi' | undefined {
  const value = env.DL_DRIVER_BARRIER ?? ''
  if (value === '' || value === 'mpi') return value === '' ? undefined : 'mpi'
  throw new RunError(`DL_DRIVER_BARRIER=${value}: mpi, or nothing for shared memory within a host`)
}

type Meeting = Pick<World, 'process' | 'processes' | 'hosts' | 'broadcast' | 'allGather'>

/**
 * Collective. Memory that all processes share; undefined where there is none, as on several hosts, on other systems than Linux, and in
 * containers that only look like one host: MPI's barrier does there.
 */
export async function shareHostGate(world: Meeting): Promise<HostGate | undefined> {
  const wanted = barrierFrom(process.env)
  if (world.hosts > 1 || process.platform !== 'linux' || futexNumbers[process.arch] === undefined) return undefined
  const sizeBytes = sizeBytesFor(world.processes)
  const own = world.process === 0 ? createPage(sizeBytes) : undefined
  try {
    const page = await world.broadcast(own)
    const address = page && wanted !== 'mpi' ? mapPage(page, sizeBytes) : undefined
    const all = await world.allGather(address !== undefined)
    if (address === undefined || all.includes(false)) return undefined
    return { address, process: world.process, processes: world.processes }
  } finally {
    // Mapped by all, it needs no name any more, and goes with the last process.
    if (own) unlinkSync(own.path)
  }
}

interface Page {
  readonly path: string
  /** What stands in it, so that nobody takes another file for it. */
  readonly nonce: Uint8Array
}

function createPage(sizeBytes: number): Page | undefined {
  const nonce = randomBytes(nonceBytes)
  const path = join(sharedMemory, `dl-driver-${nonce.toString('hex')}`)
  try {
    const file = openSync(path, 'wx', 0o600)
    const content = Buffer.alloc(sizeBytes)
    nonce.copy(content, sizeBytes - nonceBytes)
    try {
      writeSync(file, content)
    } finally {
      closeSync(file)
    }
    return { path, nonce }
  } catch {
    // A full or absent /dev/shm is no reason not to run.
    return undefined
  }
}

function mapPage({ path, nonce }: Page, sizeBytes: number): number | undefined {
  let file: number
  try {
    file = openSync(path, 'r+')
  } catch {
    // Another container's /dev/shm.
    return undefined
  }
  try {
    const found = Buffer.alloc(nonceBytes)
    if (readSync(file, found, 0, nonceBytes, sizeBytes - nonceBytes) < nonceBytes || !found.equals(nonce)) return undefined
    const library = dependency<Koffi>('koffi').load(null)
    const mmap = library.func('intptr_t mmap(intptr_t address, size_t size, int access, int flags, int file, int64_t offset)')
    const address = Number(mmap(0, sizeBytes, readAndWrite, mapShared, file, 0))
    return address === mapFailed ? undefined : address
  } finally {
    closeSync(file)
  }
}

/** One barrier after another over the processes of a host. One thread of a process uses it at a time. */
export class HostBarrier implements ProcessBarrier {
  private readonly words: Int32Array
  private readonly futex: (number: number, address: number, operation: number, value: number, timeout: BigInt64Array | null) => number
  private readonly timeout = new BigInt64Array(2)
  private ticket: number

  constructor(private readonly gate: HostGate) {
    const koffi = dependency<Koffi>('koffi')
    this.words = new Int32Array(koffi.view(gate.address, sizeBytesFor(gate.processes)))
    this.futex = koffi.load(null).func('long syscall(long number, intptr_t address, int operation, int value, void *timeout)')
    this.ticket = Atomics.load(this.words, this.arrivedWord(gate.process))
  }

  private arrivedWord(process: number): number {
    return lineWords * (1 + process)
  }

  arrive(): void {
    this.ticket = (this.ticket + 1) | 0
    Atomics.store(this.words, this.arrivedWord(this.gate.process), this.ticket)
    for (let process = 0; process < this.gate.processes; process++)
      if (((Atomics.load(this.words, this.arrivedWord(process)) - this.ticket) | 0) < 0) return
    // Two that arrive at once may both get here, and store the same.
    Atomics.store(this.words, openedWord, this.ticket)
    this.call(futexWake, 0x7fffffff, null)
  }

  get isOpen(): boolean {
    return ((Atomics.load(this.words, openedWord) - this.ticket) | 0) >= 0
  }

  wait(mostMs: number): void {
    const opened = Atomics.load(this.words, openedWord)
    if (this.isOpen) return
    this.timeout[0] = BigInt(Math.floor(mostMs / 1000))
    this.timeout[1] = BigInt(Math.floor((mostMs % 1000) * 1e6))
    this.call(futexWait, opened, this.timeout)
  }

  pass(stopped: () => boolean): boolean {
    this.arrive()
    while (!this.isOpen) {
      if (stopped()) return false
      this.wait(100)
    }
    return true
  }

  private call(operation: number, value: number, timeout: BigInt64Array | null): void {
    this.futex(futexNumbers[process.arch]!, this.gate.address + 4 * openedWord, operation, value, timeout)
  }
}
