// From a location and `storage.storage_options` to the control plane of its provider, whose library loads only now.
import { lazily } from '../../package.js'
import { type ObjectLocation, placeOf } from '../uri.js'
import { parseConnectionString } from './azure-connection.js'
import { type ObjectSettings, objectSettings } from './settings.js'
import type { ObjectControl, ObjectPlace } from './types.js'

export interface Target {
  readonly place: ObjectPlace
  readonly settings: ObjectSettings
}

const providers = { s3: 's3', az: 'azure', gs: 'gcs' } as const

/** Which place a location means under the options and the environment. Throws ConfigError. */
export function resolveTarget(
  location: ObjectLocation,
  options: Readonly<Record<string, unknown>>,
  env: NodeJS.ProcessEnv = process.env,
): Target {
  const settings = objectSettings(options, providers[location.scheme], env)
  const { accountName, connectionString } = settings
  const isAzure = location.scheme === 'az'
  const account = accountName ?? (isAzure && connectionString !== undefined ? parseConnectionString(connectionString).account : undefined)
  return { place: placeOf(location, { account, accountInUri: settings.accountInUri }), settings }
}

/** Opens the control plane. Throws ConfigError, and StorageError where there are no credentials. */
export async function connect({ place, settings: given }: Target): Promise<ObjectControl> {
  if (place.provider === 's3') {
    const settings = await lazily<typeof import('./s3-profile.js')>('storage/object/s3-profile.js').withProfile(given)
    const open = () => lazily<typeof import('./s3.js')>('storage/object/s3.js').openS3(place, settings)
    const { staticGrant, StaticS3 } = lazily<typeof import('./s3-static.js')>('storage/object/s3-static.js')
    const grant = staticGrant(place, settings, process.env)
    return grant === undefined ? open() : new StaticS3(place, settings, grant, open)
  }
  if (place.provider === 'azure') return lazily<typeof import('./azure.js')>('storage/object/azure.js').openAzure(place, given)
  return lazily<typeof import('./gcs.js')>('storage/object/gcs.js').openGcs(place, given)
}
