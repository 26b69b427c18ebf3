import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'

import { newClient, ok, recordRequests, signedOut, signUp, tampered } from '../support/client.mjs'
import { startStandalone } from '../support/standalone.mjs'

describe('claims signed with the key that the server generated', async () => {
  const server = await startStandalone()

  test('are verified by the client, with one look at the published keys', async () => {
    const { fetch, paths } = recordRequests()
    const { auth, email, user } = await signUp(server, { fetch })
    const before = paths.length
    for (let i = 0; i < 2; i++) {
      const { claims, header } = ok(await auth.getClaims())
      assert.deepEqual([header.alg, claims.sub, claims.email], ['ES256', user.id, email])
    }
    assert.deepEqual(paths.slice(before), ['/.well-known/jwks.json'])
  })

  test('are not believed when they were changed', async () => {
    const { auth, session } = await signUp(server)
    const { error } = await auth.getClaims(tampered(session.access_token))
    assert.equal(error?.name, 'AuthInvalidJwtError')
  })

  test('are verified with keys, of which nothing private is published', async () => {
    const response = await fetch(`${server.url}/.well-known/jwks.json`)
    assert.equal(response.headers.get('cache-control'), 'public, max-age=600')
    const { keys } = await response.json()
    assert.equal(keys.length, 1)
    const { kty, crv, alg, use, key_ops, kid, x, y, ...others } = keys[0]
    assert.deepEqual({ kty, crv, alg, use, key_ops }, { kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig', key_ops: ['verify'] })
    assert.ok(kid && x && y, 'kid, x or y is missing')
    assert.deepEqual(Object.keys(others).filter((name) => name !== 'ext'), [])
  })
})

for (const [alg, type, options] of [
  ['ES256', 'ec', { namedCurve: 'P-256' }],
  ['RS256', 'rsa', { modulusLength: 2048 }],
]) {
  describe(`claims signed with a configured key for ${alg}`, async () => {
    const key = generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' })
    const server = await startStandalone({ GOTRUE_JWT_KEYS: JSON.stringify([{ ...key, alg, kid: 'mine', use: 'sig', key_ops: ['sign'] }]) })

    test('are verified by the client', async () => {
      const { fetch, paths } = recordRequests()
      const { auth, user } = await signUp(server, { fetch })
      const { claims, header } = ok(await auth.getClaims())
      assert.deepEqual([header.alg, header.kid, claims.sub], [alg, 'mine', user.id])
      assert.equal(paths.at(-1), '/.well-known/jwks.json')
    })
  })
}

describe('claims signed with a secret', async () => {
  const server = await startStandalone({ GOTRUE_JWT_SECRET: 'a secret of at least thirty-two bytes' })

  test('are verified by the server', async () => {
    const { fetch, paths } = recordRequests()
    const { auth, user } = await signUp(server, { fetch })
    const before = paths.length
    const { claims, header } = ok(await auth.getClaims())
    assert.deepEqual([header.alg, claims.sub], ['HS256', user.id])
    assert.deepEqual(paths.slice(before), ['/user'])
  })

  test('are void when the session has ended', async () => {
    const { auth, session } = await signUp(server)
    ok(await auth.admin.signOut(session.access_token))
    signedOut(await newClient(server.url).getClaims(session.access_token))
  })

  test('are verified with no published key', async () => {
    const response = await fetch(`${server.url}/.well-known/jwks.json`)
    assert.deepEqual(await response.json(), { keys: [] })
  })
})
