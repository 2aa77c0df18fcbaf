// The few statistics that DLIO's summaries use.

export function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}

/** Arithmetic mean; undefined for no values (NumPy gives NaN). */
export function mean(values: readonly number[] | Float64Array): number | undefined {
  return values.length === 0 ? undefined : sum(values) / values.length
}

/** Population standard deviation, `numpy.std` with its default ddof 0; undefined for no values. */
export function populationStdev(values: readonly number[] | Float64Array): number | undefined {
  const average = mean(values)
  if (average === undefined) return undefined
  let squares = 0
  for (const value of values) squares += (value - average) ** 2
  return Math.sqrt(squares / values.length)
}

/** The largest of non-negative values; 0 for none. */
export function largest(values: Iterable<number>): number {
  let most = 0
  for (const value of values) if (value > most) most = value
  return most
}
