import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { newAdmin, newClient, ok, refused, signedOut, signIn, signUp, tampered } from '../support/client.mjs'
import { startStandalone } from '../support/standalone.mjs'

describe('sign-out', async () => {
  const server = await startStandalone()

  // ends maps each scope to what it ends: the session that signs out, and
  // another one of the same user.
  const ends = { global: [true, true], local: [true, false], others: [false, true] }

  async function assertEnded(session, ended) {
    const asker = newClient(server.url)
    if (!ended) {
      ok(await asker.getUser(session.access_token))
      ok(await asker.refreshSession(session))
      return
    }
    signedOut(await asker.getUser(session.access_token))
    refused(await asker.refreshSession(session), 400, 'refresh_token_not_found')
  }

  for (const [scope, [own, other]] of Object.entries(ends)) {
    test(`with scope ${scope} ends the right sessions at once`, async () => {
      const first = await signUp(server)
      const second = await signIn(server, first.email)
      assert.ifError((await first.auth.signOut({ scope })).error)
      assert.equal(ok(await first.auth.getSession()).session === null, own)
      await assertEnded(first.session, own)
      await assertEnded(second.session, other)
    })

    test(`with scope ${scope} can be asked for with an access token alone`, async () => {
      const first = await signUp(server)
      const second = await signIn(server, first.email)
      assert.ifError((await newAdmin(server).signOut(first.session.access_token, scope)).error)
      await assertEnded(first.session, own)
      await assertEnded(second.session, other)
    })
  }

  test('does not concern other users', async () => {
    const [first, second] = [await signUp(server), await signUp(server)]
    assert.ifError((await first.auth.signOut()).error)
    await assertEnded(second.session, false)
  })

  test('of a session that has ended is no error', async () => {
    const { auth, session } = await signUp(server)
    const other = newClient(server.url)
    ok(await other.setSession(session))
    assert.ifError((await auth.signOut()).error)
    assert.ifError((await other.signOut()).error)
  })

  test('with a changed token is refused', async () => {
    const { auth, session } = await signUp(server)
    refused(await auth.admin.signOut(tampered(session.access_token)), 403, 'bad_jwt')
    await assertEnded(session, false)
  })
})
