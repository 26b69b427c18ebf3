import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { newAdmin, newClient, newPhone, ok, otherCode, password, refused, signUp } from '../support/client.mjs'
import { lastTo, messagesTo } from '../support/inbox.mjs'
import { startStandalone } from '../support/standalone.mjs'

const settings = { GOTRUE_EXTERNAL_PHONE_ENABLED: 'true' }
const testNumber = { phone: '15550100', token: '123456' }

describe('a phone number', async () => {
  const server = await startStandalone({
    ...settings, GOTRUE_SMS_MAX_FREQUENCY: '0s', GOTRUE_SMS_TEST_OTP: `${testNumber.phone}:${testNumber.token}`,
  })

  async function signedIn() {
    const [auth, phone] = [newClient(server.url), newPhone()]
    ok(await auth.signInWithOtp({ phone }))
    const { user } = ok(await auth.verifyOtp({ type: 'sms', phone, token: (await lastTo(server, phone, 'sms')).code }))
    return { auth, phone, user }
  }

  test('signs in with a code, first a new account and then the same', async () => {
    const { auth, phone, user } = await signedIn()
    assert.deepEqual([user.phone, user.email, user.app_metadata.provider], [phone, '', 'phone'])
    assert.ok(user.phone_confirmed_at, 'phone_confirmed_at is not set')
    const { messageId } = ok(await auth.signInWithOtp({ phone: `+${phone}` }))
    const { id, code, text } = await lastTo(server, phone, 'sms')
    assert.equal(messageId, id)
    assert.ok(text.includes(code), `the text is ${text}`)
    assert.equal(ok(await auth.verifyOtp({ type: 'sms', phone, token: code })).user.id, user.id)
  })

  test('can be sent a code by WhatsApp', async () => {
    const phone = newPhone()
    ok(await newClient(server.url).signInWithOtp({ phone, options: { channel: 'whatsapp' } }))
    await lastTo(server, phone, 'whatsapp')
  })

  test('takes a code once, and no other', async () => {
    const [auth, phone] = [newClient(server.url), newPhone()]
    ok(await auth.signInWithOtp({ phone }))
    const { code } = await lastTo(server, phone, 'sms')
    refused(await auth.verifyOtp({ type: 'sms', phone, token: otherCode(code) }), 403, 'otp_expired')
    refused(await auth.verifyOtp({ type: 'phone_change', phone, token: code }), 403, 'otp_expired')
    ok(await auth.verifyOtp({ type: 'sms', phone, token: code }))
    refused(await auth.verifyOtp({ type: 'sms', phone, token: code }), 403, 'otp_expired')
  })

  test('has no account where none is to be made', async () => {
    const phone = newPhone()
    refused(await newClient(server.url).signInWithOtp({ phone, options: { shouldCreateUser: false } }), 422, 'otp_disabled')
    assert.deepEqual(await messagesTo(server, phone), [])
  })

  test('signs up with a password and confirms by code, sent twice', async () => {
    const [auth, phone] = [newClient(server.url), newPhone()]
    assert.equal(ok(await auth.signUp({ phone, password })).session, null)
    refused(await auth.signInWithPassword({ phone, password }), 400, 'phone_not_confirmed')
    ok(await auth.resend({ type: 'sms', phone }))
    assert.equal((await messagesTo(server, phone)).length, 2)
    ok(await auth.verifyOtp({ type: 'sms', phone, token: (await lastTo(server, phone, 'sms')).code }))
    ok(await newClient(server.url).signInWithPassword({ phone, password }))
  })

  test('can be one for tests, which nothing is sent to', async () => {
    const auth = newClient(server.url)
    for (const messageId of [undefined, 'test-otp']) {
      assert.equal(ok(await auth.signInWithOtp({ phone: testNumber.phone })).messageId ?? undefined, messageId)
      assert.equal(ok(await auth.verifyOtp({ type: 'sms', ...testNumber })).user.phone, testNumber.phone)
    }
    assert.deepEqual(await messagesTo(server, testNumber.phone), [])
  })

  test('changes when the new one is confirmed', async () => {
    const { auth, phone, user } = await signedIn()
    const next = newPhone()
    const { user: waiting } = ok(await auth.updateUser({ phone: next }))
    assert.deepEqual([waiting.phone, waiting.new_phone], [phone, next])
    ok(await auth.resend({ type: 'phone_change', phone }))
    const { code } = await lastTo(server, next, 'sms')
    assert.equal((await messagesTo(server, next)).length, 2)
    refused(await auth.verifyOtp({ type: 'sms', phone: next, token: code }), 403, 'otp_expired')
    const { user: changed } = ok(await auth.verifyOtp({ type: 'phone_change', phone: next, token: code }))
    assert.deepEqual([changed.id, changed.phone, changed.new_phone], [user.id, next, undefined])
  })

  test('is added to an account with an address', async () => {
    const { auth, user } = await signUp(server)
    const phone = newPhone()
    ok(await auth.updateUser({ phone }))
    ok(await auth.verifyOtp({ type: 'phone_change', phone, token: (await lastTo(server, phone, 'sms')).code }))
    const { user: now } = ok(await auth.getUser())
    assert.deepEqual([now.id, now.phone, now.identities.map(({ provider }) => provider).sort()], [user.id, phone, ['email', 'phone']])
  })

  test('that another has cannot be taken', async () => {
    const [{ auth }, { phone }] = [await signedIn(), await signedIn()]
    refused(await auth.updateUser({ phone }), 422, 'phone_exists')
  })
})

describe('text messages', async () => {
  const server = await startStandalone(settings)

  test('to one number come no faster than one a minute', async () => {
    const [auth, phone] = [newClient(server.url), newPhone()]
    ok(await auth.signInWithOtp({ phone }))
    refused(await auth.signInWithOtp({ phone }), 429, 'over_sms_send_rate_limit')
    refused(await auth.resend({ type: 'sms', phone }), 429, 'over_sms_send_rate_limit')
    assert.equal((await messagesTo(server, phone)).length, 1)
  })
})

describe('phone numbers that are switched off', async () => {
  const server = await startStandalone()

  test('neither sign up nor in', async () => {
    const [auth, phone] = [newClient(server.url), newPhone()]
    refused(await auth.signInWithOtp({ phone }), 400, 'phone_provider_disabled')
    refused(await auth.signUp({ phone, password }), 400, 'phone_provider_disabled')
    ok(await newAdmin(server).createUser({ phone, password, phone_confirm: true }))
    refused(await auth.signInWithPassword({ phone, password }), 422, 'phone_provider_disabled')
  })
})
