// Who we are at S3: the configuration's keys, else the providers' usual chain.
import {
  createCredentialChain,
  fromContainerMetadata,
  fromEnv,
  fromHttp,
  fromIni,
  fromInstanceMetadata,
  fromProcess,
  fromSSO,
  fromTokenFile,
} from '@aws-sdk/credential-providers'
import type { NodeHttpHandler } from '@smithy/node-http-handler'
import type { ObjectSettings } from './settings.js'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expiration?: Date
}

export type CredentialSource = () => Promise<S3Credentials>

/**
 * The chain of the AWS libraries: environment, profile (keys, SSO, process, assumed role), web identity, container, machine. The machine's
 * metadata service is asked only where no endpoint is given, or as told: elsewhere it is somebody else's address that does not answer.
 * @param requestHandler for the sign-in services, which are as far away as the storage; machine and container are asked directly
 */
export function s3Credentials(settings: ObjectSettings, requestHandler: NodeHttpHandler): CredentialSource {
  const { accessKeyId, secretAccessKey, sessionToken, profile } = settings
  if (accessKeyId !== undefined && secretAccessKey !== undefined)
    return async () => ({ accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) })
  const clientConfig = { requestHandler }
  const named = { ...(profile === undefined ? {} : { profile }), clientConfig, parentClientConfig: clientConfig }
  const usesMetadata = settings.instanceMetadata ?? (settings.endpoints.length === 0 && process.env.AWS_EC2_METADATA_DISABLED !== 'true')
  const container = process.env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI ?? process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI
  const chain = createCredentialChain(
    // A profile that was asked for goes before the keys of the environment.
    ...(profile === undefined && process.env.AWS_PROFILE === undefined ? [fromEnv()] : []),
    fromSSO(named),
    fromIni(named),
    fromProcess(named),
    fromTokenFile({ clientConfig }),
    ...(profile === undefined && process.env.AWS_PROFILE !== undefined ? [fromEnv()] : []),
    ...(container === undefined ? [] : [fromHttp(), fromContainerMetadata()]),
    ...(usesMetadata ? [fromInstanceMetadata({ timeout: 1000, maxRetries: 1 })] : []),
  )
  return () => chain() as Promise<S3Credentials>
}
