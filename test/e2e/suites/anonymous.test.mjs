import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { claimsOf, newClient, newEmail, ok, password, refused, signIn, signUp } from '../support/client.mjs'
import { follow, lastTo } from '../support/inbox.mjs'
import { newPerson, startProvider } from '../support/provider.mjs'
import { comeBack, failed, fragmentOf } from '../support/redirect.mjs'
import { startStandalone } from '../support/standalone.mjs'

const settings = { GOTRUE_SITE_URL: 'http://localhost:3000/', GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED: 'true' }

async function signInAnonymously(server) {
  const auth = newClient(server.url)
  return { auth, ...ok(await auth.signInAnonymously({ options: { data: { cart: 3 } } })) }
}

// staysItself checks that somebody is anonymous no more, to everybody and with the
// same account.
async function staysItself(auth, before, email) {
  const { user } = ok(await auth.getUser())
  assert.deepEqual([user.id, user.email, user.is_anonymous, user.user_metadata.cart], [before.id, email, false, 3])
  const { session } = ok(await auth.refreshSession())
  assert.equal(claimsOf(session.access_token).is_anonymous, false)
}

describe('anonymous users', async () => {
  const provider = await startProvider()
  const server = await startStandalone({
    ...settings, ...provider.settings,
    GOTRUE_MAILER_AUTOCONFIRM: 'false', GOTRUE_SMTP_MAX_FREQUENCY: '0s', GOTRUE_SECURITY_MANUAL_LINKING_ENABLED: 'true',
  })

  test('have a session and nothing else', async () => {
    const { auth, session, user } = await signInAnonymously(server)
    assert.deepEqual([user.is_anonymous, user.email, user.phone, user.identities], [true, '', '', []])
    assert.equal(user.user_metadata.cart, 3)
    const claims = claimsOf(session.access_token)
    assert.deepEqual([claims.is_anonymous, claims.amr.map(({ method }) => method)], [true, ['anonymous']])
    assert.equal(ok(await auth.getUser()).user.id, user.id)
    ok(await auth.refreshSession())
  })

  test('keep what they say of themselves, but cannot have a password without an address', async () => {
    const { auth } = await signInAnonymously(server)
    const { user } = ok(await auth.updateUser({ data: { cart: 4 } }))
    assert.equal(user.user_metadata.cart, 4)
    refused(await auth.updateUser({ password }), 422, 'validation_failed')
  })

  test('become somebody with an address, once it is confirmed, and then a password', async () => {
    const { auth, user } = await signInAnonymously(server)
    const email = newEmail()
    const { user: waiting } = ok(await auth.updateUser({ email }))
    assert.deepEqual([waiting.is_anonymous, waiting.new_email], [true, email])
    await follow((await lastTo(server, email, 'email_change')).link)
    await staysItself(auth, user, email)
    ok(await auth.updateUser({ password }))
    assert.equal((await signIn(server, email)).session.user.id, user.id)
  })

  test('become somebody with an address and a password at once', async () => {
    const { auth, user } = await signInAnonymously(server)
    const email = newEmail()
    ok(await auth.updateUser({ email, password }))
    refused(await newClient(server.url).signInWithPassword({ email, password }), 400, 'invalid_credentials')
    ok(await auth.verifyOtp({ type: 'email_change', email, token: (await lastTo(server, email, 'email_change')).code }))
    await staysItself(auth, user, email)
    assert.equal((await signIn(server, email)).session.user.id, user.id)
  })

  test('become somebody by an identity that they link', async () => {
    const { auth, user } = await signInAnonymously(server)
    const { email } = (provider.person = newPerson())
    const url = await comeBack(ok(await auth.linkIdentity({ provider: 'github' })).url)
    const { access_token, refresh_token } = fragmentOf(url)
    const { user: linked } = ok(await newClient(server.url).setSession({ access_token, refresh_token }))
    assert.deepEqual([linked.id, linked.identities.map(({ provider }) => provider)], [user.id, ['github']])
    assert.equal(claimsOf(access_token).is_anonymous, false)
    await staysItself(auth, user, email)
  })

  test('stay anonymous until an address is confirmed that the identity\'s provider has not verified', async () => {
    const { auth, user } = await signInAnonymously(server)
    const { email } = (provider.person = newPerson({ verified: false }))
    failed(await comeBack(ok(await auth.linkIdentity({ provider: 'github' })).url), { error: 'server_error', error_code: 'email_not_confirmed' })
    assert.equal(ok(await auth.getUser()).user.is_anonymous, true)
    await follow((await lastTo(server, email, 'signup')).link)
    await staysItself(auth, user, email)
  })

  test('cannot become somebody that there is', async () => {
    const { auth } = await signInAnonymously(server)
    const person = (provider.person = newPerson())
    await comeBack(ok(await newClient(server.url).signInWithOAuth({ provider: 'github' })).url)
    failed(await comeBack(ok(await auth.linkIdentity({ provider: 'github' })).url), { error: 'server_error', error_code: 'identity_already_exists' })
    failed(await comeBack(ok(await auth.linkIdentity({ provider: 'keycloak' })).url), { error: 'invalid_request', error_code: 'email_exists' })
    refused(await auth.updateUser({ email: person.email }), 422, 'email_exists')
    const { user } = ok(await auth.getUser())
    assert.deepEqual([user.is_anonymous, user.email, user.identities], [true, '', []])
  })
})

describe('anonymous users where addresses need no confirmation', async () => {
  const server = await startStandalone(settings)

  test('become somebody at once', async () => {
    const { auth, user } = await signInAnonymously(server)
    const email = newEmail()
    ok(await auth.updateUser({ email, password }))
    await staysItself(auth, user, email)
    assert.equal((await signIn(server, email)).session.user.id, user.id)
  })

  test('cannot become somebody that there is', async () => {
    const [{ auth }, { email }] = [await signInAnonymously(server), await signUp(server)]
    refused(await auth.updateUser({ email, password }), 422, 'email_exists')
    assert.equal(ok(await auth.getUser()).user.is_anonymous, true)
  })
})
