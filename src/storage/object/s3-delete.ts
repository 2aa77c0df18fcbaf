// Deleting objects of S3: many by one request where the server can do that, else one by one.
import { DeleteObjectCommand, DeleteObjectsCommand, type S3Client } from '@aws-sdk/client-s3'
import { codeOf, statusOf } from './failure.js'

/** Keys of one DeleteObjects; S3's limit. */
export const deletedAtOnce = 1000
const singlesInFlight = 16

/** Deletes objects of one bucket. Objects that do not exist count as deleted. */
export class S3Deletion {
  /** Until the server says that it cannot, or not in the SDK's way (some insist on Content-MD5, which has gone out of use). */
  #deletesMany = true

  constructor(
    private readonly client: S3Client,
    private readonly bucket: string,
  ) {}

  /** Deletes up to {@link deletedAtOnce} keys. Rejects with the provider's error, which tells the key where there are several. */
  async delete(keys: readonly string[]): Promise<void> {
    if (keys.length === 1) return this.#deleteOne(keys[0]!)
    if (!this.#deletesMany) return this.#deleteSingly(keys)
    try {
      const { Errors } = await this.client.send(
        new DeleteObjectsCommand({ Bucket: this.bucket, Delete: { Objects: keys.map((Key) => ({ Key })), Quiet: true } }),
      )
      const first = Errors?.[0]
      if (first !== undefined)
        throw Object.assign(new Error(`${JSON.stringify(first.Key)}: ${first.Message ?? first.Code ?? 'failed'}`), {
          name: first.Code ?? 'Error',
        })
    } catch (error) {
      if (![400, 405, 501].includes(statusOf(error) ?? 0)) throw error
      await this.#deleteSingly(keys)
      this.#deletesMany = false
    }
  }

  async #deleteSingly(keys: readonly string[]): Promise<void> {
    let next = 0
    const worker = async () => {
      while (next < keys.length) await this.#deleteOne(keys[next++]!)
    }
    await Promise.all(Array.from({ length: Math.min(singlesInFlight, keys.length) }, worker))
  }

  async #deleteOne(key: string): Promise<void> {
    try {
      await this.client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key: key }))
    } catch (error) {
      // A server may say so without a body.
      if (statusOf(error) !== 404 || codeOf(error) === 'NoSuchBucket') throw error
    }
  }
}
