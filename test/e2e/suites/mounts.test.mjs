import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { newAdmin, newClient, ok, signedOut, signUp } from '../support/client.mjs'
import { startStandalone } from '../support/standalone.mjs'

// GoTrue answers at the root, and behind the gateway that supabase-js expects
// under /auth/v1.
for (const mount of ['', '/auth/v1']) {
  describe(`the API under ${mount || '/'}`, async () => {
    const root = await startStandalone()
    const server = { ...root, url: root.url + mount }

    test('serves an account from sign-up to sign-out', async () => {
      const { auth, session, user } = await signUp(server)
      assert.equal(ok(await auth.getClaims()).claims.sub, user.id)
      ok(await auth.updateUser({ data: { name: 'Ada' } }))
      ok(await auth.refreshSession())
      assert.ifError((await auth.signOut()).error)
      signedOut(await newClient(server.url).getUser(session.access_token))
    })

    test('serves the operator', async () => {
      const admin = newAdmin(server)
      for (let i = 0; i < 2; i++) await signUp(server)
      const list = ok(await admin.listUsers({ page: 1, perPage: 1 }))
      assert.deepEqual([list.users.length, list.nextPage], [1, 2])
      ok(await admin.deleteUser(list.users[0].id))
    })
  })
}
