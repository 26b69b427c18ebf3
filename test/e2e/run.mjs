// Builds examples/standalone and runs the suites against it, on SQLite and on
// PostgreSQL.
//
//	node run.mjs [suites/NAME.test.mjs …]
//
// E2E_POSTGRES_URL is the URL of a PostgreSQL server, for a role that may create
// databases. Without it the suites run on SQLite only, which is a failure where
// CI is "true".
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const repository = fileURLToPath(new URL('../../', import.meta.url))

function build(dir) {
  const binary = join(dir, process.platform === 'win32' ? 'standalone.exe' : 'standalone')
  execFileSync('go', ['build', '-o', binary, './examples/standalone'], { cwd: repository, stdio: 'inherit' })
  return binary
}

function databases() {
  if (process.env.E2E_POSTGRES_URL) return ['sqlite', 'postgres']
  const missing = 'PostgreSQL: E2E_POSTGRES_URL is not set'
  if (process.env.CI === 'true') throw new Error(missing)
  console.log(`skipped: ${missing}`)
  return ['sqlite']
}

function suites() {
  if (process.argv.length > 2) return process.argv.slice(2)
  return readdirSync(join(here, 'suites')).filter((name) => name.endsWith('.test.mjs')).map((name) => join(here, 'suites', name))
}

function runOn(database, binary) {
  console.log(`\n# ${database}`)
  const env = { ...process.env, E2E_DATABASE: database, E2E_STANDALONE: binary }
  const tests = spawn(process.execPath, ['--test', '--test-reporter=spec', ...suites()], { env, stdio: 'inherit' })
  return new Promise((resolve) => tests.on('exit', resolve))
}

// Ctrl-C reaches the tests too; this process waits for them, to clean up.
process.on('SIGINT', () => {})

const dir = mkdtempSync(join(tmpdir(), 'postern-e2e-'))
try {
  const binary = build(dir)
  for (const database of databases()) {
    if ((await runOn(database, binary)) !== 0) process.exitCode = 1
  }
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  rmSync(dir, { recursive: true, force: true })
}
