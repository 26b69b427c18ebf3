import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { claimsOf, newAdmin, newClient, newEmail, ok, password, refused, signIn, signUp } from '../support/client.mjs'
import { startStandalone } from '../support/standalone.mjs'

describe('sign-in with a password', async () => {
  const server = await startStandalone()
  const admin = newAdmin(server)

  test('opens a session', async () => {
    const { email, session: first, user } = await signUp(server)
    const { session } = await signIn(server, email.toUpperCase())
    assert.equal(session.user.id, user.id)
    assert.ok(session.user.last_sign_in_at, 'last_sign_in_at is not set')
    const claims = claimsOf(session.access_token)
    assert.deepEqual([claims.sub, claims.aud, claims.role, claims.aal], [user.id, 'authenticated', 'authenticated', 'aal1'])
    assert.deepEqual(claims.amr.map(({ method }) => method), ['password'])
    assert.notEqual(claims.session_id, claimsOf(first.access_token).session_id)
  })

  test('answers a wrong password and an unknown address alike', async () => {
    const { email } = await signUp(server)
    const wrong = refused(await newClient(server.url).signInWithPassword({ email, password: 'wrong' }), 400, 'invalid_credentials')
    const unknown = refused(await newClient(server.url).signInWithPassword({ email: newEmail(), password }), 400, 'invalid_credentials')
    assert.equal(unknown.message, wrong.message)
  })

  test('tells a banned user only after the right password', async () => {
    const { email, user } = await signUp(server)
    ok(await admin.updateUserById(user.id, { ban_duration: '1h' }))
    refused(await newClient(server.url).signInWithPassword({ email, password: 'wrong' }), 400, 'invalid_credentials')
    refused(await newClient(server.url).signInWithPassword({ email, password }), 400, 'user_banned')
  })

  test('refuses an account that has no password', async () => {
    const email = newEmail()
    ok(await admin.createUser({ email, email_confirm: true }))
    refused(await newClient(server.url).signInWithPassword({ email, password: '' }), 400, 'invalid_credentials')
  })

  test('refuses phone numbers while they are switched off', async () => {
    refused(await newClient(server.url).signInWithPassword({ phone: '+15550100', password }), 422, 'phone_provider_disabled')
  })
})

describe('sign-in with a password that today would be refused', async () => {
  const server = await startStandalone({ GOTRUE_PASSWORD_MIN_LENGTH: '12', GOTRUE_PASSWORD_REQUIRED_CHARACTERS: '0123456789' })

  test('succeeds and says what it lacks', async () => {
    const email = newEmail()
    ok(await newAdmin(server).createUser({ email, password: 'too short', email_confirm: true }))
    const { session, weakPassword } = ok(await newClient(server.url).signInWithPassword({ email, password: 'too short' }))
    assert.ok(session, 'no session')
    assert.deepEqual(weakPassword.reasons, ['length', 'characters'])
  })
})

describe('sign-in with a phone number and a password', async () => {
  const server = await startStandalone({ GOTRUE_EXTERNAL_PHONE_ENABLED: 'true', GOTRUE_SMS_AUTOCONFIRM: 'true' })
  const phone = '+15550101'

  test('opens a session', async () => {
    const { user } = ok(await newClient(server.url).signUp({ phone, password }))
    assert.equal(user.phone, '15550101')
    const { session } = ok(await newClient(server.url).signInWithPassword({ phone, password }))
    assert.equal(session.user.id, user.id)
    refused(await newClient(server.url).signInWithPassword({ phone, password: 'wrong' }), 400, 'invalid_credentials')
  })
})

describe('sign-in by e-mail that is switched off', async () => {
  const server = await startStandalone({ GOTRUE_EXTERNAL_EMAIL_ENABLED: 'false' })

  test('is refused', async () => {
    refused(await newClient(server.url).signInWithPassword({ email: newEmail(), password }), 422, 'email_provider_disabled')
  })
})
