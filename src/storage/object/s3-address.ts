// Where the SDK would send a GET of an object: its rules for endpoints, address styles and regions are not repeated here.
import { GetObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'

interface Addressed {
  readonly protocol: string
  readonly hostname: string
  readonly port?: number
  readonly path: string
}

/** Origin, and what an object's path begins with. Nothing is sent. Rejects with the SDK's error where its rules forbid the configuration. */
export async function addressOf(config: S3ClientConfig, bucket: string): Promise<{ origin: string; pathPrefix: string }> {
  let seen: Addressed | undefined
  const requestHandler = {
    handle: (request: Addressed) => {
      seen = request
      return Promise.reject(new Error('seen'))
    },
  } as never
  const probe = new S3Client({ ...config, maxAttempts: 1, requestHandler })
  await probe.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' })).catch((error: unknown) => {
    if (seen === undefined) throw error
  })
  const { protocol, hostname, port, path } = seen!
  return { origin: `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`, pathPrefix: path.slice(0, -1) }
}
