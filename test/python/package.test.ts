// The Python package: its own tests, run by pytest in an environment with torch, TensorFlow and JAX. One test here for each file there.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { referencePython } from '../interop/python.js'

const folder = join('test', 'python')
const execute = promisify(execFile)

describe('the Python package', () => {
  for (const name of readdirSync(folder).filter((file) => /^test_\w+\.py$/.test(file)))
    it(`passes ${name}`, async (t) => {
      const python = await referencePython(t, join(folder, 'requirements.txt'))
      if (python === undefined) return
      const env = {
        ...process.env,
        PYTHONPATH: resolve('python'),
        PYTHONDONTWRITEBYTECODE: '1',
        DL_DRIVER_BIN: resolve('bin', 'dl-driver.js'),
      }
      const run = execute(python, ['-m', 'pytest', name], { cwd: folder, env, maxBuffer: 1 << 26 })
      const output = await run.catch((error: { stdout: string; stderr: string; message: string }) =>
        assert.fail(`${error.stdout}\n${error.stderr || error.message}`),
      )
      assert.match(output.stdout, /\d+ passed/)
    })
})
