import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { newAdmin, newClient, ok, refused, signUp } from '../support/client.mjs'
import { newKey } from '../support/jwt.mjs'
import { client, newPerson, startProvider } from '../support/provider.mjs'
import { answerOn, comeBack, failed, fragmentOf, open } from '../support/redirect.mjs'
import { startStandalone } from '../support/standalone.mjs'

const settings = { GOTRUE_SITE_URL: 'http://localhost:3000/', GOTRUE_MAILER_AUTOCONFIRM: 'false' }
const reachable = { POSTERN_OUTBOUND_NETWORKS: '127.0.0.0/8,::1/128' } // where the provider is

const credentials = { client_id: client.id, client_secret: client.secret }
const elsewhere = {
  provider_type: 'oauth2', identifier: 'custom:acme', name: 'Acme', ...credentials,
  authorization_url: 'https://192.0.2.1/authorize', token_url: 'https://192.0.2.1/token', userinfo_url: 'https://192.0.2.1/userinfo',
}

// descriptions are what an operator says of the provider, as either of the types.
const descriptions = (provider) => ({
  oidc: { provider_type: 'oidc', identifier: 'custom:acme', name: 'Acme', ...credentials, issuer: provider.issuer },
  oauth2: {
    provider_type: 'oauth2', identifier: 'custom:acme-2', name: 'Acme without OpenID', ...credentials, scopes: ['profile'],
    authorization_url: `${provider.issuer}/protocol/openid-connect/auth`,
    token_url: `${provider.issuer}/protocol/openid-connect/token`,
    userinfo_url: `${provider.issuer}/protocol/openid-connect/userinfo`,
    attribute_mapping: { nickname: 'name' },
  },
})

describe('an operator\'s custom providers', async () => {
  const provider = await startProvider({ secure: true })
  const server = await startStandalone({ ...settings, ...reachable })
  const { customProviders } = newAdmin(server)
  const { oidc, oauth2 } = descriptions(provider)

  test('are made, shown, listed, changed and deleted', async () => {
    const made = ok(await customProviders.createProvider(oidc))
    assert.deepEqual([made.identifier, made.provider_type, made.name, made.issuer], ['custom:acme', 'oidc', 'Acme', provider.issuer])
    assert.deepEqual([made.scopes, made.pkce_enabled, made.enabled, made.email_optional], [['openid'], true, true, false])
    assert.equal(made.discovery_document.token_endpoint, `${provider.issuer}/protocol/openid-connect/token`)
    ok(await customProviders.createProvider(oauth2))

    const identifiers = async (params) => ok(await customProviders.listProviders(params)).providers.map(({ identifier }) => identifier)
    assert.deepEqual(await identifiers(), ['custom:acme-2', 'custom:acme'])
    assert.deepEqual(await identifiers({ type: 'oidc' }), ['custom:acme'])
    assert.deepEqual(ok(await customProviders.getProvider('custom:acme')), made)

    const changed = ok(await customProviders.updateProvider('custom:acme', { name: 'Acme & Sons', scopes: ['email'] }))
    assert.deepEqual([changed.id, changed.name, changed.scopes], [made.id, 'Acme & Sons', ['openid', 'email']])
    assert.ok(changed.updated_at > made.updated_at, `updated_at is ${changed.updated_at}`)

    for (const identifier of ['custom:acme', 'custom:acme-2']) assert.ifError((await customProviders.deleteProvider(identifier)).error)
    assert.deepEqual(await identifiers(), [])
    refused(await customProviders.getProvider('custom:acme'), 404, 'custom_provider_not_found')
    refused(await customProviders.updateProvider('custom:acme', { name: 'Acme' }), 404, 'custom_provider_not_found')
    refused(await customProviders.deleteProvider('custom:acme'), 404, 'custom_provider_not_found')
  })

  test('never show their secret', async () => {
    const made = await customProviders.createProvider({ ...oauth2, identifier: 'custom:secretive' })
    for (const answer of [made, await customProviders.getProvider('custom:secretive'), await customProviders.listProviders()]) {
      assert.ok(!JSON.stringify(ok(answer)).includes(client.secret), 'the secret is shown')
    }
    assert.ifError((await customProviders.deleteProvider('custom:secretive')).error)
  })

  test('are not made of nonsense', async () => {
    for (const [edit, message] of [
      [{ provider_type: 'saml' }, /^provider_type must be/],
      [{ identifier: 'acme' }, /must start with 'custom:'/],
      [{ identifier: 'custom:A B' }, /^identifier may have/],
      [{ name: '' }, /^name is required$/],
      [{ client_secret: '' }, /^client_secret is required$/],
      [{ issuer: '' }, /^issuer is required/],
      [{ issuer: provider.issuer.replace('https:', 'http:') }, /^URL must use HTTPS$/],
      [{ issuer: `${provider.url}/realms/other` }, /^OIDC discovery from .* failed/],
      [{ authorization_params: { state: 'mine' } }, /^Cannot override reserved OAuth parameter: state$/],
      [{ attribute_mapping: { role: 'name' } }, /^Cannot map to protected system field: role$/],
    ]) {
      const error = refused(await customProviders.createProvider({ ...oidc, ...edit }), 400, 'validation_failed')
      assert.match(error.message, message)
    }
    provider.lies = { '/realms/acme/.well-known/openid-configuration': { issuer: 'https://evil.example' } }
    refused(await customProviders.createProvider(oidc), 400, 'validation_failed')
    provider.lies = {}
  })

  test('have one identifier each', async () => {
    ok(await customProviders.createProvider(oidc))
    refused(await customProviders.createProvider(oidc), 400, 'conflict')
    assert.ifError((await customProviders.deleteProvider('custom:acme')).error)
  })

  test('are the operator\'s', async () => {
    const { session } = await signUp(await startStandalone({ GOTRUE_MAILER_AUTOCONFIRM: 'true' }, { databaseURL: server.databaseURL }))
    refused(await newAdmin(server, session.access_token).customProviders.createProvider(oidc), 403, 'not_admin')
    refused(await newAdmin(server, session.access_token).customProviders.listProviders(), 403, 'not_admin')
  })
})

