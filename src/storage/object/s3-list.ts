// Pages of a listing, from servers that know S3's second kind of listing and from those that know only the first.
import { ListObjectsCommand, type ListObjectsCommandOutput, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3'
import { BadAnswerError } from './control-faults.js'
import { codeOf, statusOf } from './failure.js'
import type { ListedObject } from './types.js'

export interface ListedPage {
  readonly objects: readonly ListedObject[]
  /** Where the next page begins; '' where there is one and the server does not say. Undefined: this is the last. */
  readonly next: string | undefined
}

/**
 * One listing. A page of ListObjectsV2 that tells no place to go on from is by a server that knows only ListObjects, which goes on behind the
 * last key.
 */
export class S3Listing {
  /** Whether the last page was refused as by a server that does not know the second kind of listing, or not well. */
  mayKnowFirstOnly = false
  /** Whether pages are those of ListObjects. */
  isFirst: boolean

  constructor(
    private readonly client: S3Client,
    private readonly where: { readonly Bucket: string; readonly Prefix: string },
    private readonly options: { readonly abortSignal?: AbortSignal },
    listsFirstOnly: boolean,
  ) {
    this.isFirst = listsFirstOnly
  }

  /** The page that begins at `token`. Rejects with the provider's error, or BadAnswerError. */
  async page(token: string | undefined): Promise<ListedPage> {
    if (this.isFirst) return this.pageOfFirst(token)
    try {
      const command = new ListObjectsV2Command({ ...this.where, ...(token === undefined ? {} : { ContinuationToken: token }) })
      const answer = await this.client.send(command, this.options)
      const objects = objectsOf(answer, answer.KeyCount)
      // IsTruncated may be absent, but not wrong.
      const next = answer.IsTruncated === false ? undefined : answer.NextContinuationToken
      this.isFirst = answer.IsTruncated === true && next === undefined
      return { objects, next: this.isFirst ? (objects.at(-1)?.key ?? '') : next }
    } catch (error) {
      this.mayKnowFirstOnly = isUnknown(error)
      throw error
    }
  }

  /** The same by the first kind of listing, and so are all pages behind it. `token`: the last key of the page before. */
  async pageOfFirst(token: string | undefined): Promise<ListedPage> {
    const command = new ListObjectsCommand({ ...this.where, ...(token === undefined ? {} : { Marker: token }) })
    const answer = await this.client.send(command, this.options)
    this.isFirst = true
    const objects = objectsOf(answer)
    return { objects, next: answer.IsTruncated === true ? (objects.at(-1)?.key ?? '') : undefined }
  }
}

function isUnknown(error: unknown): boolean {
  const status = statusOf(error)
  if (status === 405 || status === 500 || status === 501) return true
  return status === 400 && /^(?:NotImplemented|InvalidArgument|InvalidRequest|UnsupportedOperation)$/.test(codeOf(error) ?? '')
}

function objectsOf(
  answer: Pick<ListObjectsCommandOutput, 'Contents' | 'EncodingType' | 'IsTruncated' | 'Name'>,
  keyCount?: number,
): ListedObject[] {
  const { Contents, EncodingType, IsTruncated, Name } = answer
  // Any XML is a listing to the SDK, and one without objects where it is something else.
  if ([Contents, IsTruncated, keyCount, Name].every((value) => value === undefined)) throw new BadAnswerError('no ListBucketResult')
  // Not asked for, but some servers encode all the same.
  const keyOf = EncodingType === 'url' ? decoded : (key: string) => key
  return (Contents ?? []).map(({ Key, Size, ETag }): ListedObject => {
    if (Key === undefined) throw new BadAnswerError('an object without a key')
    return { key: keyOf(Key), sizeBytes: Size ?? 0, ...(ETag === undefined ? {} : { etag: ETag }) }
  })
}

function decoded(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch {
    throw new BadAnswerError('a key that is not percent-encoded as the listing says')
  }
}
