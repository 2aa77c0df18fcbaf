// Hiding secrets in texts that come from elsewhere: libraries and servers repeat what they were given.
import { proxySecrets } from './proxy.js'
import type { AccessGrant } from './types.js'

/** Hides the known secrets, and what looks like one, in a text. */
export class Redactor {
  readonly #secrets = new Set<string>()

  /** From now on `secret` is hidden, in its plain and its URL-encoded form; of a shared access signature its signature too. */
  add(...secrets: readonly (string | undefined)[]): void {
    for (const secret of secrets) {
      if (secret === undefined || secret.length < 4) continue
      for (const form of [secret, encodeURIComponent(secret)]) this.#secrets.add(form)
      const signature = /(?:^|[?&;])sig=([^&;]+)/i.exec(secret)?.[1]
      if (signature !== undefined) this.add(signature, new URLSearchParams(`sig=${signature}`).get('sig')!)
    }
  }

  clean(text: string): string {
    let cleaned = text
    for (const secret of [...this.#secrets].sort((a, b) => b.length - a.length)) cleaned = cleaned.split(secret).join('(hidden)')
    return cleaned
      .replace(/\b(sig|X-Amz-Signature|X-Amz-Security-Token|X-Amz-Credential|X-Goog-Signature|upload_id)=[^&\s"']+/gi, '$1=(hidden)')
      .replace(/\b(AccountKey|SharedAccessSignature)=[^;\s"']+/gi, '$1=(hidden)')
      .replace(/\bya29\.[\w.-]+/g, '(hidden)')
      .replace(/\b(Bearer|SharedKey|AWS4-HMAC-SHA256) [^\r\n"']+/g, '$1 (hidden)')
      .replace(/(\/\/)[^/\s@:]+:[^/\s@]+@/g, '$1(hidden)@')
  }
}

/** Knows the secrets of a grant. */
export function redactorOf({ signing, proxies }: Pick<AccessGrant, 'signing' | 'proxies'>): Redactor {
  const redactor = new Redactor()
  redactor.add(...proxySecrets(proxies))
  if (signing.kind === 'sigv4') redactor.add(signing.secretAccessKey, signing.sessionToken)
  if (signing.kind === 'sharedKey') redactor.add(signing.key)
  if (signing.kind === 'sas') redactor.add(signing.query)
  if (signing.kind === 'bearer') redactor.add(signing.token)
  return redactor
}
