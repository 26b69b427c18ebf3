import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'

import { newAccount, newAdmin, newClient, newEmail, ok, password, refused, signedOut, signIn } from '../support/client.mjs'
import { follow, lastTo, messagesTo } from '../support/inbox.mjs'
import { newPerson, startProvider } from '../support/provider.mjs'
import { comeBack, failed, queryOf } from '../support/redirect.mjs'
import { startStandalone } from '../support/standalone.mjs'

const settings = {
  GOTRUE_SITE_URL: 'http://localhost:3000/',
  GOTRUE_MAILER_AUTOCONFIRM: 'false',
  GOTRUE_SMTP_MAX_FREQUENCY: '0s',
  GOTRUE_SECURITY_MANUAL_LINKING_ENABLED: 'true',
}

const providersOf = ({ identities }) => identities.map(({ provider }) => provider).sort()

// visit has a new client sign in with a provider, and returns it and where the
// browser is in the end.
async function visit(server, provider = 'github') {
  const auth = newClient(server.url, { flowType: 'pkce' })
  return { auth, url: await comeBack(ok(await auth.signInWithOAuth({ provider })).url) }
}

async function signInWith(server, provider) {
  const { auth, url } = await visit(server, provider)
  const { session, user } = ok(await auth.exchangeCodeForSession(url.searchParams.get('code')))
  return { auth, session, user }
}

const unverified = { error: 'access_denied', error_code: 'provider_email_needs_verification' }

describe('who signs in with a provider and has an address that is known', async () => {
  const provider = await startProvider()
  const server = await startStandalone({ ...settings, ...provider.settings })
  const admin = newAdmin(server)

  test('has one account, if both sides have verified it', async () => {
    const { email, user } = await newAccount(server)
    provider.person = newPerson({ email: email.toUpperCase() })
    const { user: linked } = await signInWith(server)
    assert.deepEqual([linked.id, linked.email, providersOf(linked)], [user.id, email, ['email', 'github']])
    assert.deepEqual(linked.app_metadata.providers.sort(), ['email', 'github'])
    await signIn(server, email)
  })

  test('has one account with any number of providers', async () => {
    provider.person = newPerson()
    const { user } = await signInWith(server, 'github')
    const { user: linked } = await signInWith(server, 'keycloak')
    assert.deepEqual([linked.id, providersOf(linked)], [user.id, ['github', 'keycloak']])
  })

  test('is refused while the provider has not verified it, and neither account nor owner notice', async () => {
    const { email, user } = await newAccount(server)
    provider.person = newPerson({ email, verified: false })
    for (const name of ['github', 'keycloak']) failed((await visit(server, name)).url, unverified)
    assert.deepEqual(providersOf(ok(await admin.getUserById(user.id)).user), ['email'])
    assert.deepEqual(await messagesTo(server, email), [])
  })

  test('is refused for a "true" that is a text, too', async () => {
    const { email, user } = await newAccount(server)
    provider.person = newPerson({ email, verified: 'true' })
    failed((await visit(server, 'keycloak')).url, unverified)
    assert.deepEqual(providersOf(ok(await admin.getUserById(user.id)).user), ['email'])
  })

  test('takes over an account that somebody made with the address and never confirmed', async () => {
    const [squatter, email] = [newClient(server.url), newEmail()]
    const { user } = ok(await squatter.signUp({ email, password, options: { data: { name: 'Mallory' } } }))
    const { code } = await lastTo(server, email, 'signup')
    provider.person = newPerson({ email })
    const { user: owner } = await signInWith(server)
    assert.deepEqual([owner.id, owner.user_metadata.name, providersOf(owner)], [user.id, 'Ada Lovelace', ['github']])
    refused(await squatter.signInWithPassword({ email, password }), 400, 'invalid_credentials')
    refused(await squatter.verifyOtp({ type: 'signup', email, token: code }), 403, 'otp_expired')
  })

  test('is refused while banned', async () => {
    const { email, user } = await newAccount(server)
    ok(await admin.updateUserById(user.id, { ban_duration: '1h' }))
    provider.person = newPerson({ email })
    failed((await visit(server)).url, { error: 'access_denied', error_code: 'user_banned' })
  })
})

describe('who signs in with a provider that has not verified the address', async () => {
  const provider = await startProvider()
  const server = await startStandalone({ ...settings, ...provider.settings })

  test('has to confirm it by mail first', async () => {
    const { email } = (provider.person = newPerson({ verified: false }))
    const { url } = await visit(server)
    failed(url, unverified)
    assert.match(queryOf(url).error_description, /^Unverified email with github\. A confirmation email has been sent/)
    failed((await visit(server)).url, unverified)

    await follow((await lastTo(server, email, 'signup')).link)
    const { user } = await signInWith(server)
    assert.deepEqual([user.email, providersOf(user)], [email, ['github']])
    assert.ok(user.email_confirmed_at, 'email_confirmed_at is not set')
  })
})

