// The installed libmpi, called through koffi. Two ABIs: Open MPI's handles are addresses of objects in the library, MPICH's (and those of
// Intel MPI and MVAPICH, which share its ABI) are int constants. To both, all memory is passed by address. Sources: Open MPI 4.1 mpi.h,
// MPICH 4.0 mpi.h (`MPICH ABI Compatibility Initiative`).
import { RunError } from '../errors.js'
import { dependency } from '../package.js'
import type { Launch, MpiFlavour } from './launcher.js'

type Koffi = typeof import('koffi')
type Call = (...args: unknown[]) => number
/** A handle as koffi passes it. */
export type Handle = bigint | number
/** Memory outside of V8's heap, which MPI may keep the address of. */
export type Memory = ArrayBuffer

/** Environment variable with the path of the library to use. */
const libraryVariable = 'DL_DRIVER_MPI_LIB'

const libraryNames: Readonly<Record<MpiFlavour, readonly string[]>> = {
  openmpi: ['libmpi.so.40', 'libmpi.so.80', 'libmpi.40.dylib'],
  mpich: ['libmpich.so.12', 'libmpi.so.12', 'libmpi.12.dylib'],
}

const remedies: Readonly<Record<MpiFlavour, string>> = {
  openmpi: 'Debian and Ubuntu: apt-get install openmpi-bin',
  mpich: 'Debian and Ubuntu: apt-get install mpich',
}

const mpichHandles = {
  world: 0x44000000,
  byte: 0x4c00010d,
  returnErrors: 0x54000001,
  anySource: -2,
} as const

/** MPI_THREAD_FUNNELED: the one thread that initialises is the only one that calls. */
const funneled = 1
/** Larger than MPI_Status of either. */
const statusBytes = 64

/** Loads the library that belongs to the launcher. Throws RunError where it is missing or another's. */
export function openMpi(launch: Launch, env: NodeJS.ProcessEnv): MpiLibrary {
  const koffi = dependency<Koffi>('koffi')
  const given = env[libraryVariable] ?? ''
  const names = given === '' ? libraryNames[launch.flavour] : [given]
  const reasons: string[] = []
  for (const name of names)
    try {
      return new MpiLibrary(koffi, koffi.load(name, { global: true }), name)
    } catch (error) {
      reasons.push(`${name}: ${(error as Error).message}`)
    }
  throw new RunError(
    `${launch.launcher} started this process, but the MPI library that belongs to it cannot be loaded (${reasons.join('; ')}). ` +
      `Install it (${remedies[launch.flavour]}) or name it with ${libraryVariable}=PATH`,
  )
}

export class MpiLibrary {
  readonly world: Handle
  readonly anySource: number
  private readonly byte: Handle
  private readonly returnErrors: Handle
  private readonly isOpenMpi: boolean
  private readonly status: Memory = new ArrayBuffer(statusBytes)
  private readonly flag = new Int32Array(new ArrayBuffer(4))
  private readonly call: (name: string, arguments_: string) => Call
  private readonly calls: ReturnType<MpiLibrary['declare']>

  constructor(
    koffi: Koffi,
    library: ReturnType<Koffi['load']>,
    readonly path: string,
  ) {
    const openMpiWorld = symbolOf(koffi, library, 'ompi_mpi_comm_world')
    this.isOpenMpi = openMpiWorld !== undefined
    const handle = this.isOpenMpi ? 'intptr_t' : 'int'
    const symbol = (name: string): Handle => {
      const address = symbolOf(koffi, library, name)
      if (address === undefined) throw new RunError(`${path} has no ${name}: it is no MPI library that this program knows`)
      return address
    }
    this.world = openMpiWorld ?? mpichHandles.world
    this.byte = this.isOpenMpi ? symbol('ompi_mpi_byte') : mpichHandles.byte
    this.returnErrors = this.isOpenMpi ? symbol('ompi_mpi_errors_return') : mpichHandles.returnErrors
    this.anySource = this.isOpenMpi ? -1 : mpichHandles.anySource
    this.call = (name, arguments_) => library.func(`int ${name}(${arguments_.replaceAll('handle', handle)})`) as Call
    this.calls = this.declare()
  }

  private declare() {
    const { call } = this
    return {
      init: call('MPI_Init_thread', 'void *argc, void *argv, int required, void *provided'),
      rank: call('MPI_Comm_rank', 'handle comm, void *rank'),
      size: call('MPI_Comm_size', 'handle comm, void *size'),
      duplicate: call('MPI_Comm_idup', 'handle comm, void *newcomm, void *request'),
      setErrors: call('MPI_Comm_set_errhandler', 'handle comm, handle errors'),
      barrier: call('MPI_Ibarrier', 'handle comm, void *request'),
      allGather: call(
        'MPI_Iallgather',
        'void *send, int count, handle type, void *receive, int each, handle type2, handle comm, void *request',
      ),
      allGatherV: call(
        'MPI_Iallgatherv',
        'void *send, int count, handle type, void *receive, void *counts, void *places, handle type2, handle comm, void *request',
      ),
      gatherV: call(
        'MPI_Igatherv',
        'void *send, int count, handle type, void *receive, void *counts, void *places, handle type2, int root, handle comm, void *request',
      ),
      broadcast: call('MPI_Ibcast', 'void *data, int count, handle type, int root, handle comm, void *request'),
      send: call('MPI_Isend', 'void *data, int count, handle type, int to, int tag, handle comm, void *request'),
      receive: call('MPI_Irecv', 'void *data, int count, handle type, int from, int tag, handle comm, void *request'),
      cancel: call('MPI_Cancel', 'void *request'),
      test: call('MPI_Test', 'void *request, void *flag, void *status'),
      abort: call('MPI_Abort', 'handle comm, int code'),
      finalize: call('MPI_Finalize', ''),
      errorText: call('MPI_Error_string', 'int code, void *text, void *length'),
    }
  }

