import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, test } from 'node:test'

import { claimsOf, newAdmin, newClient, newEmail, newPhone, ok, otherCode, password, refused, signedOut, signIn, signUp } from '../support/client.mjs'
import { lastTo } from '../support/inbox.mjs'
import { startStandalone } from '../support/standalone.mjs'

// codeOf is what an authenticator app shows for a secret in base32 (RFC 6238).
function codeOf(secret, periodsAhead = 0) {
  const bits = [...secret].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
  const step = Buffer.alloc(8)
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + periodsAhead))
  const mac = createHmac('sha1', key).update(step).digest()
  const number = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff
  return String(number % 1e6).padStart(6, '0')
}

// withApp makes an account whose client has used a new authenticator app.
async function withApp(server) {
  const account = await signUp(server)
  const { auth } = account
  const factor = ok(await auth.mfa.enroll({ factorType: 'totp', friendlyName: 'app' }))
  ok(await auth.mfa.challengeAndVerify({ factorId: factor.id, code: codeOf(factor.totp.secret) }))
  return { ...account, factor }
}

const levelOf = async (auth) => ok(await auth.mfa.getAuthenticatorAssuranceLevel())

describe('a second factor', async () => {
  const server = await startStandalone({
    GOTRUE_MFA_PHONE_ENROLL_ENABLED: 'true', GOTRUE_MFA_PHONE_VERIFY_ENABLED: 'true', GOTRUE_MFA_PHONE_MAX_FREQUENCY: '0s',
  })
  const admin = newAdmin(server)

  test('is an app that is enrolled, challenged and verified', async () => {
    const { auth, email, session: before } = await signUp(server)
    const factor = ok(await auth.mfa.enroll({ factorType: 'totp', friendlyName: 'app', issuer: 'My App' }))
    assert.match(factor.totp.qr_code, /^data:image\/svg\+xml;utf-8,<svg/)
    assert.equal(factor.totp.uri, `otpauth://totp/My%20App:${email}?algorithm=SHA1&digits=6&issuer=My%20App&period=30&secret=${factor.totp.secret}`)
    assert.deepEqual(await levelOf(auth), { currentLevel: 'aal1', nextLevel: 'aal1', currentAuthenticationMethods: claimsOf(before.access_token).amr })

    const challenge = ok(await auth.mfa.challenge({ factorId: factor.id }))
    assert.ok(challenge.expires_at > Date.now() / 1000, `expires at ${challenge.expires_at}`)
    const answer = { factorId: factor.id, challengeId: challenge.id }
    refused(await auth.mfa.verify({ ...answer, code: otherCode(codeOf(factor.totp.secret)) }), 422, 'mfa_verification_failed')
    const raised = ok(await auth.mfa.verify({ ...answer, code: codeOf(factor.totp.secret) }))
    const { currentLevel, nextLevel, currentAuthenticationMethods: methods } = await levelOf(auth)
    assert.deepEqual([currentLevel, nextLevel, methods.map(({ method }) => method)], ['aal2', 'aal2', ['totp', 'password']])
    assert.equal(claimsOf(raised.access_token).session_id, claimsOf(before.access_token).session_id)
    ok(await auth.refreshSession())
    assert.equal((await levelOf(auth)).currentLevel, 'aal2')
    refused(await newClient(server.url).refreshSession(before), 400, 'refresh_token_not_found')
    refused(await auth.mfa.verify({ ...answer, code: codeOf(factor.totp.secret, 1) }), 422, 'mfa_ip_address_mismatch')
  })

  test('is listed, by the user and by an operator', async () => {
    const { auth, user, factor } = await withApp(server)
    const { all, totp, phone } = ok(await auth.mfa.listFactors())
    assert.deepEqual([all.length, totp.length, phone.length, totp[0].id, totp[0].status], [1, 1, 0, factor.id, 'verified'])
    const { factors } = ok(await admin.mfa.listFactors({ userId: user.id }))
    assert.deepEqual(factors.map(({ id, friendly_name }) => [id, friendly_name]), [[factor.id, 'app']])
  })

  test('is needed for what would let somebody take the account', async () => {
    const { email, factor } = await withApp(server)
    const { auth } = await signIn(server, email)
    assert.deepEqual(await levelOf(auth).then(({ currentLevel, nextLevel }) => [currentLevel, nextLevel]), ['aal1', 'aal2'])
    refused(await auth.updateUser({ password: 'another good password' }), 401, 'insufficient_aal')
    refused(await auth.updateUser({ email: newEmail() }), 401, 'insufficient_aal')
    refused(await auth.mfa.enroll({ factorType: 'totp', friendlyName: 'mine' }), 403, 'insufficient_aal')
    refused(await auth.mfa.unenroll({ factorId: factor.id }), 422, 'insufficient_aal')
    ok(await auth.mfa.challengeAndVerify({ factorId: factor.id, code: codeOf(factor.totp.secret, 1) }))
    ok(await auth.updateUser({ password: 'another good password' }))
  })

  test('ends the sessions that were opened without it', async () => {
    const { auth, email } = await signUp(server)
    const other = await signIn(server, email)
    const factor = ok(await auth.mfa.enroll({ factorType: 'totp' }))
    ok(await auth.mfa.challengeAndVerify({ factorId: factor.id, code: codeOf(factor.totp.secret) }))
    signedOut(await other.auth.getUser())
    ok(await auth.getUser())
  })

  test('goes, and takes the level with it', async () => {
    const { auth, factor } = await withApp(server)
    assert.equal(ok(await auth.mfa.unenroll({ factorId: factor.id })).id, factor.id)
    ok(await auth.refreshSession())
    assert.deepEqual(await levelOf(auth).then(({ currentLevel, nextLevel }) => [currentLevel, nextLevel]), ['aal1', 'aal1'])
  })

  test('is taken away by an operator', async () => {
    const { auth, user, factor } = await withApp(server)
    ok(await admin.mfa.deleteFactor({ userId: user.id, id: factor.id }))
    refused(await admin.mfa.deleteFactor({ userId: user.id, id: factor.id }), 404, 'mfa_factor_not_found')
    ok(await auth.refreshSession())
    assert.equal((await levelOf(auth)).currentLevel, 'aal1')
  })

  test("is nobody else's to use", async () => {
    const { factor } = await withApp(server)
    const { auth } = await signUp(server)
    refused(await auth.mfa.challenge({ factorId: factor.id }), 404, 'mfa_factor_not_found')
    refused(await auth.mfa.unenroll({ factorId: factor.id }), 404, 'mfa_factor_not_found')
  })

  test('is not guessed', async () => {
    const { auth, email, factor } = await withApp(server)
    const { auth: thief } = await signIn(server, email)
    const { id: challengeId } = ok(await thief.mfa.challenge({ factorId: factor.id }))
    const guesses = Array.from({ length: 60 }, (_, i) => thief.mfa.verify({ factorId: factor.id, challengeId, code: String(i).padStart(6, '0') }))
    const codes = (await Promise.all(guesses)).map(({ error }) => error?.code)
    assert.equal(codes.filter((code) => code === 'mfa_verification_failed').length, 5)
    assert.equal(codes.filter((code) => code === 'over_request_rate_limit').length, 55)
    ok(await auth.getUser())
  })

  test('is a phone', async () => {
    const { auth } = await signUp(server)
    const phone = newPhone()
    const factor = ok(await auth.mfa.enroll({ factorType: 'phone', phone: `+${phone}`, friendlyName: 'mobile' }))
    refused(await auth.mfa.challenge({ factorId: factor.id, channel: 'fax' }), 400, 'validation_failed')
    const { id: challengeId } = ok(await auth.mfa.challenge({ factorId: factor.id, channel: 'sms' }))
    const { code } = await lastTo(server, phone, 'sms')
    refused(await auth.mfa.verify({ factorId: factor.id, challengeId, code: otherCode(code) }), 422, 'mfa_verification_failed')
    ok(await auth.mfa.verify({ factorId: factor.id, challengeId, code }))
    const { currentLevel, currentAuthenticationMethods: methods } = await levelOf(auth)
    assert.deepEqual([currentLevel, methods[0].method], ['aal2', 'mfa/phone'])
  })

  test('is stood in for by a recovery code', async () => {
    const experimental = { recoveryCodes: true }
    const { auth: keeper, email } = await signUp(server, { experimental })
    refused(await keeper.mfa.recoveryCodes.generate(), 403, 'insufficient_aal')
    const factor = ok(await keeper.mfa.enroll({ factorType: 'totp', friendlyName: 'app' }))
    ok(await keeper.mfa.challengeAndVerify({ factorId: factor.id, code: codeOf(factor.totp.secret) }))
    const set = ok(await keeper.mfa.recoveryCodes.generate({ friendlyName: 'on paper' }))
    assert.deepEqual([set.type, set.friendly_name, set.total, set.codes.length], ['recovery_code', 'on paper', 10, 10])
    refused(await keeper.mfa.recoveryCodes.generate(), 422, 'mfa_verified_factor_exists')

    const auth = newClient(server.url, { experimental })
    ok(await auth.signInWithPassword({ email, password }))
    refused(await auth.mfa.recoveryCodes.regenerate(), 403, 'insufficient_aal')
    const asTyped = set.codes[0].toUpperCase().match(/.{4}/g).join('-')
    ok(await auth.mfa.recoveryCodes.verify({ code: asTyped }))
    const { currentLevel, currentAuthenticationMethods: methods } = await levelOf(auth)
    assert.deepEqual([currentLevel, methods[0].method], ['aal2', 'mfa/recovery_code'])
    refused(await auth.mfa.recoveryCodes.verify({ code: asTyped }), 422, 'mfa_verification_failed')
    assert.deepEqual(ok(await auth.mfa.recoveryCodes.getStatus()), { id: set.id, type: 'recovery_code', total: 10, remaining: 9 })

    const others = ok(await auth.mfa.recoveryCodes.regenerate())
    assert.deepEqual([others.id, others.friendly_name, others.codes.includes(set.codes[1])], [set.id, 'on paper', false])
    assert.deepEqual(ok(await auth.mfa.recoveryCodes.unenroll()), { id: set.id })
    refused(await keeper.mfa.recoveryCodes.getStatus(), 404, 'mfa_factor_not_found')
  })

  test('is refused where it makes no sense', async () => {
    const { auth } = await signUp(server)
    refused(await auth.mfa.enroll({ factorType: 'phone', phone: 'abc' }), 400, 'validation_failed')
    refused(await auth.mfa.enroll({ factorType: 'sms' }), 400, 'validation_failed')
    ok(await auth.mfa.enroll({ factorType: 'totp', friendlyName: 'one' }))
    refused(await auth.mfa.enroll({ factorType: 'totp', friendlyName: 'one' }), 422, 'mfa_factor_name_conflict')
  })
})

test('second factors can be switched off', async () => {
  const server = await startStandalone({ GOTRUE_MFA_TOTP_ENROLL_ENABLED: 'false' })
  const { auth } = await signUp(server)
  refused(await auth.mfa.enroll({ factorType: 'totp' }), 422, 'mfa_totp_enroll_not_enabled')
  refused(await auth.mfa.enroll({ factorType: 'phone', phone: newPhone() }), 422, 'mfa_phone_enroll_not_enabled')
})
