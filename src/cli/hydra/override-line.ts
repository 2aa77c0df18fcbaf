// One override of Hydra's command line: what it does, to which key, with which value (hydra/grammar/OverrideParser.g4).
import { OverrideSyntaxError, parseOverrideValue } from '../../config/override-value.js'
import { hideSecret } from '../../config/problems.js'
import { type ConfigNode, commandLine, type Origin } from '../../config/tree.js'
import { HydraError } from './errors.js'

export interface OverrideLine {
  /** As it was given, but for the value of a secret: it is what is shown and written. */
  readonly text: string
  /** `` changes what is there, `+` adds, `++` does either, `~` deletes. */
  readonly operator: '' | '+' | '++' | '~'
  /** `workload`, `workload.reader.batch_size`, `hydra/launcher`. */
  readonly key: string
  /** Undefined for `~key`. */
  readonly value: ConfigNode | undefined
}

const form = /^(\+\+|\+|~)?([A-Za-z_][\w-]*(?:[./][\w-]+)*)(@[\w.:]*)?(?:=([\s\S]*))?$/
const maxKeyParts = 32

/** Whether an override is about Hydra itself and not about the job. */
export function isHydraOverride({ key }: OverrideLine): boolean {
  return key.startsWith('hydra.') || key.startsWith('hydra/')
}

/** Throws HydraError in Hydra's words, and with our remedy. */
export function parseOverrideLine(text: string): OverrideLine {
  const match = form.exec(text)
  if (!match)
    throw syntaxError(text, 'an override is key=value, +key=value, ++key=value or ~key', 'for example ++workload.reader.batch_size=4')
  const [, operator = '', key = '', pkg, valueText] = match
  if (pkg !== undefined) throw syntaxError(text, 'packages (KEY@PACKAGE) are not supported', `leave out ${pkg}`)
  if (key.split('.').length > maxKeyParts)
    throw syntaxError(text, `a key has at most ${maxKeyParts} parts`, 'for example ++workload.reader.batch_size=4')
  if (valueText === undefined && operator !== '~') throw syntaxError(text, "missing '=' at '<EOF>'", `write ${text}=VALUE`)
  const origin: Origin = { source: { name: commandLine, lines: [text] } }
  try {
    const value = valueText === undefined ? undefined : parseOverrideValue(valueText, origin, { interpolations: true })
    return { text: hideSecret(text), operator: operator as OverrideLine['operator'], key, value }
  } catch (error) {
    if (!(error instanceof OverrideSyntaxError)) throw error
    if (error.sweep)
      throw new HydraError(
        `Ambiguous value for argument '${hideSecret(text)}'\n1. To use it as a list, use key=[value1,value2]\n` +
          "2. To use it as string, quote the value: key=\\'value1,value2\\'\n3. To sweep over it, start dlio_benchmark once for each value",
      )
    const before = text.length - (valueText?.length ?? 0)
    if (hideSecret(text) !== text) throw syntaxError(text, error.rule, error.remedy)
    throw syntaxError(text, `${error.rule}\n${text}\n${' '.repeat(before + error.at)}^`, error.remedy)
  }
}

function syntaxError(text: string, rule: string, remedy: string): HydraError {
  return new HydraError(
    `Error parsing override '${hideSecret(text)}'\n${rule}\nremedy: ${remedy}\n` +
      'See https://hydra.cc/docs/1.2/advanced/override_grammar/basic for details',
  )
}
