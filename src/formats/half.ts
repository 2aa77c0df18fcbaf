// IEEE 754 half precision.

/** The value of IEEE 754 half precision bits. */
export function halfOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** The nearest half precision number, ties to even. */
export function toHalf(value: number): number {
  const size = Math.abs(value)
  if (size === 0 || !Number.isFinite(size)) return value
  const exponent = Math.max(-14, Math.floor(Math.log2(size)))
  const unit = 2 ** (exponent - 10)
  const steps = size / unit
  const low = Math.floor(steps)
  const up = steps - low > 0.5 || (steps - low === 0.5 && low % 2 === 1) ? 1 : 0
  return Math.sign(value) * (low + up) * unit
}
