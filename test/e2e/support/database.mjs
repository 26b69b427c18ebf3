import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { dirname, join } from 'node:path'

// newDatabase makes an empty database of the kind that E2E_DATABASE names, and
// returns its DATABASE_URL. It is gone when the process has ended.
export function newDatabase() {
  return process.env.E2E_DATABASE === 'postgres' ? newPostgres() : newSQLite()
}

// The file is beside the server, where run.mjs cleans up in the end.
function newSQLite() {
  return `sqlite:${join(mkdtempSync(join(dirname(process.env.E2E_STANDALONE), 'sqlite-')), 'auth.db')}`
}

// made are the databases that have to go when this process does.
const made = []
process.on('exit', () => made.forEach((name) => psql(`DROP DATABASE ${name} WITH (FORCE)`)))

function newPostgres() {
  const name = `postern_e2e_${randomBytes(8).toString('hex')}`
  psql(`CREATE DATABASE ${name}`)
  made.push(name)
  const url = new URL(process.env.E2E_POSTGRES_URL)
  url.pathname = `/${name}`
  return url.href
}

function psql(statement) {
  execFileSync('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', process.env.E2E_POSTGRES_URL, '-c', statement])
}
