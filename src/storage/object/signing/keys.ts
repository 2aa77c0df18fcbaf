// Percent-encoding of object keys, as all three services sign and expect it.

const plainKey = /^[A-Za-z0-9\-._~/]*$/
/** What encodeURIComponent leaves alone and RFC 3986 reserves. */
const leftOver = /[!'()*]/g

/** A key as a path: each byte of its UTF-8 form that is not unreserved (RFC 3986) percent-encoded, slashes kept. Throws URIError for lone surrogates. */
export function encodeKey(key: string): string {
  if (plainKey.test(key)) return key
  return encodeURIComponent(key)
    .replace(leftOver, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%2F', '/')
}
