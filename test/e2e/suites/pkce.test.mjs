import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { newAccount, newClient, newEmail, ok, password, recordEvents, refused, signIn } from '../support/client.mjs'
import { follow, lastTo } from '../support/inbox.mjs'
import { startStandalone } from '../support/standalone.mjs'

describe('a client with PKCE', async () => {
  const server = await startStandalone({ GOTRUE_MAILER_AUTOCONFIRM: 'false', GOTRUE_SMTP_MAX_FREQUENCY: '0s' })
  const newPKCEClient = () => newClient(server.url, { flowType: 'pkce' })

  const account = async () => (await newAccount(server)).email

  // codeFrom follows the link of the last mail, which must carry no token.
  async function codeFrom(email, type) {
    const url = await follow((await lastTo(server, email, type)).link)
    assert.equal(url.hash, '')
    return url.searchParams.get('code')
  }

  async function signedUp() {
    const [auth, email] = [newPKCEClient(), newEmail()]
    ok(await auth.signUp({ email, password }))
    return { auth, email, code: await codeFrom(email, 'signup') }
  }

  test('signs up', async () => {
    const { auth, email, code } = await signedUp()
    assert.equal(ok(await auth.exchangeCodeForSession(code)).user.email, email)
    assert.equal(ok(await auth.getUser()).user.email, email)
  })

  for (const [type, makeAccount] of [['magiclink', account], ['signup', async () => newEmail()]]) {
    test(`signs in by mail, of the type ${type}`, async () => {
      const [auth, email] = [newPKCEClient(), await makeAccount()]
      ok(await auth.signInWithOtp({ email }))
      assert.equal(ok(await auth.exchangeCodeForSession(await codeFrom(email, type))).user.email, email)
    })
  }

  test('recovers a password, and its application learns that it does', async () => {
    const [auth, email] = [newPKCEClient(), await account()]
    const events = recordEvents(auth)
    ok(await auth.resetPasswordForEmail(email))
    ok(await auth.exchangeCodeForSession(await codeFrom(email, 'recovery')))
    assert.ok(events.includes('PASSWORD_RECOVERY'), `got ${events}`)
    ok(await auth.updateUser({ password: 'a second good password' }))
    await signIn(server, email, 'a second good password')
  })

  test('changes an address', async () => {
    const [auth, email, next] = [newPKCEClient(), await account(), newEmail()]
    ok(await auth.signInWithPassword({ email, password }))
    ok(await auth.updateUser({ email: next }))
    const half = await follow((await lastTo(server, email, 'email_change')).link)
    assert.match(half.searchParams.get('message'), /other email/)
    assert.equal(ok(await auth.exchangeCodeForSession(await codeFrom(next, 'email_change'))).user.email, next)
  })

  test('may type the code instead', async () => {
    const [auth, email] = [newPKCEClient(), await account()]
    ok(await auth.signInWithOtp({ email }))
    const { code } = await lastTo(server, email, 'magiclink')
    assert.equal(ok(await auth.verifyOtp({ type: 'email', email, token: code })).user.email, email)
  })

  test('exchanges a code once', async () => {
    const { auth, code } = await signedUp()
    ok(await auth.exchangeCodeForSession(code))
    ok(await auth.signInWithOtp({ email: newEmail() })) // for a verifier
    refused(await auth.exchangeCodeForSession(code), 404, 'flow_state_not_found')
  })

  test('cannot use another one\'s code', async () => {
    const { code } = await signedUp()
    const thief = newPKCEClient()
    ok(await thief.signInWithOtp({ email: newEmail() }))
    refused(await thief.exchangeCodeForSession(code), 400, 'bad_code_verifier')
  })

  test('is told what is wrong with a link in the query, which it can see', async () => {
    const { email } = await signedUp()
    const url = await follow((await lastTo(server, email, 'signup')).link)
    assert.deepEqual([url.searchParams.get('error_code'), url.searchParams.get('code')], ['otp_expired', null])
  })
})