describe('a signed-in user', async () => {
  const provider = await startProvider()
  const server = await startStandalone({ ...settings, ...provider.settings })

  // link has a user link an identity of whoever is at the provider's page, and
  // returns where the browser is in the end.
  const link = async (auth, name = 'github') => comeBack(ok(await auth.linkIdentity({ provider: name })).url)

  async function signedIn(options) {
    const { email, user } = await newAccount(server)
    const auth = newClient(server.url, options)
    ok(await auth.signInWithPassword({ email, password }))
    return { auth, email, user }
  }

  async function linked() {
    const { auth, email, user } = await signedIn({ flowType: 'pkce' })
    provider.person = newPerson()
    ok(await auth.exchangeCodeForSession((await link(auth)).searchParams.get('code')))
    const { identities } = ok(await auth.getUserIdentities())
    return { auth, email, user, identity: (name) => identities.find(({ provider }) => provider === name) }
  }

  for (const flowType of ['implicit', 'pkce']) {
    test(`links an identity with another address, which is a way in from then on: ${flowType}`, async () => {
      const { auth, email, user } = await signedIn({ flowType })
      const person = (provider.person = newPerson())
      const url = await link(auth)
      assert.equal(url.hash !== '', flowType === 'implicit')
      const { identities } = ok(await auth.getUserIdentities())
      assert.deepEqual(identities.map(({ provider, id, email }) => [provider, id, email]).sort(), [
        ['email', user.id, email], ['github', String(person.id), person.email],
      ])
      const { user: back } = await signInWith(server)
      assert.deepEqual([back.id, back.email, back.app_metadata.providers.sort()], [user.id, email, ['email', 'github']])
    })
  }

  test('cannot link what is linked', async () => {
    const [{ auth }, stranger] = [await linked(), await signedIn()]
    const taken = { error: 'server_error', error_code: 'identity_already_exists' }
    failed(await link(auth), taken)
    const url = await link(stranger.auth)
    failed(url, taken)
    assert.equal(queryOf(url).error_description, 'Identity is already linked to another user')
    assert.deepEqual(providersOf(ok(await stranger.auth.getUserIdentities())), ['email'])
  })

  test('cannot link with a provider that is not there', async () => {
    const { auth } = await signedIn()
    refused(await auth.linkIdentity({ provider: 'google' }), 400, 'validation_failed')
  })

  test('unlinks an identity, which then is somebody else', async () => {
    const { auth, user, identity } = await linked()
    ok(await auth.unlinkIdentity(identity('github')))
    assert.deepEqual(providersOf(ok(await auth.getUserIdentities())), ['email'])
    assert.deepEqual(ok(await auth.getUser()).user.app_metadata.providers, ['email'])
    assert.notEqual((await signInWith(server)).user.id, user.id)
    refused(await auth.unlinkIdentity(identity('github')), 422, 'single_identity_not_deletable')
  })

  test('goes by the address of the identity that is left', async () => {
    const { auth, email, identity } = await linked()
    ok(await auth.unlinkIdentity(identity('email')))
    const { user } = ok(await auth.getUser())
    assert.deepEqual([user.email, providersOf(user)], [provider.person.email, ['github']])
    await signIn(server, user.email)
    refused(await newClient(server.url).signInWithPassword({ email, password }), 400, 'invalid_credentials')
    refused(await auth.unlinkIdentity(identity('github')), 422, 'single_identity_not_deletable')
  })

  test('cannot unlink what is another\'s', async () => {
    const [{ auth }, other] = [await linked(), await linked()]
    for (const name of ['github', 'email']) refused(await auth.unlinkIdentity(other.identity(name)), 422, 'identity_not_found')
    refused(await auth.unlinkIdentity({ identity_id: randomUUID() }), 422, 'identity_not_found')
    refused(await auth.unlinkIdentity({ identity_id: 'github' }), 404, 'validation_failed')
    assert.deepEqual(providersOf(ok(await other.auth.getUserIdentities())), ['email', 'github'])
  })

  test('is who links and unlinks', async () => {
    const [auth, { identity }] = [newClient(server.url), await linked()]
    refused(await auth.linkIdentity({ provider: 'github' }), 401, 'no_authorization')
    refused(await auth.unlinkIdentity(identity('github')), 401, 'no_authorization')
    signedOut(await auth.getUserIdentities())
  })

  test('cannot link any more when deleted meanwhile', async () => {
    const { auth, user } = await signedIn()
    provider.person = newPerson()
    const { url } = ok(await auth.linkIdentity({ provider: 'github' }))
    ok(await newAdmin(server).deleteUser(user.id))
    const back = await comeBack(url, 'Allow', 303)
    assert.deepEqual([queryOf(back).error_code, back.hash], ['user_not_found', ''])
  })
})

describe('a signed-in user where linking is switched off', async () => {
  const provider = await startProvider()
  const server = await startStandalone({ ...settings, ...provider.settings, GOTRUE_SECURITY_MANUAL_LINKING_ENABLED: 'false' })

  test('neither links nor unlinks', async () => {
    const { email } = await newAccount(server)
    provider.person = newPerson({ email })
    const { auth, user } = await signInWith(server)
    refused(await auth.linkIdentity({ provider: 'keycloak' }), 404, 'manual_linking_disabled')
    refused(await auth.unlinkIdentity(user.identities[0]), 404, 'manual_linking_disabled')
  })
})
