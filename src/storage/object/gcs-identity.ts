// Who we are to Google, as its library will find out: for messages, and so that the requests by which one signs in take the way of all others.
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { codeOf, statusOf } from './failure.js'
import type { Redactor } from './redactor.js'
import type { ObjectSettings } from './settings.js'

export interface GoogleIdentity {
  /** For messages. */
  readonly name: string
  /** Where signing in leads to, beside Google's own. */
  readonly hosts: readonly string[]
}

/** What a file of credentials says, as far as it matters here. */
interface KeyFile {
  readonly type?: unknown
  readonly client_email?: unknown
  readonly refresh_token?: unknown
  readonly client_secret?: unknown
  readonly token_url?: unknown
  readonly token_uri?: unknown
  readonly service_account_impersonation_url?: unknown
  readonly credential_source?: { readonly file?: unknown; readonly url?: unknown }
  readonly source_credentials?: KeyFile
}

/**
 * The file of the configuration or environment, else that of `gcloud auth application-default login`, else the machine. Throws an Error that names
 * the file where it is none of the kind. @param redactor learns its secrets
 */
export function googleIdentity(settings: Pick<ObjectSettings, 'credentialsFile'>, redactor: Redactor): GoogleIdentity {
  const ofGcloud = join(homedir(), '.config', 'gcloud', 'application_default_credentials.json')
  const file = settings.credentialsFile ?? (existsSync(ofGcloud) ? ofGcloud : undefined)
  if (file === undefined) return { name: "no file of credentials; the machine's metadata service", hosts: [] }
  const found = parsed(file)
  const all = [found, ...(found.source_credentials === undefined ? [] : [found.source_credentials])]
  for (const { refresh_token, client_secret, credential_source } of all)
    redactor.add(text(refresh_token), text(client_secret), tokenIn(text(credential_source?.file)))
  const urls = all.flatMap((each) => [each.token_url, each.token_uri, each.service_account_impersonation_url, each.credential_source?.url])
  return { name: `${describe(found)} (${file})`, hosts: urls.flatMap((url) => hostOf(text(url)) ?? []) }
}

/** The library's error as one that names the source, in one line. */
export function signInFailure({ name }: Pick<GoogleIdentity, 'name'>, error: unknown): Error {
  const { message, response } = error as Error & { response?: { readonly data?: unknown } }
  const { error: told, error_description: described } = (response?.data ?? {}) as {
    error?: string | { message?: string }
    error_description?: string
  }
  const words = described ?? (typeof told === 'string' ? told : told?.message)
  const said = (message ?? String(error)).replace(/\s+/g, ' ').trim()
  const status = statusOf(error)
  const code = codeOf(error)
  return Object.assign(
    new Error(
      `${name}: ${said}${words === undefined || said.includes(words) ? '' : `, ${words.replace(/\s+/g, ' ')}`}${status === undefined ? '' : ` (HTTP ${status})`}`,
    ),
    // What is wrong with a certificate is explained by its code.
    { code: code !== undefined && /^(?:CERT_|UNABLE_|SELF_|DEPTH_|ERR_TLS)/.test(code) ? code : 'CredentialsFailed' },
  )
}

function parsed(file: string): KeyFile {
  const failed = (what: string) => Object.assign(new Error(`the Google credentials in ${file}: ${what}`), { code: 'CredentialsFailed' })
  let content: string
  try {
    content = readFileSync(file, 'utf8')
  } catch (error) {
    throw failed(`cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
  let found: unknown
  try {
    found = JSON.parse(content)
  } catch {
    throw failed('are no JSON')
  }
  if (typeof found !== 'object' || found === null || typeof (found as KeyFile).type !== 'string')
    throw failed('have no "type"; it must be a key file of a service account, or a file of application default credentials')
  return found as KeyFile
}

function describe({ type, client_email: email, service_account_impersonation_url: url }: KeyFile): string {
  const other = /\/serviceAccounts\/([^/:]+)/.exec(text(url) ?? '')?.[1]
  const as = other === undefined ? '' : ` impersonating ${other}`
  switch (type) {
    case 'service_account':
      return `the service account ${text(email) ?? 'without client_email'}`
    case 'authorized_user':
      return `the signed-in user${as}`
    case 'external_account':
      return `the external account${as}`
    case 'impersonated_service_account':
      return `the account${as}`
    default:
      return `credentials of the type ${JSON.stringify(type)}`
  }
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

function hostOf(url: string | undefined): string | undefined {
  return url === undefined || !URL.canParse(url) ? undefined : new URL(url).hostname
}

/** A subject token; that it cannot be read is the library's to say. */
function tokenIn(file: string | undefined): string | undefined {
  try {
    return file === undefined ? undefined : readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}
