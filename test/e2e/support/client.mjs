import { AuthClient, isAuthApiError } from '@supabase/auth-js'
import assert from 'node:assert/strict'
import { randomInt, randomUUID } from 'node:crypto'
import { inspect } from 'node:util'

export const password = 'correct horse battery staple'

// newEmail returns an address that nobody has.
export const newEmail = () => `${randomUUID()}@example.com`

// newPhone returns a number that nobody has, as the API writes it.
export const newPhone = () => `1555${String(randomInt(1e7)).padStart(7, '0')}`

// otherCode returns a code that is wrong where code is right.
export const otherCode = (code) => (code[0] === '9' ? '0' : '9') + code.slice(1)

// newClient makes a client with a storage of its own. The client shares its
// cache of signing keys among all that have one storageKey.
export function newClient(url, options = {}) {
  return new AuthClient({ url, storageKey: randomUUID(), storage: newStorage(), autoRefreshToken: false, ...options })
}

export function newStorage() {
  const items = new Map()
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  }
}

// newAdmin makes an operator's client, as supabase-js does from a service key.
export function newAdmin(server, key = server.token('service_role')) {
  return newClient(server.url, { headers: { apikey: key, Authorization: `Bearer ${key}` } }).admin
}

// signUp makes an account and leaves its client signed in.
export async function signUp(server, options = {}) {
  const auth = newClient(server.url, options)
  const email = newEmail()
  const { session, user } = ok(await auth.signUp({ email, password }))
  return { auth, email, session, user }
}

// newAccount has an operator make an account whose address is confirmed.
export async function newAccount(server) {
  const email = newEmail()
  const { user } = ok(await newAdmin(server).createUser({ email, password, email_confirm: true }))
  return { email, user }
}

// signIn opens another session of an account.
export async function signIn(server, email, withPassword = password) {
  const auth = newClient(server.url)
  const { session } = ok(await auth.signInWithPassword({ email, password: withPassword }))
  return { auth, session }
}

// ok returns the data of an answer that must not be an error.
export function ok({ data, error }) {
  assert.ifError(error)
  return data
}

// refused checks that an answer is the API's error with this status and code,
// and returns the error.
export function refused({ error }, status, code) {
  assert.ok(isAuthApiError(error), `got ${inspect(error)}, want an AuthApiError ${status} ${code}`)
  assert.deepEqual({ status: error.status, code: error.code }, { status, code })
  return error
}

// refusedOAuth checks that an answer is OAuth's error of this description, which has
// no code of the API's.
export function refusedOAuth(answer, description) {
  assert.equal(refused(answer, 400, undefined).message, description)
}

// signedOut checks that an answer is the client's word for a session that is
// not there, here or on the server.
export function signedOut({ error }) {
  assert.equal(error?.name, 'AuthSessionMissingError', `got ${inspect(error)}`)
}

// claimsOf reads an access token without verifying it.
export function claimsOf(accessToken) {
  return JSON.parse(Buffer.from(accessToken.split('.')[1], 'base64url'))
}

// tampered returns an access token that claims to be somebody else's.
export function tampered(accessToken) {
  const [header, , signature] = accessToken.split('.')
  const claims = { ...claimsOf(accessToken), sub: randomUUID() }
  return [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.')
}

// recordEvents lists what a client tells its application, in order.
export function recordEvents(auth) {
  const events = []
  auth.onAuthStateChange((event) => void events.push(event))
  return events
}

// recordRequests returns a fetch for newClient and the paths that it was asked for.
export function recordRequests() {
  const paths = []
  const recording = (url, init) => {
    paths.push(new URL(url).pathname)
    return fetch(url, init)
  }
  return { fetch: recording, paths }
}
