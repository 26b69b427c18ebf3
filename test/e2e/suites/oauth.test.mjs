import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'

import { claimsOf, newClient, ok, recordEvents, refused } from '../support/client.mjs'
import { newPerson, startProvider } from '../support/provider.mjs'
import { answerOn, comeBack, failed, fragmentOf, open, queryOf } from '../support/redirect.mjs'
import { startStandalone } from '../support/standalone.mjs'

const site = 'http://localhost:3000/'
const settings = { GOTRUE_SITE_URL: site, GOTRUE_MAILER_AUTOCONFIRM: 'false' }

// urlOf is where a client sends its browser to sign in.
const urlOf = async (auth, provider = 'github', options = {}) => ok(await auth.signInWithOAuth({ provider, options })).url

describe('sign-in with a provider', async () => {
  const provider = await startProvider()
  const server = await startStandalone({ ...settings, ...provider.settings })

  const flows = {
    implicit: async (auth, url) => {
      const { access_token, refresh_token, ...rest } = fragmentOf(url)
      const { session } = ok(await auth.setSession({ access_token, refresh_token }))
      return { ...rest, ...session }
    },
    pkce: async (auth, url) => {
      assert.equal(url.hash, '')
      return ok(await auth.exchangeCodeForSession(url.searchParams.get('code'))).session
    },
  }

  // signIn goes through all of it.
  async function signIn({ flowType = 'pkce', with: name = 'github', options } = {}) {
    const auth = newClient(server.url, { flowType })
    const url = await comeBack(await urlOf(auth, name, options))
    const session = await flows[flowType](auth, url)
    return { auth, url, session, user: session.user }
  }

  for (const [flowType, name] of [['implicit', 'github'], ['implicit', 'keycloak'], ['pkce', 'github'], ['pkce', 'keycloak']]) {
    test(`makes an account: ${name}, ${flowType}`, async () => {
      const person = (provider.person = newPerson())
      const { auth, session, user } = await signIn({ flowType, with: name })
      assert.deepEqual([user.email, user.user_metadata.name, user.is_anonymous], [person.email, person.name, false])
      assert.deepEqual(user.app_metadata, { provider: name, providers: [name] })
      assert.ok(user.email_confirmed_at, 'email_confirmed_at is not set')
      assert.deepEqual(user.identities.map(({ provider, id, email }) => [provider, id, email]), [[name, String(person.id), person.email]])
      assert.deepEqual(claimsOf(session.access_token).amr.map(({ method }) => method), ['oauth'])
      assert.equal(provider.people.get(session.provider_token), person, 'the provider\'s token is another one')
      assert.ok(session.provider_refresh_token, 'provider_refresh_token is not there')
      assert.equal(ok(await auth.getUser()).user.id, user.id)
      ok(await auth.refreshSession())
    })

    test(`finds the account again: ${name}, ${flowType}`, async () => {
      provider.person = newPerson()
      const first = await signIn({ flowType, with: name })
      const again = await signIn({ flowType, with: name })
      assert.equal(again.user.id, first.user.id)
      assert.equal(again.user.identities.length, 1)
      assert.notEqual(claimsOf(again.session.access_token).session_id, claimsOf(first.session.access_token).session_id)
    })
  }

  test('finds the account of who has another address by now, which keeps its own', async () => {
    const person = (provider.person = newPerson())
    const { user } = await signIn()
    const moved = (provider.person = newPerson({ id: person.id, name: 'Ada King' }))
    const { user: now } = await signIn()
    assert.deepEqual([now.id, now.email, now.user_metadata.name], [user.id, person.email, 'Ada King'])
    assert.deepEqual(now.identities.map(({ email }) => email), [moved.email])
  })

  test('takes people for others when they have the login and not the id', async () => {
    provider.person = newPerson()
    const { user } = await signIn()
    provider.person = newPerson()
    assert.notEqual((await signIn()).user.id, user.id)
  })

  test('tells the application, which is sent where it asked to be', async () => {
    provider.person = newPerson()
    const auth = newClient(server.url, { flowType: 'pkce' })
    const events = recordEvents(auth)
    const url = await comeBack(await urlOf(auth, 'github', { redirectTo: `${site}welcome?to=all` }))
    assert.equal(url.origin + url.pathname, `${site}welcome`)
    assert.deepEqual(Object.keys(queryOf(url)), ['code', 'to'])
    ok(await auth.exchangeCodeForSession(url.searchParams.get('code')))
    assert.deepEqual(events, ['INITIAL_SESSION', 'SIGNED_IN'])
  })

  test('is sent to the site if it asked for a place that is not allowed', async () => {
    const url = await comeBack(await urlOf(newClient(server.url), 'github', { redirectTo: 'https://evil.example/' }))
    assert.equal(url.origin + url.pathname, site)
  })

  test('passes on scopes and parameters, but for those of the protocol', async () => {
    await answerOn(await urlOf(newClient(server.url), 'github', {
      scopes: 'read:org,gist', queryParams: { login: 'ada', client_id: 'mine', redirect_uri: 'https://evil.example/', state: 'mine' },
    }))
    const { scope, login, client_id, redirect_uri, state } = provider.asked
    assert.deepEqual(scope.split(' '), ['user:email', 'read:org', 'gist'])
    assert.deepEqual([login, client_id, redirect_uri], ['ada', 'the-client', `${server.url}/callback`])
    assert.match(state, /^[0-9a-f-]{36}$/)
  })

  test('that is denied says so, with the provider\'s words', async () => {
    for (const flowType of ['implicit', 'pkce']) {
      const url = await comeBack(await urlOf(newClient(server.url, { flowType })), 'Deny')
      failed(url, { error: 'access_denied' })
      assert.equal(queryOf(url).error_description, 'They said no.')
    }
  })

  for (const [what, path, lie] of [
    ['does not take the code', '/login/oauth/access_token', { error: 'bad_verification_code' }],
    ['issues no token', '/login/oauth/access_token', {}],
    ['has no profile', '/api/v3/user', 'not today'],
    ['knows nobody', '/api/v3/user', { id: 0 }],
    ['tells no addresses', '/api/v3/user/emails', 'not today'],
    ['knows no address', '/api/v3/user/emails', []],
  ]) {
    test(`fails while the provider ${what}`, async () => {
      provider.person = newPerson()
      const auth = newClient(server.url)
      const back = await answerOn(await urlOf(auth))
      provider.lies = { [path]: lie }
      failed(await open(back), { error: 'server_error', error_code: 'unexpected_failure' })
      provider.lies = {}
      await signIn()
    })
  }

  for (const [flowType, answer, want] of [
    ['implicit', 'Allow', 'bad_oauth_state'], ['implicit', 'Deny', 'flow_state_already_used'], ['pkce', 'Allow', 'flow_state_already_used'],
  ]) {
    test(`ends once: ${flowType}, ${answer}`, async () => {
      provider.person = newPerson()
      const back = await answerOn(await urlOf(newClient(server.url, { flowType })), answer)
      await open(back)
      const again = await open(back, 303)
      assert.deepEqual([again.origin + again.pathname, again.hash], [site, ''])
      assert.equal(queryOf(again).error_code, want)
    })
  }

  test('does not end with a state that nobody began with', async () => {
    for (const [state, want] of [
      ['', 'bad_oauth_callback'], ['made up', 'bad_oauth_state'], [randomUUID(), 'bad_oauth_state'],
    ]) {
      const url = await open(`${server.url}/callback?${new URLSearchParams({ code: 'x', state })}`, 303)
      assert.equal(queryOf(url).error_code, want, state)
      assert.deepEqual([url.origin + url.pathname, url.hash], [site, ''])
    }
  })

  test('does not end with a code that the provider did not give, or without one', async () => {
    provider.person = newPerson()
    for (const [edit, want] of [
      [(query) => query.set('code', 'made up'), { error: 'server_error', error_code: 'unexpected_failure' }],
      [(query) => query.delete('code'), { error: 'invalid_request', error_code: 'bad_oauth_callback' }],
    ]) {
      const back = new URL(await answerOn(await urlOf(newClient(server.url))))
      edit(back.searchParams)
      failed(await open(back), want)
    }
  })

  test('gives a code that is good once, and for who began', async () => {
    provider.person = newPerson()
    const auth = newClient(server.url, { flowType: 'pkce' })
    const code = (await comeBack(await urlOf(auth))).searchParams.get('code')
    const thief = newClient(server.url, { flowType: 'pkce' })
    await urlOf(thief) // for a verifier
    refused(await thief.exchangeCodeForSession(code), 400, 'bad_code_verifier')
    ok(await auth.exchangeCodeForSession(code))
    await urlOf(auth)
    refused(await auth.exchangeCodeForSession(code), 404, 'flow_state_not_found')
  })

  for (const [name, message] of Object.entries({
    google: 'Unsupported provider: provider is not enabled',
    friendster: 'Unsupported provider: Provider friendster could not be found',
    'custom:acme': 'Unsupported provider: custom provider custom:acme not found',
  })) {
    test(`is not offered with ${name}`, async () => {
      const response = await fetch(await urlOf(newClient(server.url), name), { redirect: 'manual' })
      assert.deepEqual([response.status, await response.json()], [400, { code: 400, error_code: 'validation_failed', msg: message }])
    })
  }

  test('is refused by a server that has switched the provider off meanwhile', async () => {
    const back = new URL(await answerOn(await urlOf(newClient(server.url))))
    const other = await startStandalone(settings, { databaseURL: server.databaseURL })
    failed(await open(other.url + back.pathname + back.search), { error: 'invalid_request', error_code: 'oauth_provider_not_supported' })
  })

  test('is among the settings', async () => {
    const { external } = await (await fetch(`${server.url}/settings`)).json()
    assert.deepEqual([external.github, external.keycloak, external.google], [true, true, false])
  })
})

describe('sign-in with a provider where nobody may sign up', async () => {
  const provider = await startProvider()
  const server = await startStandalone({ ...settings, ...provider.settings, GOTRUE_DISABLE_SIGNUP: 'true' })

  test('makes no account', async () => {
    failed(await comeBack(await urlOf(newClient(server.url))), { error: 'access_denied', error_code: 'signup_disabled' })
  })
})
