// What Hydra refuses before the program proper begins.

/** The command line or what it names does not compose: the message is Hydra's, with our remedy where it has none. */
export class HydraError extends Error {
  constructor(
    message: string,
    /** 2 for options, as argparse ends; 1 for everything else. */
    readonly exitCode: 1 | 2 = 1,
  ) {
    super(message)
    this.name = 'HydraError'
  }
}
