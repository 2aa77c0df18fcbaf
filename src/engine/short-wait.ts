/** How long a thread looks before it sleeps, in milliseconds: about what going to sleep and being woken cost two threads. */
const lookMs = 0.015

/**
 * Looks for a moment whether the word `index` still is `seen`; true as soon as it is not. With batches of single tiny files the next credit comes
 * within microseconds, and sleeping for it would cost more than the read.
 */
export function changesSoon(words: Int32Array, index: number, seen: number): boolean {
  const endMs = performance.now() + lookMs
  do {
    for (let i = 0; i < 30; i++) if (Atomics.load(words, index) !== seen) return true
  } while (performance.now() < endMs)
  return false
}
