// What the profile of the AWS configuration files says of the way to S3: endpoint, region, address style, certificates. The SDK takes an
// endpoint from the environment's profile only, and readers would not learn of it; so it is found here, for both.
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '../../errors.js'
import { lazily } from '../../package.js'
import { parseEndpoints } from './options.js'
import { certificates, type ObjectSettings } from './settings.js'

/** Keys of a section as the SDK reads it; those of a nested section with its name before them (`s3.addressing_style`). */
type Section = Readonly<Record<string, string | undefined>>

interface Profile {
  readonly values: Section
  /** Its `[services …]` section. */
  readonly services: Section
  /** Value of the environment's variable, else of the profile's key, if it is there. Throws ConfigError where it is neither true nor false. */
  flag(variable: string | undefined, ...keys: string[]): boolean | undefined
  /** For messages. */
  readonly where: string
}

/**
 * The settings with what the profile in use adds; what configuration and environment say goes before it. A profile that is named and does not
 * exist is an error unless it is only the environment's and no key of it is needed. Throws ConfigError.
 */
export async function withProfile(settings: ObjectSettings, env: NodeJS.ProcessEnv = process.env): Promise<ObjectSettings> {
  const named = settings.profile ?? (env.AWS_PROFILE || env.AWS_DEFAULT_PROFILE || undefined)
  const mustExist = settings.profile !== undefined || (settings.accessKeyId === undefined && !settings.anonymous)
  const profile = await load(named ?? 'default', named !== undefined && named !== 'default' && mustExist, env)
  const { values, where } = profile
  const ignores = profile.flag('AWS_IGNORE_CONFIGURED_ENDPOINT_URLS', 'ignore_configured_endpoint_urls') ?? false
  const given = ignores && settings.endpointVariable?.startsWith('AWS_') ? [] : settings.endpoints
  const endpoints = given.length > 0 || ignores ? given : endpointsOf(profile)
  // As the AWS CLI: where an endpoint is given, path style is the default.
  const style = values['s3.addressing_style']
  if (style !== undefined && !['auto', 'path', 'virtual'].includes(style))
    throw new ConfigError(`${where}: s3 addressing_style must be auto, path or virtual, not ${JSON.stringify(style)}`)
  const { region = values.region, forcePathStyle = style === undefined || style === 'auto' ? undefined : style === 'path' } = settings
  const dualstack = profile.flag('AWS_USE_DUALSTACK_ENDPOINT', 'use_dualstack_endpoint', 's3.use_dualstack_endpoint')
  const fips = profile.flag('AWS_USE_FIPS_ENDPOINT', 'use_fips_endpoint')
  return {
    ...settings,
    endpoints,
    ...(named === undefined ? {} : { profile: named }),
    ...(region === undefined ? {} : { region }),
    ...(forcePathStyle === undefined ? {} : { forcePathStyle }),
    ...(dualstack === undefined ? {} : { dualstack }),
    ...(fips === undefined ? {} : { fips }),
    ca: [...new Set([...settings.ca, ...certificates([values.ca_bundle], `${where}: ca_bundle`)])],
  }
}

async function load(name: string, mustExist: boolean, env: NodeJS.ProcessEnv): Promise<Profile> {
  const config = env.AWS_CONFIG_FILE || join(homedir(), '.aws', 'config')
  const credentials = env.AWS_SHARED_CREDENTIALS_FILE || join(homedir(), '.aws', 'credentials')
  const { configFile, credentialsFile } = await readFiles(config, credentials)
  const [ofConfig, ofCredentials] = [configFile[name], credentialsFile[name]]
  if (mustExist && ofConfig === undefined && ofCredentials === undefined)
    throw new ConfigError(
      `the AWS profile ${JSON.stringify(name)} is neither in ${config} nor in ${credentials}; check storage_options.profile, AWS_PROFILE, and that the files can be read`,
    )
  const where = `${ofConfig === undefined ? credentials : config}: profile ${JSON.stringify(name)}`
  const values: Section = { ...ofCredentials, ...ofConfig }
  const services = values.services === undefined ? {} : configFile[`services.${values.services}`]
  if (services === undefined) throw new ConfigError(`${where}: there is no section [services ${values.services}], which it names`)
  const flag = (variable: string | undefined, ...keys: string[]): boolean | undefined => {
    const [said, text] = [
      [`the environment's ${variable}`, variable === undefined ? undefined : env[variable] || undefined] as const,
      ...keys.map((key) => [`${where}: ${key.replace('.', ' ')}`, values[key]] as const),
    ].find(([, value]) => value !== undefined) ?? ['', undefined]
    if (text === undefined) return undefined
    const word = text.toLowerCase()
    if (word === 'true' || word === 'false') return word === 'true'
    throw new ConfigError(`${said} must be true or false, not ${JSON.stringify(text)}`)
  }
  return { values, services, flag, where }
}

/** The sections of both files by name; of a file that is not there none. */
async function readFiles(
  configFilepath: string,
  filepath: string,
): Promise<Record<'configFile' | 'credentialsFile', Record<string, Section>>> {
  if (![configFilepath, filepath].some((path) => existsSync(path.replace(/^~(?=\/)/, homedir()))))
    return { configFile: {}, credentialsFile: {} }
  const { loadSharedConfigFiles } = lazily<typeof import('./aws-files.js')>('storage/object/aws-files.js')
  return loadSharedConfigFiles({ configFilepath, filepath, ignoreCache: true })
}

/** The service's own goes before that of all services. */
function endpointsOf({ values, services, where }: Profile): string[] {
  try {
    return parseEndpoints(services['s3.endpoint_url'] ?? values.endpoint_url ?? '')
  } catch (error) {
    throw new ConfigError(`${where}: endpoint_url ${(error as Error).message}`)
  }
}