  /** Joins the job. Blocks until all its processes do. */
  init(): { rank: number; size: number } {
    const number = new Int32Array(new ArrayBuffer(4))
    this.check('MPI_Init_thread', this.calls.init(null, null, funneled, number))
    this.check('MPI_Comm_set_errhandler', this.calls.setErrors(this.world, this.returnErrors))
    this.check('MPI_Comm_rank', this.calls.rank(this.world, number))
    const rank = number[0]!
    this.check('MPI_Comm_size', this.calls.size(this.world, number))
    return { rank, size: number[0]! }
  }

  /** A communicator's handle out of the memory that MPI wrote it to. */
  handleIn(memory: Memory): Handle {
    return this.isOpenMpi ? new BigInt64Array(memory, 0, 1)[0]! : new Int32Array(memory, 0, 1)[0]!
  }

  duplicate(comm: Handle, newComm: Memory): Memory {
    return this.start('MPI_Comm_idup', (request) => this.calls.duplicate(comm, newComm, request))
  }

  barrier(comm: Handle): Memory {
    return this.start('MPI_Ibarrier', (request) => this.calls.barrier(comm, request))
  }

  /** `each` bytes of every process. */
  allGather(comm: Handle, send: Memory, receive: Memory, each: number): Memory {
    return this.start('MPI_Iallgather', (request) => this.calls.allGather(send, each, this.byte, receive, each, this.byte, comm, request))
  }

  /** Counts and places are bytes. */
  allGatherV(comm: Handle, send: Uint8Array, receive: Memory, counts: Int32Array, places: Int32Array): Memory {
    return this.start('MPI_Iallgatherv', (request) =>
      this.calls.allGatherV(send, send.length, this.byte, receive, counts, places, this.byte, comm, request),
    )
  }

  /** To process 0. Counts and places are bytes, and matter there only. */
  gatherV(comm: Handle, send: Uint8Array, receive: Memory | null, counts: Int32Array, places: Int32Array): Memory {
    return this.start('MPI_Igatherv', (request) =>
      this.calls.gatherV(send, send.length, this.byte, receive, counts, places, this.byte, 0, comm, request),
    )
  }

  /** From process 0. */
  broadcast(comm: Handle, data: Uint8Array): Memory {
    return this.start('MPI_Ibcast', (request) => this.calls.broadcast(data, data.length, this.byte, 0, comm, request))
  }

  send(comm: Handle, data: Uint8Array, to: number, tag: number): Memory {
    return this.start('MPI_Isend', (request) => this.calls.send(data, data.length, this.byte, to, tag, comm, request))
  }

  receive(comm: Handle, data: Uint8Array, tag: number): Memory {
    return this.start('MPI_Irecv', (request) => this.calls.receive(data, data.length, this.byte, this.anySource, tag, comm, request))
  }

  /** Whether a request has ended; it must not be asked for again then. Lets MPI make progress. */
  hasEnded(request: Memory): boolean {
    this.check('MPI_Test', this.calls.test(request, this.flag, this.status))
    return this.flag[0] !== 0
  }

  cancel(request: Memory): void {
    this.check('MPI_Cancel', this.calls.cancel(request))
  }

  /** Ends all processes of the job; does not return where MPI can do it. */
  abort(exitCode: number): void {
    this.calls.abort(this.world, exitCode)
  }

  finalize(): void {
    this.check('MPI_Finalize', this.calls.finalize())
  }

  private start(name: string, call: (request: Memory) => number): Memory {
    const request: Memory = new ArrayBuffer(8)
    this.check(name, call(request))
    return request
  }

  private check(name: string, code: number): void {
    if (code === 0) return
    const text = new Uint8Array(new ArrayBuffer(1024))
    const length = new Int32Array(new ArrayBuffer(4))
    const known = this.calls.errorText(code, text, length) === 0
    throw new RunError(`${name} failed: ${known ? Buffer.from(text.buffer, 0, length[0]!).toString() : `code ${code}`}`)
  }
}

function symbolOf(koffi: Koffi, library: ReturnType<Koffi['load']>, name: string): bigint | undefined {
  try {
    return koffi.address(library.symbol(name, 'void'))
  } catch {
    // koffi's only way to say that a library has no such symbol.
    return undefined
  }
}
