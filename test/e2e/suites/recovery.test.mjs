import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { newClient, newEmail, ok, password, refused, signIn, signUp } from '../support/client.mjs'
import { follow, lastTo, messagesTo } from '../support/inbox.mjs'
import { fragmentOf } from '../support/redirect.mjs'
import { startStandalone } from '../support/standalone.mjs'

const newPassword = 'a second good password'

describe('a forgotten password', async () => {
  const server = await startStandalone({ GOTRUE_SMTP_MAX_FREQUENCY: '0s' })

  async function forgotten() {
    const { email, user } = await signUp(server)
    const auth = newClient(server.url)
    ok(await auth.resetPasswordForEmail(email))
    return { auth, email, user, mail: await lastTo(server, email, 'recovery') }
  }

  for (const [how, recover] of Object.entries({
    'the code': ({ auth, email, mail }) => auth.verifyOtp({ type: 'recovery', email, token: mail.code }),
    'the token hash': ({ auth, mail }) => auth.verifyOtp({ type: 'recovery', token_hash: mail.token_hash }),
    'the link': async ({ auth, mail }) => {
      const { access_token, refresh_token, type } = fragmentOf(await follow(mail.link))
      assert.equal(type, 'recovery')
      return auth.setSession({ access_token, refresh_token })
    },
  })) {
    test(`is replaced after ${how} of the mail`, async () => {
      const asked = await forgotten()
      assert.equal(ok(await recover(asked)).user.id, asked.user.id)
      ok(await asked.auth.updateUser({ password: newPassword }))
      refused(await newClient(server.url).signInWithPassword({ email: asked.email, password }), 400, 'invalid_credentials')
      await signIn(server, asked.email, newPassword)
    })
  }

  test('can be recovered once with a mail, and with the last one only', async () => {
    const { auth, email, mail } = await forgotten()
    ok(await auth.resetPasswordForEmail(email))
    const { code } = await lastTo(server, email, 'recovery')
    refused(await auth.verifyOtp({ type: 'recovery', token_hash: mail.token_hash }), 403, 'otp_expired')
    ok(await auth.verifyOtp({ type: 'recovery', email, token: code }))
    refused(await auth.verifyOtp({ type: 'recovery', email, token: code }), 403, 'otp_expired')
  })

  test('voids its mail when it was remembered and changed', async () => {
    const { email, mail } = await forgotten()
    const { auth } = await signIn(server, email)
    ok(await auth.updateUser({ password: newPassword }))
    refused(await auth.verifyOtp({ type: 'recovery', token_hash: mail.token_hash }), 403, 'otp_expired')
  })

  test('of nobody sends nothing and says so to nobody', async () => {
    const email = newEmail()
    ok(await newClient(server.url).resetPasswordForEmail(email))
    assert.deepEqual(await messagesTo(server, email), [])
  })
})

describe('a password change in a session that is not fresh', async () => {
  const server = await startStandalone({ GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION: 'true', GOTRUE_SMTP_MAX_FREQUENCY: '0s' })

  test('needs no code while it is fresh', async () => {
    const { auth } = await signUp(server)
    ok(await auth.updateUser({ password: newPassword }))
  })

  test('has a code to ask for, which the nonce of the change is', async () => {
    const { auth, email } = await signUp(server)
    ok(await auth.reauthenticate())
    const { code, link } = await lastTo(server, email, 'reauthentication')
    assert.equal(link, '')
    assert.match(code, /^\d{6}$/)
    ok(await auth.updateUser({ password: newPassword, nonce: code }))
    await signIn(server, email, newPassword)
  })
})

describe('reauthentication', async () => {
  const server = await startStandalone()

  test('sends a code once a minute, which signs nobody in', async () => {
    const { auth, email } = await signUp(server)
    ok(await auth.reauthenticate())
    refused(await auth.reauthenticate(), 429, 'over_email_send_rate_limit')
    const { code } = await lastTo(server, email, 'reauthentication')
    refused(await newClient(server.url).verifyOtp({ type: 'email', email, token: code }), 403, 'otp_expired')
  })
})
