// Whether an object of S3 is there, and how long: by HEAD, or as well as a server without it can tell.
import { GetObjectCommand, HeadBucketCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { statusOf } from './failure.js'
import type { ListedObject } from './types.js'

/** Looks at objects of one bucket. Rejects with the provider's errors. */
export class S3Heads {
  #bucketSeen: Promise<Error | undefined> | undefined

  constructor(
    private readonly client: S3Client,
    private readonly bucket: string,
    /** Called for each GET that takes the place of a HEAD. */
    private readonly onGet: () => void,
  ) {}

  /** Undefined where there is no such object. `wantedBytes`: what it should have, if that is known. */
  async head(key: string, wantedBytes?: number): Promise<ListedObject | undefined> {
    try {
      const { ContentLength, ETag } = await this.client.send(new HeadObjectCommand({ Bucket: this.bucket, Key: key })).catch(noHead)
      // Some servers say 0 of every object.
      const isTold = ContentLength !== undefined && (ContentLength > 0 || wantedBytes === 0)
      const sizeBytes = isTold ? ContentLength : await this.#sizeByRange(key)
      return { key, sizeBytes, ...(ETag === undefined ? {} : { etag: ETag }) }
    } catch (error) {
      if (statusOf(error) !== 404) throw error
      await this.#needBucket()
      return undefined
    }
  }

  /** For servers without HEAD, and those whose HEAD tells no length, or none to be believed. */
  async #sizeByRange(key: string): Promise<number> {
    this.onGet()
    try {
      const command = new GetObjectCommand({ Bucket: this.bucket, Key: key, Range: 'bytes=0-0' })
      const { Body, ContentRange, ContentLength } = await this.client.send(command)
      ;(Body as { destroy?(): void } | undefined)?.destroy?.()
      const total = /\/(\d{1,15})$/.exec(ContentRange ?? '')?.[1]
      const sizeBytes = total === undefined ? ContentLength : Number(total)
      if (sizeBytes !== undefined) return sizeBytes
      throw new Error('the server tells the length of the object neither for HEAD nor for GET')
    } catch (error) {
      // No byte can be had of an empty object.
      if (statusOf(error) === 416) return 0
      throw error
    }
  }

  /** A HEAD has no body, so a missing bucket looks like a missing object. Asked once. */
  async #needBucket(): Promise<void> {
    this.#bucketSeen ??= this.client.send(new HeadBucketCommand({ Bucket: this.bucket })).then(
      () => undefined,
      (error: unknown) => (statusOf(error) === 404 ? Object.assign(new Error('NoSuchBucket'), { name: 'NoSuchBucket' }) : undefined),
    )
    const missing = await this.#bucketSeen
    if (missing !== undefined) throw missing
  }
}

/** A server that has no HEAD tells nothing of the object. */
function noHead(error: unknown): { ContentLength?: number; ETag?: string } {
  if ([405, 501].includes(statusOf(error) ?? 0)) return {}
  throw error
}
