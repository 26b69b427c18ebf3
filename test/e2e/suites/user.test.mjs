import { isAuthWeakPasswordError } from '@supabase/auth-js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { claimsOf, newAdmin, newClient, ok, password, refused, signedOut, signIn, signUp, tampered } from '../support/client.mjs'
import { startStandalone } from '../support/standalone.mjs'

const newPassword = 'a second good password'

describe('the current user', async () => {
  const server = await startStandalone()

  test('is whose session or token asks', async () => {
    const { auth, session, user } = await signUp(server)
    assert.equal(ok(await auth.getUser()).user.id, user.id)
    assert.equal(ok(await newClient(server.url).getUser(session.access_token)).user.id, user.id)
  })

  test('is nobody without a session', async () => {
    signedOut(await newClient(server.url).getUser())
  })

  test('is not whom a changed token claims', async () => {
    const { session } = await signUp(server)
    refused(await newClient(server.url).getUser(tampered(session.access_token)), 403, 'bad_jwt')
  })

  test('has the identity of its address', async () => {
    const { auth, email, user } = await signUp(server)
    const [identity, ...others] = ok(await auth.getUserIdentities()).identities
    assert.deepEqual([identity.provider, identity.user_id, identity.email, others], ['email', user.id, email, []])
  })

  test('has no second factor', async () => {
    const { auth } = await signUp(server)
    assert.deepEqual(ok(await auth.mfa.listFactors()).all, [])
  })

  test('changes its metadata key by key', async () => {
    const { auth } = await signUp(server)
    ok(await auth.updateUser({ data: { name: 'Ada', theme: { dark: true }, gone: 1 } }))
    const { user } = ok(await auth.updateUser({ data: { theme: { dark: false }, gone: null } }))
    assert.deepEqual([user.user_metadata.name, user.user_metadata.theme], ['Ada', { dark: false }])
    assert.ok(!('gone' in user.user_metadata), 'a key set to null is still there')
    assert.deepEqual(ok(await auth.getUser()).user.user_metadata, user.user_metadata)
    const { session } = ok(await auth.refreshSession())
    assert.equal(claimsOf(session.access_token).user_metadata.name, 'Ada')
  })

  test('cannot change what the operator says of it', async () => {
    const { auth } = await signUp(server)
    refused(await auth.updateUser({ app_metadata: { plan: 'gold' } }), 403, 'not_admin')
    const { user } = ok(await auth.updateUser({ role: 'service_role', aud: 'else', data: {} }))
    assert.deepEqual([user.role, user.aud], ['authenticated', 'authenticated'])
  })

  test('changes its password and ends its other sessions', async () => {
    const { auth, email } = await signUp(server)
    const other = await signIn(server, email)
    ok(await auth.updateUser({ password: newPassword }))

    signedOut(await other.auth.getUser())
    refused(await newClient(server.url).refreshSession(other.session), 400, 'refresh_token_not_found')
    ok(await auth.getUser())
    ok(await auth.refreshSession())
    refused(await newClient(server.url).signInWithPassword({ email, password }), 400, 'invalid_credentials')
    await signIn(server, email, newPassword)
  })

  test('cannot set the same or a weak password', async () => {
    const { auth, email } = await signUp(server)
    refused(await auth.updateUser({ password }), 422, 'same_password')
    const { error } = await auth.updateUser({ password: 'short' })
    assert.ok(isAuthWeakPasswordError(error), `got ${error}`)
    assert.deepEqual(error.reasons, ['length'])
    await signIn(server, email)
  })

  test('cannot take the address of another', async () => {
    const [{ auth }, { email }] = [await signUp(server), await signUp(server)]
    refused(await auth.updateUser({ email }), 422, 'email_exists')
  })

  test('cannot change without a session', async () => {
    signedOut(await newClient(server.url).updateUser({ data: {} }))
  })

  test('is refused while banned and served again afterwards', async () => {
    const { auth, session, user } = await signUp(server)
    const admin = newAdmin(server)
    ok(await admin.updateUserById(user.id, { ban_duration: '1h' }))
    refused(await auth.getUser(), 403, 'user_banned')
    refused(await newClient(server.url).refreshSession(session), 400, 'user_banned')
    ok(await admin.updateUserById(user.id, { ban_duration: 'none' }))
    ok(await auth.getUser())
    ok(await newClient(server.url).refreshSession(session))
  })

  test('is gone when it was deleted', async () => {
    const { auth, user } = await signUp(server)
    ok(await newAdmin(server).deleteUser(user.id))
    refused(await auth.getUser(), 403, 'user_not_found')
  })
})

describe('a password change where the current one is asked for', async () => {
  const server = await startStandalone({ GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD: 'true' })

  test('needs the right one', async () => {
    const { auth, email } = await signUp(server)
    refused(await auth.updateUser({ password: newPassword }), 400, 'current_password_required')
    refused(await auth.updateUser({ password: newPassword, current_password: 'wrong' }), 400, 'current_password_invalid')
    ok(await auth.updateUser({ password: newPassword, current_password: password }))
    await signIn(server, email, newPassword)
  })
})
