// Runs in a thread of its own: decodes the row groups that it is sent.
import { serveRequests } from '../waiting-thread.js'
import type { CheckRequest } from './checker.js'
import { decodeGroup } from './library.js'

serveRequests<CheckRequest>(async (request) => {
  await decodeGroup(request)
})
