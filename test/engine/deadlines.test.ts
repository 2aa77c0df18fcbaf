import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Deadlines } from '#src/engine/deadlines.js'

test('ranks come out in the order of their deadlines, whatever the order they went in', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 200 }), (times) => {
      const heap = new Deadlines(times.length)
      times.forEach((time, rank) => {
        heap.push(time, rank)
      })
      const out: number[] = []
      while (heap.next < Number.POSITIVE_INFINITY) out.push(heap.pop())
      assert.deepEqual(
        out.map((rank) => times[rank]),
        [...times].sort((a, b) => a - b),
      )
      assert.equal(new Set(out).size, times.length)
    }),
  )
})

test('an empty heap has no next deadline', () => {
  assert.equal(new Deadlines(4).next, Number.POSITIVE_INFINITY)
})
