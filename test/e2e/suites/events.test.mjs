import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { newClient, newEmail, ok, password, recordEvents } from '../support/client.mjs'
import { startStandalone } from '../support/standalone.mjs'

describe('the client tells its application', async () => {
  const server = await startStandalone()

  test('of every change, in order', async () => {
    const auth = newClient(server.url)
    const events = recordEvents(auth)
    const email = newEmail()
    ok(await auth.signUp({ email, password }))
    ok(await auth.refreshSession())
    ok(await auth.updateUser({ data: { name: 'Ada' } }))
    assert.ifError((await auth.signOut()).error)
    ok(await auth.signInWithPassword({ email, password }))
    assert.deepEqual(events, ['INITIAL_SESSION', 'SIGNED_IN', 'TOKEN_REFRESHED', 'USER_UPDATED', 'SIGNED_OUT', 'SIGNED_IN'])
  })

  test('of a session that others have ended', async () => {
    const auth = newClient(server.url)
    const events = recordEvents(auth)
    const { session } = ok(await auth.signUp({ email: newEmail(), password }))
    assert.ifError((await newClient(server.url).admin.signOut(session.access_token)).error)
    await auth.getUser()
    assert.deepEqual(events, ['INITIAL_SESSION', 'SIGNED_IN', 'SIGNED_OUT'])
  })

  test('nothing of what was refused', async () => {
    const auth = newClient(server.url)
    const events = recordEvents(auth)
    await auth.signInWithPassword({ email: newEmail(), password })
    await auth.refreshSession({ refresh_token: 'made up' })
    assert.ok(!events.includes('SIGNED_IN') && !events.includes('TOKEN_REFRESHED'), `got ${events}`)
  })
})
