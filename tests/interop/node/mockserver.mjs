// The mock server of SAP Fiori: node mockserver.mjs DIRECTORY, where metadata.xml and a file of rows for each set are.
// It runs inside the folder that npm has filled. Says its port on the first line of its output.
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const FEMockserver = createRequire(join(process.cwd(), 'package.json'))('@sap-ux/fe-mockserver-core').default
const directory = process.argv[2]

const mock = new FEMockserver({
  services: [
    { urlPath: '/Reso/OData', metadataPath: join(directory, 'metadata.xml'), mockdataPath: directory, watch: false },
  ],
})
await mock.isReady

// Loopback only, and request lines as long as a gateway's.
const server = createServer({ maxHeaderSize: 256 * 1024 }, (request, response) => {
  mock.getRouter()(request, response, error => {
    response.statusCode = error ? 500 : 404
    response.end()
  })
})
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`))
