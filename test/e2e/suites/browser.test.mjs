import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { signUp } from '../support/client.mjs'
import { startStandalone } from '../support/standalone.mjs'

const origin = 'http://localhost:3000'

// What supabase-js sends from a page. apikey is for a gateway, which need not
// be there.
const sent = ['apikey', 'authorization', 'content-type', 'x-client-info', 'x-supabase-api-version']

const lowerList = (text) => (text ?? '').toLowerCase().split(',').map((item) => item.trim())

describe('a page of another origin', async () => {
  const server = await startStandalone()

  for (const [method, path] of [
    ['POST', '/signup'],
    ['POST', '/token?grant_type=password'],
    ['POST', '/token?grant_type=refresh_token'],
    ['POST', '/logout?scope=global'],
    ['GET', '/user'],
    ['PUT', '/user'],
    ['GET', '/.well-known/jwks.json'],
    ['GET', '/admin/users'],
    ['DELETE', '/admin/users/6cb1e8e3-7d0c-4b3a-9a57-0f9f0a1d8c11'],
    ['GET', '/auth/v1/user'],
  ]) {
    test(`may send ${method} ${path}`, async () => {
      const { status, headers } = await fetch(server.url + path, {
        method: 'OPTIONS',
        headers: { Origin: origin, 'Access-Control-Request-Method': method, 'Access-Control-Request-Headers': sent.join(',') },
      })
      assert.equal(status, 204)
      assert.ok(['*', origin].includes(headers.get('access-control-allow-origin')), 'the origin is not allowed')
      assert.ok(lowerList(headers.get('access-control-allow-methods')).includes(method.toLowerCase()), 'the method is not allowed')
      const allowed = lowerList(headers.get('access-control-allow-headers'))
      assert.deepEqual(sent.filter((name) => !allowed.includes(name)), [], 'headers that are not allowed')
    })
  }

  test('may not send what the API does not take', async () => {
    const { headers } = await fetch(`${server.url}/user`, {
      method: 'OPTIONS',
      headers: { Origin: origin, 'Access-Control-Request-Method': 'PURGE' },
    })
    assert.equal(headers.get('access-control-allow-methods'), null)
  })

  test('may read answers, refusals and the headers of a list', async () => {
    const { session } = await signUp(server)
    const key = server.token('service_role')
    for (const [path, token, status] of [['/user', session.access_token, 200], ['/user', 'nonsense', 403], ['/admin/users', key, 200]]) {
      const response = await fetch(server.url + path, { headers: { Origin: origin, Authorization: `Bearer ${token}` } })
      assert.equal(response.status, status)
      assert.ok(['*', origin].includes(response.headers.get('access-control-allow-origin')), `${path} cannot be read`)
      const exposed = lowerList(response.headers.get('access-control-expose-headers'))
      assert.deepEqual(['link', 'x-supabase-api-version', 'x-total-count'].filter((name) => !exposed.includes(name)), [])
    }
  })
})
