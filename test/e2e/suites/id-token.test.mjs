import assert from 'node:assert/strict'
import { createHash, createHmac, createPublicKey, randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'

import { claimsOf, newAccount, newClient, ok, password, recordEvents, refused, refusedOAuth, signedOut } from '../support/client.mjs'
import { newKey } from '../support/jwt.mjs'
import { client, newPerson, startProvider } from '../support/provider.mjs'
import { comeBack, fragmentOf } from '../support/redirect.mjs'
import { startStandalone } from '../support/standalone.mjs'

const settings = { GOTRUE_MAILER_AUTOCONFIRM: 'false', GOTRUE_SECURITY_MANUAL_LINKING_ENABLED: 'true' }

// nonces are one as the app makes it, and as the provider puts it into the token.
function nonces() {
  const raw = randomUUID()
  return { raw, hashed: createHash('sha256').update(raw).digest('hex') }
}

const now = () => Math.floor(Date.now() / 1000)

const bad = 'Bad ID token'

describe('sign-in with an ID token', async () => {
  const provider = await startProvider()
  const server = await startStandalone({ ...settings, ...provider.settings })

  const signIn = (token, nonce, options) => newClient(server.url).signInWithIdToken({ provider: 'keycloak', token, nonce, ...options })

  test('makes an account, and finds it again', async () => {
    const person = (provider.person = newPerson())
    const auth = newClient(server.url)
    const events = recordEvents(auth)
    const { raw, hashed } = nonces()
    const token = provider.idToken({ nonce: hashed })
    const { session, user } = ok(await auth.signInWithIdToken({ provider: 'keycloak', token, nonce: raw }))
    assert.deepEqual([user.email, user.user_metadata.name, user.app_metadata.provider], [person.email, person.name, 'keycloak'])
    assert.deepEqual(user.identities.map(({ provider, id }) => [provider, id]), [['keycloak', String(person.id)]])
    assert.deepEqual(claimsOf(session.access_token).amr.map(({ method }) => method), ['oauth'])
    assert.deepEqual(events, ['INITIAL_SESSION', 'SIGNED_IN'])
    assert.equal(ok(await auth.getUser()).user.id, user.id)

    assert.equal(ok(await signIn(provider.idToken())).user.id, user.id)
  })

  test('finds the account of who came by way of the provider\'s page', async () => {
    provider.person = newPerson()
    const { access_token } = fragmentOf(await comeBack(ok(await newClient(server.url).signInWithOAuth({ provider: 'keycloak' })).url))
    const { user } = ok(await signIn(provider.idToken()))
    assert.deepEqual([user.id, user.identities.length], [claimsOf(access_token).sub, 1])
  })

  test('finds the account that has the address', async () => {
    const { email, user } = await newAccount(server)
    provider.person = newPerson({ email })
    assert.equal(ok(await signIn(provider.idToken())).user.id, user.id)
  })

  test('works once', async () => {
    provider.person = newPerson()
    const token = provider.idToken()
    ok(await signIn(token))
    refusedOAuth(await signIn(token), bad)
  })

  const unacceptable = (...audience) => `Unacceptable audience in id_token: [${audience.join(' ')}]`
  const differs = 'Passed nonce and nonce in id_token should either both exist or not.'
  for (const [what, claims, message, nonce] of [
    ['is for another app', { aud: 'another' }, unacceptable('another')],
    ['was issued to another app', { aud: [client.id, 'another'], azp: 'another' }, unacceptable('another')],
    ['is of another issuer', { iss: 'https://evil.example' }, bad],
    ['has expired', { iat: now() - 600, exp: now() - 300 }, bad],
    ['comes from the future', { iat: now() + 3600, exp: now() + 7200 }, bad],
    ['is about nobody', { sub: undefined }, 'Missing sub claim in id_token'],
    ['has another nonce', { nonce: nonces().hashed }, 'Nonces mismatch', nonces().raw],
    ['has the nonce as it was made', { nonce: 'as it was made' }, 'Nonces mismatch', 'as it was made'],
    ['has a nonce that the app does not tell', { nonce: nonces().hashed }, differs],
    ['has no nonce although the app made one', {}, differs, nonces().raw],
  ]) {
    test(`is refused with one that ${what}`, async () => {
      provider.person = newPerson()
      refusedOAuth(await signIn(provider.idToken(claims), nonce), message)
    })
  }

  // forgeries are tokens that somebody made who does not have the provider's key.
  const forgeries = {
    'a key that names itself after the provider\'s': () => provider.idToken({}, newKey('RS256', provider.key.jwk.kid)),
    'a key of another kind': () => provider.idToken({}, newKey('ES256', provider.key.jwk.kid)),
    'a key that nobody knows': () => provider.idToken({}, newKey('RS256')),
    'no key': () => {
      const [, claims] = provider.idToken().split('.')
      return `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${claims}.`
    },
    'the provider\'s key, of something else': () => {
      const [header, , signature] = provider.idToken().split('.')
      const claims = { ...claimsOf(provider.idToken()), sub: '1' }
      return [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.')
    },
    'the provider\'s public key, as if it were a secret': () => {
      const [, claims] = provider.idToken().split('.')
      const { kid } = provider.key.jwk
      const text = `${Buffer.from(JSON.stringify({ alg: 'HS256', kid })).toString('base64url')}.${claims}`
      const pem = createPublicKey(provider.key.privateKey).export({ type: 'spki', format: 'pem' })
      return `${text}.${createHmac('sha256', pem).update(text).digest('base64url')}`
    },
  }
  for (const [by, forge] of Object.entries(forgeries)) {
    test(`is refused with one signed by ${by}`, async () => {
      provider.person = newPerson()
      refusedOAuth(await signIn(forge()), bad)
    })
  }

  test('is refused with an access token that is not the one that came along', async () => {
    provider.person = newPerson()
    const half = createHash('sha256').update('access').digest().subarray(0, 16).toString('base64url') // OpenID Connect Core §3.1.3.6
    refusedOAuth(await signIn(provider.idToken({ at_hash: half }), undefined, { access_token: 'another' }), bad)
    ok(await signIn(provider.idToken({ at_hash: half }), undefined, { access_token: 'access' }))
  })

  test('is refused of providers that are not there', async () => {
    provider.person = newPerson()
    refused(await signIn(provider.idToken(), undefined, { provider: 'google' }), 400, 'provider_disabled')
    refused(await signIn(provider.idToken(), undefined, { provider: 'https://evil.example' }), 400, 'validation_failed')
    refusedOAuth(await signIn(''), 'id_token required')
    refusedOAuth(await signIn(provider.idToken(), undefined, { provider: '' }), 'provider or client_id and issuer required')
  })

  test('is refused while the provider has not verified the address', async () => {
    const { email } = await newAccount(server)
    provider.person = newPerson({ email, verified: false })
    refused(await signIn(provider.idToken()), 422, 'provider_email_needs_verification')
  })
})

describe('a signed-in user with an ID token', async () => {
  const provider = await startProvider()
  const server = await startStandalone({ ...settings, ...provider.settings })

  async function signedIn() {
    const { email, user } = await newAccount(server)
    const auth = newClient(server.url)
    ok(await auth.signInWithPassword({ email, password }))
    return { auth, email, user }
  }

  test('links its identity', async () => {
    const { auth, email, user } = await signedIn()
    provider.person = newPerson()
    const events = recordEvents(auth)
    const { raw, hashed } = nonces()
    const { user: linked } = ok(await auth.linkIdentity({ provider: 'keycloak', token: provider.idToken({ nonce: hashed }), nonce: raw }))
    assert.deepEqual([linked.id, linked.email], [user.id, email])
    assert.deepEqual(linked.identities.map(({ provider }) => provider).sort(), ['email', 'keycloak'])
    assert.ok(events.includes('USER_UPDATED'), `got ${events}`)
    ok(await auth.getUser())
    const token = provider.idToken()
    assert.equal(ok(await newClient(server.url).signInWithIdToken({ provider: 'keycloak', token })).user.id, user.id)
  })

  test('cannot link one that is another\'s, or no good', async () => {
    provider.person = newPerson()
    ok(await newClient(server.url).signInWithIdToken({ provider: 'keycloak', token: provider.idToken() }))
    const { auth } = await signedIn()
    const link = (claims) => auth.linkIdentity({ provider: 'keycloak', token: provider.idToken(claims) })
    refused(await link(), 422, 'identity_already_exists')
    refusedOAuth(await link({ aud: 'another' }), 'Unacceptable audience in id_token: [another]')
    assert.equal(ok(await auth.getUserIdentities()).identities.length, 1)
  })

  test('is who links', async () => {
    const auth = newClient(server.url)
    refusedOAuth(await auth.linkIdentity({ provider: 'keycloak', token: provider.idToken() }),
      'Linking requires a valid user access token in Authorization')
    signedOut(await auth.getUser())
  })
})

describe('a provider that changes its key', async () => {
  const provider = await startProvider()
  const server = await startStandalone({ ...settings, ...provider.settings })
  const signIn = (token) => newClient(server.url).signInWithIdToken({ provider: 'keycloak', token })

  test('is believed with the new key at once, and no more with the old one', async () => {
    const { user } = ok(await signIn(provider.idToken()))
    const old = provider.key
    provider.key = newKey('ES256')
    assert.equal(ok(await signIn(provider.idToken())).user.id, user.id)
    refusedOAuth(await signIn(provider.idToken({}, old)), bad)
  })
})

describe('ID tokens of an issuer without a page of its own', async () => {
  const provider = await startProvider()
  const server = await startStandalone({ ...settings, GOTRUE_EXTERNAL_ALLOWED_ID_TOKEN_ISSUERS: provider.issuer })

  test('sign in with the client that the request names', async () => {
    const post = async (body) => {
      const response = await fetch(`${server.url}/token?grant_type=id_token`, { method: 'POST', body: JSON.stringify(body) })
      return { status: response.status, ...(await response.json()) }
    }
    const { status, user } = await post({ id_token: provider.idToken(), issuer: provider.issuer, client_id: client.id })
    assert.deepEqual([status, user?.app_metadata.provider], [200, provider.issuer])
    const refusal = await post({ id_token: provider.idToken(), issuer: provider.issuer, client_id: 'another' })
    assert.deepEqual([refusal.status, refusal.error_description], [400, `Unacceptable audience in id_token: [${client.id}]`])
  })
})
