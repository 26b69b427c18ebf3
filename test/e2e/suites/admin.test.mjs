import { isAuthWeakPasswordError } from '@supabase/auth-js'
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'

import { newAdmin, newClient, newEmail, ok, password, refused, signedOut, signIn, signUp } from '../support/client.mjs'
import { startStandalone } from '../support/standalone.mjs'

describe('an operator', async () => {
  const server = await startStandalone()
  const admin = newAdmin(server)

  test('creates users', async () => {
    const [email, id] = [newEmail(), randomUUID()]
    const { user } = ok(await admin.createUser({
      id, email, password, email_confirm: true, role: 'editor', user_metadata: { name: 'Ada' }, app_metadata: { plan: 'gold' },
    }))
    assert.deepEqual([user.id, user.email, user.role, user.user_metadata.name], [id, email, 'editor', 'Ada'])
    assert.deepEqual(user.app_metadata, { provider: 'email', providers: ['email'], plan: 'gold' })
    assert.ok(user.email_confirmed_at, 'email_confirmed_at is not set')
    assert.equal(user.identities.length, 1)
    await signIn(server, email)
  })

  test('creates users with the password hash that they had elsewhere', async () => {
    const email = newEmail()
    const password_hash = '$2a$04$Sw9paCh7k3sY/YtGQ6d/Aev3UAs6A5Kjd2wvx7fmRGGLqMAZVdXBm'
    ok(await admin.createUser({ email, password_hash, email_confirm: true }))
    await signIn(server, email, 'from elsewhere')
  })

  test('cannot create what is there or makes no sense', async () => {
    const { email, user } = await signUp(server)
    refused(await admin.createUser({ email: email.toUpperCase() }), 422, 'email_exists')
    refused(await admin.createUser({}), 400, 'validation_failed')
    refused(await admin.createUser({ email: newEmail(), password, password_hash: 'x' }), 400, 'validation_failed')
    refused(await admin.createUser({ email: newEmail(), ban_duration: 'long' }), 400, 'validation_failed')
    refused(await admin.createUser({ email: newEmail(), id: user.id }), 422, 'user_already_exists')
  })

  test('sees any user', async () => {
    const { email, user } = await signUp(server)
    const { user: seen } = ok(await admin.getUserById(user.id))
    assert.deepEqual([seen.id, seen.email, seen.identities.length], [user.id, email, 1])
    refused(await admin.getUserById(randomUUID()), 404, 'user_not_found')
  })

  test('changes any user, who need not confirm', async () => {
    const { email, user } = await signUp(server)
    const newAddress = newEmail()
    const { user: changed } = ok(await admin.updateUserById(user.id, {
      email: newAddress, phone: '15550102', role: 'editor', user_metadata: { name: 'Ada' }, app_metadata: { plan: 'gold' },
    }))
    assert.deepEqual([changed.email, changed.phone, changed.role], [newAddress, '15550102', 'editor'])
    assert.deepEqual([changed.user_metadata.name, changed.app_metadata.plan], ['Ada', 'gold'])
    await signIn(server, newAddress)
    refused(await newClient(server.url).signInWithPassword({ email, password }), 400, 'invalid_credentials')
  })

  test('ends all sessions with a new password', async () => {
    const { auth, email, user } = await signUp(server)
    const { error } = await admin.updateUserById(user.id, { password: 'short' })
    assert.ok(isAuthWeakPasswordError(error), `got ${error}`)
    ok(await auth.getUser())
    ok(await admin.updateUserById(user.id, { password: 'a second good password' }))
    signedOut(await auth.getUser())
    await signIn(server, email, 'a second good password')
  })

  test('cannot change users that are not there, or to what another has', async () => {
    const [{ user }, { email }] = [await signUp(server), await signUp(server)]
    refused(await admin.updateUserById(randomUUID(), { role: 'editor' }), 404, 'user_not_found')
    refused(await admin.updateUserById(user.id, { email }), 422, 'email_exists')
  })

  test('bans users and lifts the ban', async () => {
    const { email, user } = await signUp(server)
    const { user: banned } = ok(await admin.updateUserById(user.id, { ban_duration: '24h' }))
    assert.ok(new Date(banned.banned_until) > new Date(), `banned until ${banned.banned_until}`)
    refused(await newClient(server.url).signInWithPassword({ email, password }), 400, 'user_banned')
    const { user: free } = ok(await admin.updateUserById(user.id, { ban_duration: 'none' }))
    assert.equal(free.banned_until, undefined)
    await signIn(server, email)
  })

  test('deletes users without a trace', async () => {
    const { email, user, session } = await signUp(server)
    assert.equal(ok(await admin.deleteUser(user.id)).user.id, user.id)
    refused(await admin.getUserById(user.id), 404, 'user_not_found')
    refused(await admin.deleteUser(user.id), 404, 'user_not_found')
    refused(await newClient(server.url).refreshSession(session), 400, 'refresh_token_not_found')
    ok(await newClient(server.url).signUp({ email, password }))
  })

  test('deletes users softly, which leaves a row without a face', async () => {
    const { auth, email, user } = await signUp(server)
    ok(await admin.deleteUser(user.id, true))
    signedOut(await auth.getUser())
    const { user: left } = ok(await admin.getUserById(user.id))
    assert.ok(left.deleted_at, 'deleted_at is not set')
    assert.ok(!JSON.stringify(left).includes(email), `${email} is still in ${JSON.stringify(left)}`)
    assert.deepEqual([left.user_metadata, left.app_metadata], [{}, {}])
    refused(await newClient(server.url).signInWithPassword({ email, password }), 400, 'invalid_credentials')
    ok(await newClient(server.url).signUp({ email, password }))
  })
})

describe('the list of users', async () => {
  const server = await startStandalone()
  const admin = newAdmin(server)
  const emails = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@example.com`)
  for (const email of emails) ok(await admin.createUser({ email }))
  const newestFirst = emails.toReversed()

  for (const [page, { want, nextPage }] of Object.entries({
    1: { want: newestFirst.slice(0, 2), nextPage: 2 },
    2: { want: newestFirst.slice(2, 4), nextPage: 3 },
    3: { want: newestFirst.slice(4), nextPage: null },
  })) {
    test(`has page ${page}`, async () => {
      const list = ok(await admin.listUsers({ page: Number(page), perPage: 2 }))
      assert.deepEqual(list.users.map(({ email }) => email), want)
      assert.deepEqual([list.total, list.nextPage, list.lastPage, list.aud], [5, nextPage, 3, 'authenticated'])
    })
  }

  test('fits on one page by default', async () => {
    const list = ok(await admin.listUsers())
    assert.deepEqual(list.users.map(({ email }) => email), newestFirst)
    assert.deepEqual([list.total, list.nextPage, list.lastPage], [5, null, 1])
  })
})

describe('who is no operator', async () => {
  const server = await startStandalone()

  test('holds a user\'s token', async () => {
    const { session } = await signUp(server)
    refused(await newAdmin(server, session.access_token).listUsers(), 403, 'not_admin')
  })

  test('holds a key of another server', async () => {
    const other = await startStandalone()
    refused(await newAdmin(server, other.token('service_role')).listUsers(), 403, 'bad_jwt')
  })

  test('holds a key of another role', async () => {
    refused(await newAdmin(server, server.token('anon')).listUsers(), 403, 'not_admin')
  })

  test('holds nothing', async () => {
    refused(await newClient(server.url).admin.listUsers(), 401, 'no_authorization')
  })
})
