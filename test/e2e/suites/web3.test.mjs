import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'

import { claimsOf, newClient, ok, recordEvents, refused, refusedOAuth } from '../support/client.mjs'
import { startStandalone } from '../support/standalone.mjs'
import { newEthereumWallet, newSolanaWallet } from '../support/wallet.mjs'

const site = 'http://localhost:3000/'
const enabled = (chain) => ({ [`GOTRUE_EXTERNAL_WEB3_${chain.toUpperCase()}_ENABLED`]: 'true' })

// What differs between the chains: the wallet, and how the client is told what to
// write into its message.
const chains = {
  ethereum: { name: 'Ethereum', newWallet: newEthereumWallet, options: (fields) => ({ signInWithEthereum: fields }) },
  solana: { name: 'Solana', newWallet: newSolanaWallet, options: (fields) => ({ signInWithSolana: inWords(fields) }) },
}

const inWords = (fields) =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value instanceof Date ? value.toISOString() : value]))

const inMinutes = (minutes) => new Date(Date.now() + minutes * 60_000)

for (const [chain, { name, newWallet, options }] of Object.entries(chains)) {
  describe(`sign-in with a wallet of ${name}`, async () => {
    const server = await startStandalone({ GOTRUE_SITE_URL: site, GOTRUE_MAILER_AUTOCONFIRM: 'false', ...enabled(chain) })

    // signIn has the client write a message and the wallet sign it.
    const signIn = (wallet, fields = {}, { auth = newClient(server.url), url = site } = {}) =>
      auth.signInWithWeb3({ chain, wallet, statement: 'I accept the terms.', options: { url, ...options(fields) } })

    // present has the client pass on what was signed.
    const present = (signed) => newClient(server.url).signInWithWeb3({ chain, ...signed })

    // written returns a message that the wallet signed and the server refused.
    async function written(wallet) {
      await signIn(wallet, { issuedAt: inMinutes(-60) })
      return wallet.lastSigned.message.replace(/Issued At: .*/, `Issued At: ${inMinutes(0).toISOString()}`)
    }

    test('makes an account, and finds it again', async () => {
      const [wallet, auth] = [newWallet(), newClient(server.url)]
      const events = recordEvents(auth)
      const { session, user } = ok(await signIn(wallet, {}, { auth }))
      assert.deepEqual([user.email, user.phone, user.is_anonymous], ['', '', false])
      assert.deepEqual(user.app_metadata, { provider: 'web3', providers: ['web3'] })
      assert.deepEqual(user.identities.map(({ provider, id }) => [provider, id]), [['web3', `web3:${chain}:${wallet.address}`]])
      const { address, chain: on, domain, statement } = user.user_metadata.custom_claims
      assert.deepEqual([address, on, domain, statement], [wallet.address, chain, 'localhost:3000', 'I accept the terms.'])
      assert.deepEqual(claimsOf(session.access_token).amr.map(({ method }) => method), ['web3'])
      assert.deepEqual(events, ['INITIAL_SESSION', 'SIGNED_IN'])
      assert.equal(ok(await auth.getUser()).user.id, user.id)
      ok(await auth.refreshSession())

      assert.equal(ok(await signIn(wallet, { nonce: randomUUID() })).user.id, user.id)
      assert.notEqual(ok(await signIn(newWallet())).user.id, user.id)
    })

    test('works once with a message', async () => {
      const wallet = newWallet()
      for (const fields of [{}, { nonce: randomUUID() }]) {
        ok(await signIn(wallet, fields))
        refusedOAuth(await present(wallet.lastSigned), `${name} message was used before`)
      }
    })

    for (const [what, fields, message] of [
      ['was issued long ago', { issuedAt: inMinutes(-11) }, `${name} message was issued too long ago`],
      ['will be issued', { issuedAt: inMinutes(11) }, `${name} message was issued too far in the future`],
      ['has expired', { issuedAt: inMinutes(-2), expirationTime: inMinutes(-1) }, `Signed ${name} message is expired`],
      ['is not valid yet', { notBefore: inMinutes(1) }, `Signed ${name} message becomes valid in the future`],
    ]) {
      test(`is refused with a message that ${what}`, async () => {
        refusedOAuth(await signIn(newWallet(), fields), message)
      })
    }

    test('is refused with a message for another site', async () => {
      refusedOAuth(await signIn(newWallet(), {}, { url: 'https://evil.example/' }),
        `Signed ${name} message is using URI which is not allowed on this server, message was signed for another app`)
      refusedOAuth(await signIn(newWallet(), {}, { url: 'http://evil.example/' }),
        `Signed ${name} message is using URI which does not use HTTPS`)
      const wallet = newWallet()
      const message = (await written(wallet)).replace('localhost:3000 wants', 'evil.example wants')
      refusedOAuth(await present({ message, signature: wallet.sign(message) }),
        `Signed ${name} message is using a Domain that does not match the one in URI which is not allowed on this server`)
    })

    test('is refused with the signature of another, or of something else', async () => {
      const [wallet, other] = [newWallet(), newWallet()]
      const message = await written(wallet)
      const mismatch = 'Signature does not match address in message'
      refusedOAuth(await present({ message, signature: other.sign(message) }), mismatch)
      refusedOAuth(await present({ message: message.replace('terms', 'risks'), signature: wallet.sign(message) }), mismatch)
      ok(await present({ message, signature: wallet.sign(message) }))
    })

    test('is refused with what is no such message', async () => {
      const wallet = newWallet()
      const message = await written(wallet)
      for (const nonsense of ['Hello!', 'Hello!\n'.repeat(20), message.replace('Version: 1', 'Version: 2'), 'x'.repeat(20_481)]) {
        refused(await present({ message: nonsense, signature: wallet.sign(nonsense) }), 400, 'validation_failed')
      }
    })

    test('does not mean that the other chain is there', async () => {
      const [[other, { newWallet, options }]] = Object.entries(chains).filter(([id]) => id !== chain)
      const credentials = { chain: other, wallet: newWallet(), options: { url: site, ...options({}) } }
      refused(await newClient(server.url).signInWithWeb3(credentials), 422, 'web3_provider_disabled')
    })
  })
}
