// Did you mean …: the nearest known name by edit distance.

/** Edits (insert, delete, replace, swap of neighbours) that make `b` of `a`; Infinity as soon as it must exceed `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return Number.POSITIVE_INFINITY
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1)
      next.push(cost)
    }
    if (Math.min(...next) > limit) return Number.POSITIVE_INFINITY
    before = row
    row = next
  }
  return row[b.length]!
}

const separators = /[-_. ]/g

/** The known name that `name` was probably meant to be, or undefined when none is near. Letter case and separators count little. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase().replace(separators, '')
  if (wanted.length === 0 || wanted.length > 100) return undefined
  const limit = wanted.length <= 3 ? 1 : wanted.length <= 6 ? 2 : 3
  let best: string | undefined
  let bestDistance = limit + 1
  for (const candidate of names) {
    const known = candidate.toLowerCase().replace(separators, '')
    // A shortened word is a likely slip, though less so than a misspelt one.
    const shortened = wanted.length >= 3 && known.startsWith(wanted) ? limit : Number.POSITIVE_INFINITY
    const distance = Math.min(editDistance(wanted, known, limit), shortened)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}
