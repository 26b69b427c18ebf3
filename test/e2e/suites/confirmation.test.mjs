import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { claimsOf, newClient, newEmail, ok, otherCode, password, refused, signIn } from '../support/client.mjs'
import { follow, lastTo, messagesTo } from '../support/inbox.mjs'
import { fragmentOf } from '../support/redirect.mjs'
import { startStandalone } from '../support/standalone.mjs'

const settings = { GOTRUE_MAILER_AUTOCONFIRM: 'false' }

async function signUp(server, data) {
  const auth = newClient(server.url)
  const email = newEmail()
  const { session } = ok(await auth.signUp({ email, password, options: { data } }))
  assert.equal(session, null)
  return { auth, email, mail: await lastTo(server, email, 'signup') }
}

describe('the confirmation of a sign-up', async () => {
  const server = await startStandalone({ ...settings, GOTRUE_SMTP_MAX_FREQUENCY: '0s' })

  for (const type of ['signup', 'email']) {
    test(`works with the code, as type ${type}`, async () => {
      const { auth, email, mail } = await signUp(server, { name: 'Ada' })
      const { session, user } = ok(await auth.verifyOtp({ type, email, token: mail.code }))
      assert.ok(user.email_confirmed_at, 'email_confirmed_at is not set')
      assert.deepEqual([user.email, user.user_metadata.name, user.user_metadata.email_verified], [email, 'Ada', true])
      assert.deepEqual(claimsOf(session.access_token).amr.map(({ method }) => method), ['otp'])
      assert.equal(ok(await auth.getUser()).user.id, user.id)
      await signIn(server, email)
    })

    test(`works with the link's token hash, as type ${type}`, async () => {
      const { auth, email, mail } = await signUp(server)
      assert.equal(ok(await auth.verifyOtp({ type, token_hash: mail.token_hash })).user.email, email)
      await signIn(server, email)
    })
  }

  test('works with the link, which a program may open any number of times', async () => {
    const { auth, email, mail } = await signUp(server)
    for (const method of ['GET', 'HEAD', 'GET']) await fetch(mail.link, { method })
    const url = await follow(mail.link)
    assert.equal(url.origin + url.pathname, `${server.url}/_welcome`)
    const { access_token, refresh_token, type } = fragmentOf(url)
    assert.equal(type, 'signup')
    assert.equal(ok(await auth.setSession({ access_token, refresh_token })).user.email, email)
  })

  test('works once', async () => {
    const { auth, email, mail } = await signUp(server)
    ok(await auth.verifyOtp({ type: 'signup', email, token: mail.code }))
    refused(await auth.verifyOtp({ type: 'signup', email, token: mail.code }), 403, 'otp_expired')
    refused(await auth.verifyOtp({ type: 'signup', token_hash: mail.token_hash }), 403, 'otp_expired')
    const { error, error_code } = fragmentOf(await follow(mail.link))
    assert.deepEqual([error, error_code], ['access_denied', 'otp_expired'])
  })

  test('takes no code of another account or for something else', async () => {
    const [{ auth, email, mail }, other] = [await signUp(server), await signUp(server)]
    refused(await auth.verifyOtp({ type: 'signup', email: other.email, token: mail.code }), 403, 'otp_expired')
    refused(await auth.verifyOtp({ type: 'recovery', email, token: mail.code }), 403, 'otp_expired')
    refused(await auth.verifyOtp({ type: 'magiclink', token_hash: mail.token_hash }), 403, 'otp_expired')
    ok(await auth.verifyOtp({ type: 'signup', email, token: mail.code }))
  })

  test('takes no code after five wrong ones', async () => {
    const { auth, email, mail } = await signUp(server)
    for (let i = 0; i < 5; i++) refused(await auth.verifyOtp({ type: 'signup', email, token: otherCode(mail.code) }), 403, 'otp_expired')
    refused(await auth.verifyOtp({ type: 'signup', email, token: mail.code }), 403, 'otp_expired')
  })

  test('can be sent again, after which only the new code is good', async () => {
    const { auth, email, mail } = await signUp(server)
    ok(await auth.resend({ type: 'signup', email }))
    const again = await lastTo(server, email, 'signup')
    refused(await auth.verifyOtp({ type: 'signup', token_hash: mail.token_hash }), 403, 'otp_expired')
    ok(await auth.verifyOtp({ type: 'signup', email, token: again.code }))
  })

  test('is not sent again to whom it would tell nothing', async () => {
    const { auth, email, mail } = await signUp(server)
    ok(await auth.verifyOtp({ type: 'signup', email, token: mail.code }))
    ok(await auth.resend({ type: 'signup', email }))
    assert.equal((await messagesTo(server, email)).length, 1)
    const stranger = newEmail()
    ok(await auth.resend({ type: 'signup', email: stranger }))
    assert.deepEqual(await messagesTo(server, stranger), [])
  })

  test('is of the last sign-up, with its password', async () => {
    const { auth, email, mail } = await signUp(server)
    ok(await auth.signUp({ email, password: 'a second good password' }))
    refused(await auth.verifyOtp({ type: 'signup', token_hash: mail.token_hash }), 403, 'otp_expired')
    ok(await auth.verifyOtp({ type: 'signup', email, token: (await lastTo(server, email, 'signup')).code }))
    refused(await auth.signInWithPassword({ email, password }), 400, 'invalid_credentials')
    await signIn(server, email, 'a second good password')
  })
})

describe('mails', async () => {
  const server = await startStandalone(settings)

  test('to one address come no faster than one a minute', async () => {
    const { auth, email } = await signUp(server)
    refused(await auth.resend({ type: 'signup', email }), 429, 'over_email_send_rate_limit')
    assert.equal((await messagesTo(server, email)).length, 1)
    const other = newEmail()
    ok(await auth.resetPasswordForEmail(other))
    refused(await auth.resetPasswordForEmail(other), 429, 'over_email_send_rate_limit')
  })

  test('lead where the client wants if the server allows it', async () => {
    for (const [emailRedirectTo, want] of [
      [`${server.url}/deep/page?tab=1`, `${server.url}/deep/page?tab=1`],
      ['https://elsewhere.example/', `${server.url}/_welcome`],
    ]) {
      const email = newEmail()
      ok(await newClient(server.url).signUp({ email, password, options: { emailRedirectTo } }))
      const url = await follow((await lastTo(server, email, 'signup')).link)
      assert.equal(url.href.split('#')[0], want)
    }
  })
})

describe('a code that is too old', async () => {
  const server = await startStandalone({ ...settings, GOTRUE_MAILER_OTP_EXP: '1' })

  test('is refused', async () => {
    const { auth, email, mail } = await signUp(server)
    await new Promise((resolve) => setTimeout(resolve, 1100))
    refused(await auth.verifyOtp({ type: 'signup', email, token: mail.code }), 403, 'otp_expired')
    refused(await auth.verifyOtp({ type: 'signup', token_hash: mail.token_hash }), 403, 'otp_expired')
    assert.equal(fragmentOf(await follow(mail.link)).error_code, 'otp_expired')
  })
})
