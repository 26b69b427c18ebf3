import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { startBrowser } from '../support/browser.mjs'
import { newAdmin, newEmail, ok, password } from '../support/client.mjs'
import { startSite } from '../support/site.mjs'
import { startStandalone } from '../support/standalone.mjs'

describe('an authenticator of a browser', async () => {
  const [site, otherSite] = [await startSite(), await startSite()]
  const settings = {
    GOTRUE_PASSKEY_ENABLED: 'true', GOTRUE_MFA_WEB_AUTHN_ENROLL_ENABLED: 'true', GOTRUE_MFA_WEB_AUTHN_VERIFY_ENABLED: 'true',
    GOTRUE_WEBAUTHN_RP_ID: 'localhost', GOTRUE_WEBAUTHN_RP_ORIGINS: site.origin, POSTERN_REFUSE_CLONED_CREDENTIALS: 'true',
  }
  const server = await startStandalone(settings)
  const admin = newAdmin(server)
  const browser = await startBrowser()

  // open opens a page of an application with an authenticator beside it.
  async function open(transport = 'internal') {
    const context = await browser.newContext()
    const page = await context.newPage()
    const authenticator = await newAuthenticator(context, page, transport)
    await visit(page, site)
    return { context, page, authenticator }
  }

  // visit opens an application that has nobody's session.
  async function visit(page, { origin }) {
    await page.goto(`${origin}/blank`)
    await page.waitForFunction(() => window.AuthClient)
    await page.evaluate((url) => {
      const experimental = { passkey: true }
      window.auth = new window.AuthClient({ url, experimental, persistSession: false, autoRefreshToken: false })
    }, server.url)
  }

  // signUp makes an account in the page.
  async function signUp(page) {
    const email = newEmail()
    const { user } = ok(await call(page, 'signUp', { email, password }))
    return { email, user }
  }

  test('keeps a passkey, which signs in without a word', async () => {
    const { context, page, authenticator } = await open()
    const { user } = await signUp(page)
    const passkey = ok(await call(page, 'registerPasskey'))
    assert.ok(passkey.friendly_name, 'it has no name')
    const { credentials: [kept] } = await authenticator.send('getCredentials')
    assert.deepEqual([kept.isResidentCredential, kept.rpId, kept.userName], [true, 'localhost', user.email])

    await visit(page, site)
    const { session } = ok(await call(page, 'signInWithPasskey'))
    assert.equal(session.user.id, user.id)
    const { claims } = ok(await call(page, 'getClaims'))
    assert.deepEqual([claims.aal, claims.amr.map(({ method }) => method)], ['aal1', ['passkey']])

    const [listed] = ok(await call(page, 'passkey.list'))
    assert.deepEqual([listed.id, Boolean(listed.last_used_at)], [passkey.id, true])
    assert.equal(ok(await call(page, 'passkey.update', { passkeyId: passkey.id, friendlyName: 'laptop' })).friendly_name, 'laptop')
    assert.equal((await call(page, 'registerPasskey')).error.name, 'InvalidStateError') // there is one already
    await call(page, 'passkey.delete', { passkeyId: passkey.id })
    await visit(page, site)
    assert.equal((await call(page, 'signInWithPasskey')).error.code, 'webauthn_verification_failed')
    await context.close()
  })

  test('is of no use on the page of another', async () => {
    const { context, page } = await open()
    await signUp(page)
    ok(await call(page, 'registerPasskey'))
    await visit(page, otherSite)
    assert.equal((await call(page, 'signInWithPasskey')).error.code, 'webauthn_verification_failed')
    await context.close()
  })

  test('is noticed to be two', async () => {
    const { context, page, authenticator } = await open()
    await signUp(page)
    ok(await call(page, 'registerPasskey'))
    const { credentials: [early] } = await authenticator.send('getCredentials')
    await visit(page, site)
    for (let use = 0; use < 2; use++) ok(await call(page, 'signInWithPasskey'))
    await authenticator.send('removeCredential', { credentialId: early.credentialId })
    await authenticator.send('addCredential', { credential: early })
    assert.equal((await call(page, 'signInWithPasskey')).error.code, 'webauthn_verification_failed')
    await context.close()
  })

  test('is a second factor', async () => {
    const { context, page } = await open('usb') // the client asks for one that is apart
    const { email, user } = await signUp(page)
    const webauthn = { rpId: 'localhost', rpOrigins: [site.origin] }
    ok(await call(page, 'mfa.webauthn.register', { friendlyName: 'key', webauthn }))
    const level = ok(await call(page, 'mfa.getAuthenticatorAssuranceLevel'))
    assert.deepEqual([level.currentLevel, level.currentAuthenticationMethods[0].method], ['aal2', 'mfa/webauthn'])

    await visit(page, site)
    ok(await call(page, 'signInWithPassword', { email, password }))
    assert.equal((await call(page, 'updateUser', { password: 'another good password' })).error.code, 'insufficient_aal')
    const { webauthn: [factor] } = ok(await call(page, 'mfa.listFactors'))
    assert.deepEqual([factor.friendly_name, factor.status], ['key', 'verified'])
    ok(await call(page, 'mfa.webauthn.authenticate', { factorId: factor.id, webauthn }))
    ok(await call(page, 'updateUser', { password: 'another good password' }))
    const { factors } = ok(await admin.mfa.listFactors({ userId: user.id }))
    assert.equal(factors[0].factor_type, 'webauthn')
    await context.close()
  })
})

// call calls a method of the page's client. What it answers has to be JSON.
function call(page, path, params) {
  return page.evaluate(async ([path, params]) => {
    const steps = path.split('.')
    const method = steps.pop()
    const { data, error } = await steps.reduce((on, step) => on[step], window.auth)[method](params)
    return { data: structuredClone(data), error: error && { name: error.name, message: error.message, code: error.code, status: error.status } }
  }, [path, params])
}

// newAuthenticator plugs an authenticator in, whose user says yes to all.
async function newAuthenticator(context, page, transport) {
  const devTools = await context.newCDPSession(page)
  await devTools.send('WebAuthn.enable')
  const { authenticatorId } = await devTools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2', transport, hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  return { send: (method, params = {}) => devTools.send(`WebAuthn.${method}`, { authenticatorId, ...params }) }
}
