// Loading a module only when a command needs it. With require(), not import(): a dynamic import reads files through libuv's pool,
// which fixes the pool's size before the run knows how many reads it will keep in flight.
import { createRequire } from 'node:module'

/** `lazily<typeof import('./x.js')>(import.meta.url, './x.js')` */
export function lazily<Module>(from: string, path: string): Module {
  return createRequire(from)(path) as Module
}
