// Sources of S3 credentials as people have them: configuration files, commands, tokens in files, sign-ins of SSO.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { join } from 'node:path'
import { scratchFolder } from '../cli/driver.js'
import type { SignInSeen } from './fake-sign-in.js'

export const folder = scratchFolder('aws-sources')

let files = 0
export function file(text: string, name = `file-${files++}`): string {
  const path = join(folder, name)
  fs.mkdirSync(join(path, '..'), { recursive: true })
  fs.writeFileSync(path, text)
  return path
}

export const baseSecret = 'base-secret-0123456789abcdef'
export const webToken = 'ey.web.identity.0123456789abcdef'
export const containerToken = 'container-token-0123456789abcdef'
export const ssoToken = 'sso-access-token-0123456789abcdef'
const inTime = () => new Date(Date.now() + 3_600_000).toISOString()

/** A program that prints credentials, others each time that it runs. */
export function commandLine(extra = ''): string {
  const counter = file('0')
  const script = file(
    `const fs = require('node:fs'); const n = Number(fs.readFileSync('${counter}', 'utf8')) + 1; fs.writeFileSync('${counter}', String(n));
     ${extra}
     console.log(JSON.stringify({ Version: 1, AccessKeyId: 'AKIDISSUED' + n, SecretAccessKey: 'issued-secret-number-' + n + '-0123456789', SessionToken: 'issued-session-token-number-' + n + '-0123456789' }))`,
  )
  return `${process.execPath} ${script} --password hunter2-0123456789`
}

/** A home in which somebody has signed in with SSO. */
export function home(sessionOrStart: string, expiresAt = inTime()): string {
  const path = join(folder, `home-${files++}`)
  const name = createHash('sha1').update(sessionOrStart).digest('hex')
  fs.mkdirSync(join(path, '.aws', 'sso', 'cache'), { recursive: true })
  fs.writeFileSync(
    join(path, '.aws', 'sso', 'cache', `${name}.json`),
    JSON.stringify({ accessToken: ssoToken, expiresAt, startUrl: 'https://x.example/start', region: 'eu-west-1' }),
  )
  return path
}

export const base = `[profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = ${baseSecret}\n`
export const sso = 'sso_account_id = 111122223333\nsso_role_name = Reader'
export const session = '[sso-session mine]\nsso_region = eu-west-1\nsso_start_url = https://x.example/start'

export interface Way {
  readonly title: string
  /** Of the AWS configuration file. */
  readonly config?: string
  env?(): NodeJS.ProcessEnv
  readonly options?: Record<string, unknown>
  /** What the source's service must have been sent. */
  readonly asked?: (first: SignInSeen) => void
}

export const environmentOf = ({ config, env }: Way): NodeJS.ProcessEnv => ({
  HOME: folder,
  AWS_CONFIG_FILE: file(config ?? ''),
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  ...env?.(),
})
