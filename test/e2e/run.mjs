// Builds examples/standalone and runs the suites against it, on SQLite and on
// PostgreSQL.
//
//	node run.mjs [suites/NAME.test.mjs …]
//
// E2E_POSTGRES_URL is the URL of a PostgreSQL server, for a role that may create
// databases. CHROMIUM is a browser's program; by default /usr/bin/chromium.
// What needs one of them is left out where it is missing, which is a failure where
// CI is "true".
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { newCertificate } from './support/certificate.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const repository = fileURLToPath(new URL('../../', import.meta.url))

function build(dir) {
  const binary = join(dir, process.platform === 'win32' ? 'standalone.exe' : 'standalone')
  execFileSync('go', ['build', '-o', binary, './examples/standalone'], { cwd: repository, stdio: 'inherit' })
  return binary
}

function databases() {
  if (process.env.E2E_POSTGRES_URL) return ['sqlite', 'postgres']
  leaveOut('PostgreSQL: E2E_POSTGRES_URL is not set')
  return ['sqlite']
}

const chromium = process.env.CHROMIUM || '/usr/bin/chromium'

function suites() {
  if (process.argv.length > 2) return process.argv.slice(2)
  let files = [...testsIn('suites'), ...testsIn('browser')]
  if (!existsSync(chromium)) {
    leaveOut(`browser: there is no ${chromium}, and CHROMIUM names no other`)
    files = testsIn('suites')
  }
  if (['darwin', 'win32'].includes(process.platform)) {
    leaveOut('custom providers: Go does not heed SSL_CERT_FILE here')
    files = files.filter((file) => !file.endsWith('custom-providers.test.mjs'))
  }
  return files
}

const testsIn = (dir) => readdirSync(join(here, dir)).filter((name) => name.endsWith('.test.mjs')).map((name) => join(here, dir, name))

function leaveOut(what) {
  if (process.env.CI === 'true') throw new Error(what)
  console.log(`skipped: ${what}`)
}

// certify makes a certificate that the suites and the servers trust.
function certify(dir) {
  const file = join(dir, 'localhost.pem')
  writeFileSync(file, newCertificate())
  return { E2E_CERTIFICATE: file, NODE_EXTRA_CA_CERTS: file, SSL_CERT_FILE: file }
}

function runOn(database, settings, files) {
  console.log(`\n# ${database}`)
  const env = { ...process.env, ...settings, E2E_DATABASE: database, E2E_CHROMIUM: chromium }
  // By default there would be one less, which of two processors leaves one idle.
  const atOnce = `--test-concurrency=${availableParallelism()}`
  const tests = spawn(process.execPath, ['--test', atOnce, '--test-reporter=spec', ...files], { env, stdio: 'inherit' })
  return new Promise((resolve) => tests.on('exit', resolve))
}

// Ctrl-C reaches the tests too; this process waits for them, to clean up.
process.on('SIGINT', () => {})

const dir = mkdtempSync(join(tmpdir(), 'postern-e2e-'))
try {
  const settings = { E2E_STANDALONE: build(dir), ...certify(dir) }
  const files = suites()
  for (const database of databases()) {
    if ((await runOn(database, settings, files)) !== 0) process.exitCode = 1
  }
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  rmSync(dir, { recursive: true, force: true })
}
