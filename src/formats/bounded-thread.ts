// Running a library on a file that nobody trusts: in a thread of its own, with limits of time and memory.
import { Worker } from 'node:worker_threads'

const timeLimitMs = 60_000
const heapLimitMb = 1024

/** What came of it: the thread's answer, or why there is none. */
export type Outcome<Answer> = { readonly answer: Answer } | { readonly failure: string }

/** Starts the module `entry` in a thread with `workerData` and waits for the one message it posts. */
export async function runBounded<Answer>(entry: string, workerData: unknown): Promise<Outcome<Answer>> {
  const worker = new Worker(entry, { workerData, resourceLimits: { maxOldGenerationSizeMb: heapLimitMb } })
  const outcome = await new Promise<Outcome<Answer>>((done) => {
    const timer = setTimeout(() => done({ failure: `it took longer than ${timeLimitMs / 1000} s` }), timeLimitMs)
    const finish = (result: Outcome<Answer>) => {
      clearTimeout(timer)
      done(result)
    }
    worker.once('message', (answer: Answer) => finish({ answer }))
    worker.once('error', (error: Error) => finish({ failure: error.message }))
    worker.once('exit', (code) => finish({ failure: `it ended with code ${code}` }))
  })
  await worker.terminate()
  return outcome
}
