import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { newAccount, newAdmin, newClient, newEmail, ok, password, refused, signIn } from '../support/client.mjs'
import { follow, lastTo, messagesTo } from '../support/inbox.mjs'
import { fragmentOf, target } from '../support/redirect.mjs'
import { startStandalone } from '../support/standalone.mjs'

const settings = { GOTRUE_MAILER_AUTOCONFIRM: 'false', GOTRUE_SMTP_MAX_FREQUENCY: '0s' }

describe('an invitation', async () => {
  const server = await startStandalone(settings)
  const admin = newAdmin(server)

  async function invite() {
    const email = newEmail()
    const { user } = ok(await admin.inviteUserByEmail(email, { data: { name: 'Ada' }, redirectTo: `${server.url}/join` }))
    assert.ok(user.invited_at, 'invited_at is not set')
    return { auth: newClient(server.url), email, user, mail: await lastTo(server, email, 'invite') }
  }

  test('is accepted with the code', async () => {
    const { auth, email, user, mail } = await invite()
    const { user: joined } = ok(await auth.verifyOtp({ type: 'invite', email, token: mail.code }))
    assert.deepEqual([joined.id, joined.user_metadata.name], [user.id, 'Ada'])
    ok(await auth.updateUser({ password }))
    await signIn(server, email)
  })

  test('is accepted with the token hash', async () => {
    const { auth, user, mail } = await invite()
    assert.equal(ok(await auth.verifyOtp({ type: 'invite', token_hash: mail.token_hash })).user.id, user.id)
    refused(await auth.verifyOtp({ type: 'invite', token_hash: mail.token_hash }), 403, 'otp_expired')
  })

  test('is accepted with the link', async () => {
    const { auth, user, mail } = await invite()
    const url = await follow(mail.link)
    assert.equal(url.pathname, '/join')
    const { access_token, refresh_token, type } = fragmentOf(url)
    assert.equal(type, 'invite')
    assert.equal(ok(await auth.setSession({ access_token, refresh_token })).user.id, user.id)
  })

  test('is not for who has an account', async () => {
    const { auth, email, mail } = await invite()
    ok(await auth.verifyOtp({ type: 'invite', email, token: mail.code }))
    refused(await admin.inviteUserByEmail(email), 422, 'email_exists')
  })

  test('is the operator\'s', async () => {
    refused(await newAdmin(server, server.token('anon')).inviteUserByEmail(newEmail()), 403, 'not_admin')
  })
})

// What generateLink takes besides the address, and the type that the token is
// verified as. The account is there before unless the link makes it.
const kinds = {
  signup: { options: { password }, makes: true },
  invite: { options: {}, makes: true },
  magiclink: { options: {} },
  recovery: { options: {} },
}

describe('generated links', async () => {
  const server = await startStandalone(settings)
  const admin = newAdmin(server)
  const open = async (link) => target(await fetch(link, { redirect: 'manual' }), 303)

  async function generate(type) {
    const { options, makes } = kinds[type]
    const email = makes ? newEmail() : (await newAccount(server)).email
    const { properties, user } = ok(await admin.generateLink({ type, email, ...options }))
    assert.deepEqual([user.email, properties.verification_type], [email, type])
    assert.deepEqual(await messagesTo(server, email), [])
    return { auth: newClient(server.url), email, properties, user }
  }

  for (const type of Object.keys(kinds)) {
    test(`work for ${type}: the token hash`, async () => {
      const { auth, properties, user } = await generate(type)
      const proof = { type, token_hash: properties.hashed_token }
      assert.equal(ok(await auth.verifyOtp(proof)).user.id, user.id)
      refused(await auth.verifyOtp(proof), 403, 'otp_expired')
    })

    test(`work for ${type}: the code`, async () => {
      const { auth, email, properties, user } = await generate(type)
      assert.equal(ok(await auth.verifyOtp({ type, email, token: properties.email_otp })).user.id, user.id)
    })

    test(`work for ${type}: the link`, async () => {
      const { auth, properties, user } = await generate(type)
      const { access_token, refresh_token, type: got } = fragmentOf(await open(properties.action_link))
      assert.equal(got, type)
      assert.equal(ok(await auth.setSession({ access_token, refresh_token })).user.id, user.id)
      assert.equal(fragmentOf(await open(properties.action_link)).error_code, 'otp_expired')
    })
  }

  test('work for both halves of a change of address', async () => {
    const { email } = await newAccount(server)
    const newAddress = newEmail()
    const link = (type) => admin.generateLink({ type, email, newEmail: newAddress })
    const [current, next] = [ok(await link('email_change_current')), ok(await link('email_change_new'))]
    assert.match(fragmentOf(await open(current.properties.action_link)).message, /other email/)
    assert.equal(fragmentOf(await open(next.properties.action_link)).type, 'email_change')
    await signIn(server, newAddress)
  })

  test('sign up who has no account and is to sign in', async () => {
    const email = newEmail()
    const { properties } = ok(await admin.generateLink({ type: 'magiclink', email }))
    assert.equal(properties.verification_type, 'signup')
    ok(await newClient(server.url).verifyOtp({ type: 'signup', token_hash: properties.hashed_token }))
  })

  test('are refused where they make no sense', async () => {
    const { email } = await newAccount(server)
    refused(await admin.generateLink({ type: 'recovery', email: newEmail() }), 404, 'user_not_found')
    refused(await admin.generateLink({ type: 'signup', email, password }), 422, 'email_exists')
    refused(await admin.generateLink({ type: 'invite', email }), 422, 'email_exists')
    refused(await admin.generateLink({ type: 'signup', email: newEmail() }), 400, 'validation_failed')
    refused(await admin.generateLink({ type: 'friendship', email }), 400, 'validation_failed')
  })
})
