import { isAuthWeakPasswordError } from '@supabase/auth-js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { claimsOf, newAccount, newAdmin, newClient, newEmail, ok, password, refused, signIn, signUp } from '../support/client.mjs'
import { startStandalone } from '../support/standalone.mjs'

describe('sign-up where addresses need no confirmation', async () => {
  const server = await startStandalone()

  test('signs in', async () => {
    const { auth, email, session, user } = await signUp(server)
    assert.equal(session.token_type, 'bearer')
    assert.equal(session.expires_in, 3600)
    assert.equal(session.expires_at, claimsOf(session.access_token).exp)
    assert.deepEqual(session.user, user)
    assert.equal(ok(await auth.getUser()).user.email, email)
  })

  test('answers with the whole user', async () => {
    const email = newEmail()
    const { user } = ok(await newClient(server.url).signUp({ email: email.toUpperCase(), password, options: { data: { name: 'Ada' } } }))
    assert.equal(user.email, email)
    assert.deepEqual([user.aud, user.role, user.phone, user.is_anonymous], ['authenticated', 'authenticated', '', false])
    assert.ok(user.email_confirmed_at, 'email_confirmed_at is not set')
    assert.deepEqual(user.app_metadata, { provider: 'email', providers: ['email'] })
    assert.equal(user.user_metadata.name, 'Ada')
    assert.deepEqual(user.identities.map(({ provider, id }) => [provider, id]), [['email', user.id]])
  })

  test('refuses a taken address', async () => {
    const { email } = await signUp(server)
    refused(await newClient(server.url).signUp({ email: email.toUpperCase(), password }), 422, 'user_already_exists')
  })

  test('says what a weak password lacks', async () => {
    const { data, error } = await newClient(server.url).signUp({ email: newEmail(), password: 'short' })
    assert.ok(isAuthWeakPasswordError(error), `got ${error}`)
    assert.deepEqual([error.status, error.code, error.reasons], [422, 'weak_password', ['length']])
    assert.deepEqual(data, { user: null, session: null })
  })

  for (const [what, credentials] of Object.entries({
    'an address without @': { email: 'ada.example.com', password },
    'no password': { email: 'ada@example.com', password: '' },
    'a password that would be cut off': { email: 'ada@example.com', password: 'x'.repeat(73) },
    'half of a PKCE challenge': { email: 'ada@example.com', password, challenge: 'x'.repeat(43) },
  })) {
    test(`refuses ${what}`, async () => {
      const response = await fetch(`${server.url}/signup`, {
        method: 'POST',
        body: JSON.stringify({ ...credentials, code_challenge: credentials.challenge }),
      })
      assert.equal(response.status, 400)
      assert.equal((await response.json()).error_code, 'validation_failed')
    })
  }

  test('accepts a PKCE client', async () => {
    const { session } = await signUp(server, { flowType: 'pkce' })
    assert.ok(session, 'no session')
  })

  test('refuses anonymous users while they are switched off', async () => {
    refused(await newClient(server.url).signInAnonymously(), 422, 'anonymous_provider_disabled')
  })
})

describe('sign-up that is switched off', async () => {
  const server = await startStandalone({ GOTRUE_DISABLE_SIGNUP: 'true' })

  test('is refused', async () => {
    refused(await newClient(server.url).signUp({ email: newEmail(), password }), 422, 'signup_disabled')
  })

  test('does not concern accounts that an operator makes', async () => {
    const email = newEmail()
    ok(await newAdmin(server).createUser({ email, password, email_confirm: true }))
    await signIn(server, email)
  })
})

describe('sign-up where addresses have to be confirmed', async () => {
  const server = await startStandalone({ GOTRUE_MAILER_AUTOCONFIRM: 'false' })
  const admin = newAdmin(server)

  async function pending() {
    const email = newEmail()
    const { session, user } = ok(await newClient(server.url).signUp({ email, password }))
    return { email, session, user }
  }

  test('answers with a user and no session', async () => {
    const { email, session, user } = await pending()
    assert.equal(session, null)
    assert.equal(user.email, email)
    assert.equal(user.email_confirmed_at, undefined)
    assert.ok(user.confirmation_sent_at, 'confirmation_sent_at is not set')
    assert.equal(user.identities.length, 1)
  })

  test('refuses sign-in until the address is confirmed', async () => {
    const { email, user } = await pending()
    refused(await newClient(server.url).signInWithPassword({ email, password }), 400, 'email_not_confirmed')
    ok(await admin.updateUserById(user.id, { email_confirm: true }))
    await signIn(server, email)
  })

  test('can be repeated after a minute', async () => {
    const { email } = await pending()
    refused(await newClient(server.url).signUp({ email, password }), 429, 'over_email_send_rate_limit')
  })

  test('shows nothing of an account that exists', async () => {
    const { email, user } = await newAccount(server)
    const again = ok(await newClient(server.url).signUp({ email, password: 'another good password' }))
    assert.equal(again.session, null)
    assert.notEqual(again.user.id, user.id)
    assert.deepEqual([again.user.email, again.user.role, again.user.identities], [email, '', []])
    await signIn(server, email)
  })
})
