// Where the recordings of the real programs are: beside the checkout, or the small copy that is committed.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Folder of one part of the recordings (`order`, `random`, `datasets`, …), seen from the root of the checkout, where tests run. */
export function goldenFolder(part: string): string {
  const whole = join('..', 'shared', 'golden', part)
  return existsSync(whole) ? whole : join('test', 'golden', part)
}

/** A JSON file of a part. The caller names the shape that the recordings' README describes. */
export function goldenJson<T>(part: string, ...path: string[]): T {
  return JSON.parse(readFileSync(join(goldenFolder(part), ...path), 'utf8')) as T
}
