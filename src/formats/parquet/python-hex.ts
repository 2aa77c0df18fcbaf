// Doubles as Python's `float.hex` writes them: exact, and readable by `float.fromhex`.

/** For example `0x1.8000000000000p+1` for 3. */
export function pythonHex(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  const bits = view.getBigUint64(0)
  const sign = bits >> 63n === 1n ? '-' : ''
  const exponent = Number((bits >> 52n) & 0x7ffn)
  const fraction = bits & 0xfffffffffffffn
  if (exponent === 0 && fraction === 0n) return `${sign}0x0.0p+0`
  const power = exponent === 0 ? -1022 : exponent - 1023
  return `${sign}0x${exponent === 0 ? 0 : 1}.${fraction.toString(16).padStart(13, '0')}p${power < 0 ? '-' : '+'}${Math.abs(power)}`
}
