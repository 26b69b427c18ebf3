import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { newDatabase } from './database.mjs'

const binary = process.env.E2E_STANDALONE
assert.ok(binary, 'E2E_STANDALONE names no server: run the suites with run.mjs')

// startStandalone runs the server until the suite that called it ends, on an
// empty database, or on that of another server. settings are GOTRUE_* variables.
// By default nobody has to confirm an address. fails says that the server is to
// report failures of its own.
export async function startStandalone(settings = {}, { databaseURL = newDatabase(), fails = false } = {}) {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const env = {
    ...withoutSettings(process.env),
    GOTRUE_API_HOST: '127.0.0.1',
    PORT: String(port),
    API_EXTERNAL_URL: url,
    DATABASE_URL: databaseURL,
    GOTRUE_MAILER_AUTOCONFIRM: 'true',
    POSTERN_RATE_LIMITS: 'off',
    ...settings,
  }
  let server
  const start = () => {
    server = run(env)
    return answers(url, server)
  }
  after(() => stop(server, fails))
  await start()
  return {
    url,
    databaseURL,
    restart: () => stop(server, fails).then(start),
    token: (role) => execFileSync(binary, ['token', role], { env, encoding: 'utf8' }).trim(),
  }
}

// withoutSettings keeps what the caller's shell has configured for some other
// server out of this one.
function withoutSettings(env) {
  const setting = /^(GOTRUE_|POSTERN_|DATABASE_URL$|DB_NAMESPACE$|API_EXTERNAL_URL$|PORT$)/
  return Object.fromEntries(Object.entries(env).filter(([name]) => !setting.test(name)))
}

// running are the servers that have to go when this process does.
const running = new Set()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

function run(env) {
  const child = spawn(binary, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const server = { child, output: '', exited: once(child, 'exit') }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (server.output += chunk))
  running.add(child)
  child.on('exit', () => running.delete(child))
  return server
}

async function answers(url, server) {
  for (let tries = 0; tries < 500; tries++) {
    assert.equal(server.child.exitCode, null, `the server ended at once:\n${server.output}`)
    const response = await fetch(`${url}/health`).catch(() => null)
    if (response?.ok) return
    await sleep(20)
  }
  assert.fail(`the server does not answer:\n${server.output}`)
}

async function stop(server, fails) {
  server.child.kill('SIGTERM')
  const [status] = await Promise.race([server.exited, sleep(15_000, ['still running'], { ref: false })])
  server.child.kill('SIGKILL')
  assert.equal(status, 0, `the server did not end cleanly:\n${server.output}`)
  assert.doesNotMatch(server.output, /panic/)
  assert.equal(/ERROR/.test(server.output), fails, `failures that the server reported of its own:\n${server.output}`)
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}
