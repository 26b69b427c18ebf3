import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { newAdmin, newClient, ok, password, refused, signedOut, signUp } from '../support/client.mjs'
import { startStandalone } from '../support/standalone.mjs'

describe('a server that is restarted', async () => {
  const server = await startStandalone()

  test('has signed nobody out', async () => {
    const { auth, email } = await signUp(server)
    const admin = newAdmin(server)
    await server.restart()
    ok(await auth.getUser())
    ok(await auth.refreshSession())
    ok(await newClient(server.url).signInWithPassword({ email, password }))
    ok(await admin.listUsers())
  })
})

describe('two servers on one database', async () => {
  const one = await startStandalone()
  const two = await startStandalone({}, one)

  test('serve the same accounts and sessions', async () => {
    const { email, session } = await signUp(one)
    const client = newClient(two.url)
    ok(await client.setSession(session))
    ok(await client.getClaims())
    refused(await client.signUp({ email, password }), 422, 'user_already_exists')
    ok(await newAdmin(one, two.token('service_role')).listUsers())
  })

  test('see at once what the other has ended', async () => {
    const { auth, session } = await signUp(one)
    assert.ifError((await auth.signOut()).error)
    signedOut(await newClient(two.url).getUser(session.access_token))
    refused(await newClient(two.url).refreshSession(session), 400, 'refresh_token_not_found')
  })

  test('agree on the successor of a refresh token', async () => {
    const { auth, session } = await signUp(one)
    const clients = Array.from({ length: 20 }, (_, i) => newClient([one, two][i % 2].url))
    const answers = await Promise.all(clients.map((client) => client.refreshSession(session)))
    assert.equal(new Set(answers.map((answer) => ok(answer).session.refresh_token)).size, 1)
    ok(await auth.getUser())
  })
})
