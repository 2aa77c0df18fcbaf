// A server that looks like S3 to those who upload: takes any bytes, keeps the sizes. Prints its origin; ends when it is killed.
import http from 'node:http'

const sizes = new Map()
const uploads = new Map()
let count = 0

const xml = (response, body) => response.writeHead(200, { 'content-type': 'application/xml' }).end(body)

const server = http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://sink')
  let bytes = 0
  request.on('data', (chunk) => {
    bytes += chunk.length
  })
  request.on('end', () => {
    const id = searchParams.get('uploadId')
    if (request.method === 'HEAD') {
      const size = sizes.get(pathname)
      return size === undefined ? response.writeHead(404).end() : response.writeHead(200, { 'content-length': size, etag: '"0"' }).end()
    }
    if (request.method === 'GET') return xml(response, '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>')
    if (request.method === 'POST' && searchParams.has('uploads')) {
      uploads.set(String(++count), 0)
      return xml(response, `<InitiateMultipartUploadResult><UploadId>${count}</UploadId></InitiateMultipartUploadResult>`)
    }
    if (request.method === 'POST' && id !== null) {
      sizes.set(pathname, uploads.get(id))
      uploads.delete(id)
      return xml(response, '<CompleteMultipartUploadResult><ETag>"0"</ETag></CompleteMultipartUploadResult>')
    }
    if (request.method === 'PUT' && id !== null) uploads.set(id, uploads.get(id) + bytes)
    else if (request.method === 'PUT') sizes.set(pathname, bytes)
    else return response.writeHead(204).end()
    response.writeHead(200, { etag: '"0"' }).end()
  })
})
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
