import { generateKeyPairSync, sign } from 'node:crypto'

import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'

// newEthereumWallet makes a wallet as pages find it in window.ethereum (EIP-1193),
// with a new account. Its sign is "personal_sign" (EIP-191), and lastSigned what a
// page had it sign.
export function newEthereumWallet() {
  const key = secp256k1.utils.randomSecretKey()
  const publicKey = secp256k1.getPublicKey(key, false).subarray(1)
  const wallet = {
    address: hex(keccak_256(publicKey).subarray(12)),
    sign(message) {
      const text = Buffer.from(message)
      const hash = keccak_256(Buffer.concat([Buffer.from(`\x19Ethereum Signed Message:\n${text.length}`), text]))
      const [recovery, ...rs] = secp256k1.sign(hash, key, { prehash: false, format: 'recovered' })
      return hex([...rs, 27 + recovery])
    },
    async request({ method, params }) {
      switch (method) {
        case 'eth_requestAccounts':
          return [wallet.address]
        case 'eth_chainId':
          return '0x1'
        case 'personal_sign':
          return remember(wallet, Buffer.from(params[0].slice(2), 'hex').toString())
      }
      throw new Error(`there is no ${method}`)
    },
  }
  return wallet
}

// newSolanaWallet makes a wallet as pages find it in window.solana, with a new
// account.
export function newSolanaWallet() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const wallet = {
    address: base58(Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url')),
    sign: (message) => new Uint8Array(sign(null, Buffer.from(message), privateKey)),
    publicKey: { toBase58: () => wallet.address },
    signMessage: async (bytes) => remember(wallet, Buffer.from(bytes).toString()),
  }
  return wallet
}

function remember(wallet, message) {
  wallet.lastSigned = { message, signature: wallet.sign(message) }
  return wallet.lastSigned.signature
}

const hex = (bytes) => `0x${Buffer.from(bytes).toString('hex')}`

// base58 writes bytes as Bitcoin and Solana do: as a number, with a 1 for each zero
// that leads.
function base58(bytes) {
  const digits = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  let text = ''
  for (let number = BigInt(`0x0${bytes.toString('hex')}`); number > 0n; number /= 58n) text = digits[number % 58n] + text
  return '1'.repeat(bytes.findIndex((byte) => byte !== 0)) + text
}
