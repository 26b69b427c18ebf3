import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { newAccount, newClient, newEmail, ok, otherCode, refused } from '../support/client.mjs'
import { follow, lastTo, messagesTo } from '../support/inbox.mjs'
import { fragmentOf } from '../support/redirect.mjs'
import { startStandalone } from '../support/standalone.mjs'

describe('sign-in by mail', async () => {
  const server = await startStandalone({ GOTRUE_MAILER_AUTOCONFIRM: 'false', GOTRUE_SMTP_MAX_FREQUENCY: '0s' })

  async function askedFor() {
    const auth = newClient(server.url)
    const { email, user } = await newAccount(server)
    ok(await auth.signInWithOtp({ email }))
    return { auth, email, user, mail: await lastTo(server, email, 'magiclink') }
  }

  test('makes an account', async () => {
    const [auth, email] = [newClient(server.url), newEmail()]
    ok(await auth.signInWithOtp({ email, options: { data: { name: 'Ada' } } }))
    const { code } = await lastTo(server, email, 'signup')
    const { user } = ok(await auth.verifyOtp({ type: 'email', email, token: code }))
    assert.deepEqual([user.email, user.user_metadata.name, user.app_metadata.provider], [email, 'Ada', 'email'])
    assert.ok(user.email_confirmed_at, 'email_confirmed_at is not set')
  })

  for (const type of ['magiclink', 'email']) {
    test(`works with the code, as type ${type}`, async () => {
      const { auth, email, user, mail } = await askedFor()
      assert.equal(ok(await auth.verifyOtp({ type, email, token: mail.code })).user.id, user.id)
    })

    test(`works with the link's token hash, as type ${type}`, async () => {
      const { auth, user, mail } = await askedFor()
      assert.equal(ok(await auth.verifyOtp({ type, token_hash: mail.token_hash })).user.id, user.id)
    })
  }

  test('works with the link', async () => {
    const { auth, user, mail } = await askedFor()
    const { access_token, refresh_token, type } = fragmentOf(await follow(mail.link))
    assert.equal(type, 'magiclink')
    assert.equal(ok(await auth.setSession({ access_token, refresh_token })).user.id, user.id)
  })

  test('takes a code once, and no other', async () => {
    const { auth, email, mail } = await askedFor()
    refused(await auth.verifyOtp({ type: 'email', email, token: otherCode(mail.code) }), 403, 'otp_expired')
    ok(await auth.verifyOtp({ type: 'email', email, token: mail.code }))
    refused(await auth.verifyOtp({ type: 'email', email, token: mail.code }), 403, 'otp_expired')
    refused(await auth.verifyOtp({ type: 'email', token_hash: mail.token_hash }), 403, 'otp_expired')
  })

  test('makes no account where none is to be made', async () => {
    const [auth, email] = [newClient(server.url), newEmail()]
    refused(await auth.signInWithOtp({ email, options: { shouldCreateUser: false } }), 422, 'otp_disabled')
    assert.deepEqual(await messagesTo(server, email), [])
    const { email: known } = await newAccount(server)
    ok(await auth.signInWithOtp({ email: known, options: { shouldCreateUser: false } }))
    await lastTo(server, known, 'magiclink')
  })
})

describe('sign-in by mail where addresses need no confirmation', async () => {
  const server = await startStandalone()

  test('sends a link to new accounts too', async () => {
    const [auth, email] = [newClient(server.url), newEmail()]
    ok(await auth.signInWithOtp({ email }))
    const { code } = await lastTo(server, email, 'magiclink')
    assert.equal(ok(await auth.verifyOtp({ type: 'magiclink', email, token: code })).user.email, email)
  })

  test('can be asked for once a minute', async () => {
    const [auth, email] = [newClient(server.url), newEmail()]
    ok(await auth.signInWithOtp({ email }))
    refused(await auth.signInWithOtp({ email }), 429, 'over_email_send_rate_limit')
  })
})

describe('sign-in by mail where nobody may sign up', async () => {
  const server = await startStandalone({ GOTRUE_DISABLE_SIGNUP: 'true' })

  test('is for accounts that there are', async () => {
    const [auth, email] = [newClient(server.url), newEmail()]
    refused(await auth.signInWithOtp({ email }), 422, 'signup_disabled')
    ok(await auth.signInWithOtp({ email: (await newAccount(server)).email }))
  })
})