describe('sign-in with a custom provider', async () => {
  const provider = await startProvider({ secure: true })
  const server = await startStandalone({ ...settings, ...reachable })
  const { customProviders } = newAdmin(server)
  const { oidc, oauth2 } = descriptions(provider)
  for (const description of [oidc, oauth2]) ok(await customProviders.createProvider(description))

  const urlOf = async (auth, identifier, options) => ok(await auth.signInWithOAuth({ provider: identifier, options })).url

  async function signIn(identifier, options) {
    const auth = newClient(server.url, { flowType: 'pkce' })
    const url = await comeBack(await urlOf(auth, identifier, options))
    return ok(await auth.exchangeCodeForSession(url.searchParams.get('code'))).user
  }

  for (const { provider_type, identifier } of [oidc, oauth2]) {
    test(`makes an account, and finds it again: ${provider_type}`, async () => {
      const person = (provider.person = newPerson())
      const user = await signIn(identifier)
      assert.deepEqual([user.email, user.app_metadata.provider], [person.email, identifier])
      assert.deepEqual(user.identities.map(({ provider, id }) => [provider, id]), [[identifier, String(person.id)]])
      assert.equal((await signIn(identifier)).id, user.id)
    })

    test(`is bound to its page by PKCE there as well: ${provider_type}`, async () => {
      await answerOn(await urlOf(newClient(server.url), identifier))
      assert.equal(provider.asked.code_challenge_method, 'S256')
    })
  }

  for (const [what, makeToken] of Object.entries({
    'for another client': () => provider.idToken({ aud: 'another' }),
    'of another issuer': () => provider.idToken({ iss: 'https://evil.example' }),
    'that has expired': () => provider.idToken({ iat: 1, exp: 2 }),
    'with a nonce that nobody asked for': () => provider.idToken({ nonce: 'surprise' }),
    'with another key\'s signature': () => provider.idToken({}, newKey('RS256', provider.key.jwk.kid)),
  })) {
    test(`fails when there is an ID token ${what}`, async () => {
      provider.person = newPerson()
      const back = await answerOn(await urlOf(newClient(server.url), oidc.identifier))
      provider.lies = { '/realms/acme/protocol/openid-connect/token': { access_token: 'x', token_type: 'bearer', id_token: makeToken() } }
      failed(await open(back), { error: 'server_error', error_code: 'unexpected_failure' })
      provider.lies = {}
    })
  }

  test('ends only if it is the provider\'s page that sends back', async () => {
    provider.person = newPerson()
    const comeFrom = async (iss) => { // RFC 9207
      const back = new URL(await answerOn(await urlOf(newClient(server.url), oidc.identifier)))
      back.searchParams.set('iss', iss)
      return open(back)
    }
    failed(await comeFrom('https://evil.example'), { error: 'invalid_request', error_code: 'bad_oauth_callback' })
    assert.ok(fragmentOf(await comeFrom(provider.issuer)).access_token, 'no session')
  })

  test('maps attributes', async () => {
    provider.person = newPerson({ name: 'Countess' })
    assert.equal((await signIn(oauth2.identifier)).user_metadata.nickname, 'Countess')
  })

  test('asks for the scopes of the request in place of its own', async () => {
    await answerOn(await urlOf(newClient(server.url), oauth2.identifier))
    assert.equal(provider.asked.scope, 'profile')
    await answerOn(await urlOf(newClient(server.url), oauth2.identifier, { scopes: 'email address' }))
    assert.equal(provider.asked.scope, 'email address')
  })

  test('takes ID tokens of an OpenID issuer, and of no other', async () => {
    provider.person = newPerson()
    const signInWith = (name) => newClient(server.url).signInWithIdToken({ provider: name, token: provider.idToken() })
    assert.equal(ok(await signInWith(oidc.identifier)).user.email, provider.person.email)
    refused(await signInWith(oauth2.identifier), 400, 'validation_failed')
    refused(await signInWith('custom:nobody'), 400, 'validation_failed')
  })

  test('ends with a new secret at once, and not at all while switched off', async () => {
    const back = await answerOn(await urlOf(newClient(server.url), oidc.identifier))
    ok(await customProviders.updateProvider(oidc.identifier, { client_secret: 'wrong' }))
    failed(await open(back), { error: 'server_error', error_code: 'unexpected_failure' })

    const later = await answerOn(await urlOf(newClient(server.url), oidc.identifier))
    ok(await customProviders.updateProvider(oidc.identifier, { client_secret: client.secret, enabled: false }))
    failed(await open(later), { error: 'invalid_request', error_code: 'oauth_provider_not_supported' })
    const answer = await fetch(await urlOf(newClient(server.url), oidc.identifier), { redirect: 'manual' })
    assert.deepEqual([answer.status, (await answer.json()).msg], [400, 'Unsupported provider: custom provider custom:acme is disabled'])

    ok(await customProviders.updateProvider(oidc.identifier, { enabled: true }))
    await signIn(oidc.identifier)
  })
})

