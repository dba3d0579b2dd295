// SAP CAP on an in-memory SQLite: node cap.mjs DIRECTORY, where model.csn and rows.json are.
// It runs inside the folder that npm has filled. Says its port on the first line of its output.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const cds = createRequire(join(process.cwd(), 'package.json'))('@sap/cds')
const directory = process.argv[2]

cds.on('bootstrap', app => {
  // Loopback only, and request lines as long as a gateway's.
  app.listen = port => createServer({ maxHeaderSize: 256 * 1024 }, app).listen(port, '127.0.0.1')
})

const server = await cds.server({ from: join(directory, 'model.csn'), in_memory: true, port: 0, service: 'all' })
const rows = JSON.parse(readFileSync(join(directory, 'rows.json'), 'utf8'))
for (const [name, entries] of Object.entries(rows)) {
  if (entries.length) await cds.run(INSERT.into(`Sandbox.${name}`).entries(entries))
}
// As listing services do: the key of a record is given, and a rule of its own is in words of its own.
let made = 0
cds.services.Sandbox.prepend(service => {
  service.before('CREATE', 'Property', request => { request.data.ListingKey = `N${++made}` })
  service.before(['CREATE', 'UPDATE'], 'Property', request => {
    if (request.data.ListPrice < 0) request.reject({ code: '400', message: 'below the secret minimum', target: 'ListPrice' })
  })
})
if (!server.listening) await new Promise(done => server.once('listening', done))
console.log(`port ${server.address().port}`)
