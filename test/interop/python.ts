// A Python with the reference libraries, made once for a checkout and kept under .cache.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { lacking } from '../requirements.js'

const execute = promisify(execFile)
const references = join('test', 'interop', 'requirements.txt')

/**
 * Path of a Python that has what `requirements` lists: NumPy, h5py and TensorFlow unless given. Where none can be made (no Python, no
 * package index) the test is skipped, or fails under CI; then undefined.
 */
export async function referencePython(t: TestContext, requirements: string = references): Promise<string | undefined> {
  try {
    return await pythonWith(requirements)
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string }
    const words = (stderr?.trim() || message).split('\n').slice(-3).join(' ')
    lacking(t, `no Python with ${requirements} can be made: ${words}`)
    return undefined
  }
}

/**
 * Path of a Python with what a file of requirements lists, at the versions that the `constraints.txt` beside it gives to all the rest; made
 * once for a checkout. Throws where none can be made.
 */
export async function pythonWith(requirementsFile: string): Promise<string> {
  const constraintsFile = join(dirname(requirementsFile), 'constraints.txt')
  const hash = createHash('sha256').update(readFileSync(requirementsFile)).update(readFileSync(constraintsFile))
  const digest = hash.digest('hex').slice(0, 12)
  const folder = await madeOnce(`python-${digest}`, async (path) => {
    await execute('python3', ['-m', 'venv', path])
    // An index that is busy for a moment is asked again.
    const patient = ['--retries', '10', '--timeout', '60', '--quiet', '--disable-pip-version-check']
    const pip = ['-m', 'pip', 'install', ...patient, '-r', requirementsFile, '-c', constraintsFile]
    await execute(join(path, 'bin', 'python'), pip, { maxBuffer: 1 << 26 })
  })
  return join(folder, 'bin', 'python')
}

/** The folder `name` under .cache, made by `make` where it is not there in full. */
export async function madeOnce(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const folder = resolve('.cache', name)
  const complete = join(folder, '.complete')
  const lock = `${folder}.lock`
  mkdirSync('.cache', { recursive: true })
  // Test files run in processes of their own; one of them makes the folder, the others wait for it.
  for (let waits = 0; !existsSync(complete); waits++) {
    if (!take(lock)) {
      if (waits > 3000) throw new Error(`${lock} is held for more than 15 minutes; remove it if no test runs`)
      await sleep(300)
      continue
    }
    try {
      if (existsSync(complete)) break
      rmSync(folder, { recursive: true, force: true })
      await make(folder)
      writeFileSync(complete, '')
    } finally {
      rmSync(lock, { force: true })
    }
  }
  return folder
}

/** Takes the lock file, unless a living process has it. */
function take(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  if (!holderLives(lock)) rmSync(lock, { force: true })
  return false
}

function holderLives(lock: string): boolean {
  let holder: number
  try {
    holder = Number(readFileSync(lock, 'utf8'))
  } catch {
    return true // It was given back just now: there is nothing to remove, and somebody else may take it.
  }
  // Empty: its taker has not written yet. A number: signal 0 asks whether that process lives.
  if (!Number.isInteger(holder) || holder <= 0) return true
  try {
    process.kill(holder, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