describe('a custom provider\'s endpoints', async () => {
  const provider = await startProvider({ secure: true })
  const server = await startStandalone(settings)
  const { customProviders } = newAdmin(server)

  for (const [url, message] of [
    ['http://192.0.2.1/', 'URL must use HTTPS'],
    ['https://', 'URL must have a valid hostname'],
    ['https://localhost/', 'URL cannot point to localhost or loopback addresses'],
    ['https://127.0.0.1/', 'URL cannot point to localhost or loopback addresses'],
    ['https://[::1]/', 'URL cannot point to localhost or loopback addresses'],
    ['https://10.0.0.1/', 'URL cannot resolve to private network addresses'],
    ['https://169.254.169.254/', 'URL cannot resolve to link-local addresses'],
  ]) {
    test(`cannot be at ${url}`, async () => {
      for (const field of ['authorization_url', 'token_url', 'userinfo_url']) {
        const error = refused(await customProviders.createProvider({ ...elsewhere, [field]: url }), 400, 'validation_failed')
        assert.equal(error.message, message)
      }
    })
  }

  test('are nowhere near the server unless the environment says so', async () => {
    refused(await customProviders.createProvider(descriptions(provider).oidc), 400, 'validation_failed')
  })
})

describe('custom providers', async () => {
  test('may be few', async () => {
    const { customProviders } = newAdmin(await startStandalone({ ...settings, GOTRUE_CUSTOM_OAUTH_MAX_PROVIDERS: '1' }))
    ok(await customProviders.createProvider(elsewhere))
    refused(await customProviders.createProvider({ ...elsewhere, identifier: 'custom:other' }), 400, 'over_custom_provider_quota')
  })

  test('may be switched off', async () => {
    const server = await startStandalone({ ...settings, GOTRUE_CUSTOM_OAUTH_ENABLED: 'false' })
    refused(await newAdmin(server).customProviders.createProvider(elsewhere), 404, 'feature_disabled')
    refused(await newAdmin(server).customProviders.listProviders(), 404, 'feature_disabled')
  })
})
