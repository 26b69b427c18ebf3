import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'

const kinds = {
  RS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
}

// newKey makes a key that signs tokens. Its jwk is what is published of it.
export function newKey(alg, kid = randomUUID()) {
  const { privateKey, publicKey } = generateKeyPairSync(...kinds[alg])
  return { privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), alg, kid, use: 'sig' } }
}

// signJWT makes a token in compact form (RFC 7515 §7.1).
export function signJWT(claims, { privateKey, jwk: { alg, kid } }) {
  const text = [{ alg, kid, typ: 'JWT' }, claims].map((part) => encode(JSON.stringify(part))).join('.')
  return `${text}.${encode(sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }))}`
}

const encode = (data) => Buffer.from(data).toString('base64url')
