import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { newAccount, newAdmin, newEmail, ok, password, refused, signIn } from '../support/client.mjs'
import { follow, lastTo, messagesTo } from '../support/inbox.mjs'
import { fragmentOf } from '../support/redirect.mjs'
import { startStandalone } from '../support/standalone.mjs'

// change asks for a new address and returns the mails by whom they went to.
async function change(server, both = true) {
  const { email, user } = await newAccount(server)
  const { auth } = await signIn(server, email)
  const next = newEmail()
  const { user: waiting } = ok(await auth.updateUser({ email: next }))
  assert.deepEqual([waiting.email, waiting.new_email], [email, next])
  const current = both ? await lastTo(server, email, 'email_change') : null
  return { auth, email, next, user, mails: { current, next: await lastTo(server, next, 'email_change') } }
}

describe('a change of the address', async () => {
  const server = await startStandalone({ GOTRUE_MAILER_AUTOCONFIRM: 'false', GOTRUE_SMTP_MAX_FREQUENCY: '0s' })

  async function assertAddress(auth, email) {
    assert.equal(ok(await auth.getUser()).user.email, email)
  }

  const proofs = {
    code: (auth, { to, code }) => auth.verifyOtp({ type: 'email_change', email: to, token: code }),
    'token hash': (auth, { token_hash }) => auth.verifyOtp({ type: 'email_change', token_hash }),
  }
  for (const [how, prove] of Object.entries(proofs)) {
    for (const order of [['current', 'next'], ['next', 'current']]) {
      test(`needs the ${how} of both mails, ${order[0]} first`, async () => {
        const { auth, email, next, user, mails } = await change(server)
        assert.equal(ok(await prove(auth, mails[order[0]])).session, null)
        await assertAddress(auth, email)
        refused(await prove(auth, mails[order[0]]), 403, 'otp_expired')
        const { user: changed } = ok(await prove(auth, mails[order[1]]))
        assert.deepEqual([changed.id, changed.email, changed.new_email], [user.id, next, undefined])
        await signIn(server, next)
      })
    }
  }

  test('needs the links of both mails', async () => {
    const { auth, email, next, mails } = await change(server)
    assert.match(fragmentOf(await follow(mails.next.link)).message, /confirm link sent to the other email/)
    await assertAddress(auth, email)
    const { access_token, refresh_token, type } = fragmentOf(await follow(mails.current.link))
    assert.equal(type, 'email_change')
    assert.equal(ok(await auth.setSession({ access_token, refresh_token })).user.email, next)
  })

  test('can be sent again, after which the first mails are void', async () => {
    const { auth, email, next, mails } = await change(server)
    ok(await auth.resend({ type: 'email_change', email }))
    for (const mail of Object.values(mails)) refused(await proofs['token hash'](auth, mail), 403, 'otp_expired')
    for (const to of [email, next]) ok(await proofs.code(auth, await lastTo(server, to, 'email_change')))
    await signIn(server, next)
  })

  test('to an address that somebody took meanwhile does not happen', async () => {
    const one = await change(server)
    ok(await newAdmin(server).createUser({ email: one.next, password, email_confirm: true }))
    ok(await proofs.code(one.auth, one.mails.current))
    const { error } = await proofs['token hash'](one.auth, one.mails.next)
    assert.ok(error, 'two accounts have one address')
    await assertAddress(one.auth, one.email)
  })
})

describe('a change of the address that one mail is enough for', async () => {
  const server = await startStandalone({ GOTRUE_MAILER_SECURE_EMAIL_CHANGE_ENABLED: 'false' })

  test('is confirmed at the new address', async () => {
    const { auth, email, next, mails } = await change(server, false)
    assert.deepEqual(await messagesTo(server, email), [])
    assert.equal(ok(await auth.verifyOtp({ type: 'email_change', email: next, token: mails.next.code })).user.email, next)
  })

  test('can be asked for once a minute', async () => {
    const { auth, email } = await change(server, false)
    refused(await auth.updateUser({ email: newEmail() }), 429, 'over_email_send_rate_limit')
    refused(await auth.resend({ type: 'email_change', email }), 429, 'over_email_send_rate_limit')
  })
})
