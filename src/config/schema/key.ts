// The form of the schema: sections of keys, each with its kind of value, default, unit and what it does here.
import type { Kind } from './kinds.js'

export interface KeySpec<T> {
  readonly kind: Kind<T>
  /** What applies when the key is absent: DLIO's default. */
  readonly default: T
  /** Where the default depends on something: how, for documents. */
  readonly defaultText?: string
  readonly unit?: string
  /** One line: what the key does here. */
  readonly doc: string
  /** DLIO parses the key and then does nothing with it. */
  readonly ignored?: true
  /** Only MLCommons' DLIO knows the key. */
  readonly mlcommonsOnly?: true
}

/** Keys by their dotted name below the section, such as `hdf5.chunk_dims`. */
export type Keys = Readonly<Record<string, KeySpec<unknown>>>

export interface Section<K extends Keys = Keys> {
  readonly name: string
  /** Other names of the section; where one is given, it wins and the rest is not read. */
  readonly aliases?: readonly string[]
  readonly keys: K
  /** Names that people write but DLIO never reads, with the key they mean. */
  readonly notRead?: Readonly<Record<string, string>>
}

/** The values of a section, defaults filled in. */
export type ValuesOf<K extends Keys> = { readonly [P in keyof K]: K[P] extends KeySpec<infer T> ? T : never }

interface Rest {
  readonly defaultText?: string
  readonly unit?: string
  readonly ignored?: true
  readonly mlcommonsOnly?: true
}

/** Declares a key. */
export function key<T>(kind: Kind<T>, value: NoInfer<T>, doc: string, rest: Rest = {}): KeySpec<T> {
  return { kind, default: value, doc, ...rest }
}

/** Declares a section; keeps the types of its keys. */
export function section<K extends Keys>(declared: Section<K>): Section<K> {
  return declared
}
