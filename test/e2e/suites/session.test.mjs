import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { claimsOf, newClient, newStorage, ok, recordEvents, refused, signedOut, signUp, tampered } from '../support/client.mjs'
import { startStandalone } from '../support/standalone.mjs'

describe('a session', async () => {
  const server = await startStandalone()

  test('goes on with new tokens when it is refreshed', async () => {
    const { auth, session, user } = await signUp(server)
    const renewed = ok(await auth.refreshSession()).session
    assert.notEqual(renewed.refresh_token, session.refresh_token)
    assert.equal(renewed.user.id, user.id)
    assert.equal(claimsOf(renewed.access_token).session_id, claimsOf(session.access_token).session_id)
    assert.equal(ok(await auth.getSession()).session.refresh_token, renewed.refresh_token)
  })

  test('cannot be refreshed with what the server did not issue', async () => {
    refused(await newClient(server.url).refreshSession({ refresh_token: 'made up' }), 400, 'validation_failed')
    refused(await newClient(server.url).refreshSession({ refresh_token: 'abcdefghijkl' }), 400, 'refresh_token_not_found')
    signedOut(await newClient(server.url).refreshSession())
  })

  test('moves to another client', async () => {
    const { session, user } = await signUp(server)
    const other = newClient(server.url)
    assert.equal(ok(await other.setSession(session)).user.id, user.id)
    assert.equal(ok(await other.getUser()).user.id, user.id)
  })

  test('does not move with a changed access token', async () => {
    const { session } = await signUp(server)
    const other = newClient(server.url)
    refused(await other.setSession({ ...session, access_token: tampered(session.access_token) }), 403, 'bad_jwt')
    signedOut(await other.setSession({ access_token: '', refresh_token: '' }))
    assert.equal(ok(await other.getSession()).session, null)
  })

  test('is found again in the storage', async () => {
    const kept = { storage: newStorage(), storageKey: 'kept' }
    const { user } = await signUp(server, kept)
    const reloaded = newClient(server.url, kept)
    const events = recordEvents(reloaded)
    assert.equal(ok(await reloaded.getUser()).user.id, user.id)
    assert.deepEqual(events.sort(), ['INITIAL_SESSION', 'SIGNED_IN'])
  })

  test('has the assurance level of a password', async () => {
    const { auth, session } = await signUp(server)
    const want = { currentLevel: 'aal1', nextLevel: 'aal1' }
    for (const token of [undefined, session.access_token]) {
      const { currentAuthenticationMethods, ...level } = ok(await auth.mfa.getAuthenticatorAssuranceLevel(token))
      assert.deepEqual(level, want)
      assert.deepEqual(currentAuthenticationMethods.map(({ method }) => method), ['password'])
    }
  })

  test('has one successor when two clients refresh it at once', async () => {
    const { auth, session } = await signUp(server)
    const other = newClient(server.url)
    ok(await other.setSession(session))
    const both = (await Promise.all([auth.refreshSession(), other.refreshSession()])).map(ok)
    assert.equal(both[0].session.refresh_token, both[1].session.refresh_token)
    for (const client of [auth, other]) {
      ok(await client.refreshSession())
      ok(await client.getUser())
    }
  })

  test('has one successor when twenty clients refresh it at once', async () => {
    const { auth, session } = await signUp(server)
    const answers = await Promise.all(Array.from({ length: 20 }, () => newClient(server.url).refreshSession(session)))
    assert.equal(new Set(answers.map((answer) => ok(answer).session.refresh_token)).size, 1)
    ok(await auth.getUser())
  })
})

describe('a session whose access tokens live for a second', async () => {
  const server = await startStandalone({ GOTRUE_JWT_EXP: '1' })

  // expired returns when the server's clock, which is this one, has passed the
  // end of the access token.
  const expired = ({ expires_at }) => sleep(expires_at * 1000 - Date.now() + 10)

  test('is refreshed by whoever asks the client for it', async () => {
    const { auth, session, user } = await signUp(server)
    await expired(session)
    refused(await newClient(server.url).getUser(session.access_token), 403, 'bad_jwt')
    const { session: renewed } = ok(await auth.getSession())
    assert.notEqual(renewed.access_token, session.access_token)
    assert.equal(renewed.user.id, user.id)
  })

  test('is refreshed when it is set after its end', async () => {
    const { session, user } = await signUp(server)
    await expired(session)
    const { session: renewed } = ok(await newClient(server.url).setSession(session))
    assert.notEqual(renewed.refresh_token, session.refresh_token)
    assert.equal(renewed.user.id, user.id)
  })

  test('is refreshed by the client on its own', async () => {
    const { auth } = await signUp(server)
    const refreshed = new Promise((resolve) => {
      auth.onAuthStateChange((event, session) => event === 'TOKEN_REFRESHED' && resolve(session))
    })
    await auth.startAutoRefresh()
    assert.ok((await refreshed).access_token, 'no access token')
    await auth.stopAutoRefresh()
  })
})

describe('a refresh token that was replaced long ago', async () => {
  const server = await startStandalone({ GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL: '0' })

  test('ends its session', async () => {
    const { auth, session: stolen } = await signUp(server)
    ok(await auth.refreshSession())
    const { session: newest } = ok(await auth.refreshSession())
    refused(await newClient(server.url).refreshSession(stolen), 400, 'refresh_token_already_used')
    refused(await newClient(server.url).refreshSession(newest), 400, 'refresh_token_not_found')
    signedOut(await auth.getUser())
  })

  test('is still good while its successor was not used', async () => {
    const { auth, session } = await signUp(server)
    const { session: lost } = ok(await auth.refreshSession())
    const { session: again } = ok(await newClient(server.url).refreshSession(session))
    assert.equal(again.refresh_token, lost.refresh_token)
  })
})
