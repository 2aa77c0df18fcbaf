// The members of DLIO's archives (DLIO `NPZGenerator.generate`: `np.savez(out, x=records, y=labels)`).

/** Holds the samples. */
export const samplesMember = 'x.npy'
export const labelsMember = 'y.npy'
/** The array of samples, in messages. */
export const samplesArray = `member ${samplesMember}`
