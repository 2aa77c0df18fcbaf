// GETs of objects from a local nginx, plain and over TLS: `dl-driver run` against a bare socket, boto3 and s3dlio, by CPU seconds of the client
// (start-up included). Needs nginx and openssl; boto3 and s3dlio are compared where `.cache/objects-python` can be made (BENCH_PYTHON: use this one).
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { drive, generate, objectsPython, root, scratch, sideBySide, timed, writeConfig } from './lib.mjs'

const connections = 8
const partBytes = 8 << 20
const large = { files: 8, recordBytes: 64 << 20, epochs: { plain: 10, tls: 4 } }
// Long enough that the start is a small part of the client's CPU seconds, as it is in use.
const small = { files: 1000, recordBytes: 114_500, epochs: { plain: 200, tls: 80 } }
const plainPorts = [19_700, 19_701, 19_702, 19_703]
const tlsPort = 19_710
const keys = { AWS_ACCESS_KEY_ID: 'benchmark', AWS_SECRET_ACCESS_KEY: 'benchmark', AWS_REGION: 'us-east-1' }

export async function run({ rounds = 3 } = {}) {
  const dir = scratch('objects')
  const server = await startNginx(dir)
  try {
    const python = objectsPython()
    for (const [name, { files, recordBytes }] of Object.entries({ large, small }))
      generate(writeConfig(join(dir, `generate-${name}`), workload(join(dir, 'data', 'bucket', name), files, recordBytes)))
    const rows = {}
    for (const transport of ['plain', 'tls']) {
      const endpoint = transport === 'plain' ? `http://127.0.0.1:${plainPorts[0]}` : `https://localhost:${tlsPort}`
      const context = { dir, endpoint, transport, python }
      rows[`64 MiB NPZ objects in ranged GETs of 8 MiB, ${connections} at once, ${transport}`] = compare(context, 'large', large, rounds)
      rows[`115 KB NPZ objects, signed, ${connections} at once, ${transport}`] = compare(context, 'small', small, rounds)
    }
    rows['512 GETs of 1 MiB in flight over 4 endpoints'] = { 'dl-driver': manyInFlight(dir) }
    return { title: 'Objects: GETs per CPU second of the client', rows }
  } finally {
    server.kill()
  }
}

const workload = (folder, files, recordBytes, more = {}) => ({
  framework: 'pytorch',
  workflow: { train: true },
  dataset: { format: 'npz', data_folder: folder, num_files_train: files, record_length_bytes: recordBytes },
  reader: { data_loader: 'pytorch', batch_size: files > 100 ? 8 : 1, read_threads: connections },
  train: { epochs: 1, computation_time: 0 },
  ...more,
})

const stored = (dir, endpoints, options = {}) => ({
  storage_type: 's3',
  storage_root: 'bucket',
  storage_options: { endpoint_url: endpoints, s3_force_path_style: true, ca_bundle: join(dir, 'ca.pem'), ...options },
})

function compare({ dir, endpoint, transport, python }, name, { files, recordBytes, epochs }, rounds) {
  const isLarge = name === 'large'
  const count = epochs[transport]
  const base = workload(`s3://bucket/${name}`, files, recordBytes)
  const config = writeConfig(join(dir, `${name}-${transport}`), {
    ...base,
    dataset: { ...base.dataset, skip_listing: true },
    train: { ...base.train, epochs: count },
    storage: stored(dir, endpoint, isLarge ? { part_size: partBytes, parts_in_flight: 1 } : {}),
  })
  const rates = (cpuSeconds, gets, bytes) => ({ gbPerCpuSecond: bytes / cpuSeconds / 1e9, getsPerCpuSecond: gets / cpuSeconds })
  const ours = () => {
    const { cpuSeconds, result } = drive(config, [], { env: keys })
    return rates(cpuSeconds, result.io.readCalls, result.io.bytesAsked)
  }
  const other = (share, command, args) => {
    const gets = Math.round((files * count * (isLarge ? Math.ceil(recordBytes / partBytes) : 1)) / share)
    const env = { ...keys, AWS_CA_BUNDLE: join(dir, 'ca.pem'), NODE_EXTRA_CA_CERTS: join(dir, 'ca.pem'), AWS_ENDPOINT_URL: endpoint }
    const input = JSON.stringify({ endpoint, name, files, gets, connections, partBytes: isLarge ? partBytes : 0, recordBytes })
    const { cpuSeconds, stdout } = timed(command, args, { input, env })
    return rates(cpuSeconds, gets, Number(stdout))
  }
  return sideBySide(rounds, {
    'dl-driver run': ours,
    'bare socket': () => other(1, process.execPath, [join(root, 'bench', 'objects-bare.mjs')]),
    ...(python && {
      boto3: () => other(isLarge ? 2 : 10, python, [join(root, 'bench', 'objects-python.py'), 'boto3']),
      s3dlio: () => other(isLarge ? 2 : 3, python, [join(root, 'bench', 'objects-python.py'), 's3dlio']),
    }),
  })
}

/** Memory beyond the parts in flight, and how evenly four endpoints are used. */
function manyInFlight(dir) {
  const base = workload('s3://bucket/large', large.files, large.recordBytes)
  const config = writeConfig(join(dir, 'many'), {
    ...base,
    dataset: { ...base.dataset, skip_listing: true },
    reader: { ...base.reader, read_threads: 8 },
    train: { ...base.train, epochs: 6 },
    storage: stored(dir, plainPorts.map((port) => `http://127.0.0.1:${port}`).join(','), { part_size: 1 << 20, parts_in_flight: 64 }),
  })
  const { result } = drive(config, [], { env: keys })
  const requests = result.objects.endpoints.map((endpoint) => endpoint.requests)
  return {
    inFlight: result.io.readsInFlight,
    memoryBeyondPartsMiB: result.client.maxRssBytes / 2 ** 20 - 512,
    spreadPercent: (100 * (Math.max(...requests) - Math.min(...requests))) / Math.max(...requests),
  }
}

async function startNginx(dir) {
  const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' })
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=bench CA', '-keyout', 'ca.key', '-out', 'ca.pem')
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost', '-keyout', 'key.pem', '-out', 'csr.pem')
  writeFileSync(join(dir, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1')
  openssl(
    'x509',
    '-req',
    '-days',
    '2',
    '-in',
    'csr.pem',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    'cert.pem',
    '-extfile',
    'names',
  )
  mkdirSync(join(dir, 'tmp'))
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${dir}/tmp/${kind};`).join(' ')
  const listen = plainPorts.map((port) => `listen 127.0.0.1:${port};`).join(' ')
  writeFileSync(
    join(dir, 'nginx.conf'),
    `worker_processes 1; daemon off; master_process off; user root; pid ${dir}/nginx.pid; error_log ${dir}/nginx.err; events { worker_connections 4096; }
http { access_log off; default_type application/octet-stream; keepalive_requests 100000000; ${temporary} open_file_cache max=10000;
server { ${listen} listen 127.0.0.1:${tlsPort} ssl; ssl_certificate ${dir}/cert.pem; ssl_certificate_key ${dir}/key.pem; ssl_session_cache shared:s:1m;
location / { root ${dir}/data; sendfile on; tcp_nopush on; } } }`,
  )
  const server = spawn('nginx', ['-c', join(dir, 'nginx.conf')], { stdio: 'inherit' })
  for (let tries = 0; !(await answers(tlsPort)); tries++) {
    if (tries > 50) throw new Error(`nginx does not answer on port ${tlsPort}`)
    await sleep(100)
  }
  return server
}

const answers = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
