import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

// newCertificate makes a certificate for localhost that is good for a day and that
// nobody has signed but itself (RFC 5280 §4.1). It returns it and its key, as PEM.
export function newCertificate() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = sequence(der(0x31, sequence(oid('550403'), der(0x0c, 'localhost')))) // a common name
  const alternativeName = sequence(oid('551d11'), der(0x04, sequence(der(0x82, 'localhost'))))
  const toBeSigned = sequence(
    der(0xa0, der(0x02, [2])), // version 3
    der(0x02, [1], randomBytes(16)), // serial number
    ecdsaWithSHA256,
    name, // of the issuer
    sequence(time(Date.now() - hour), time(Date.now() + 24 * hour)),
    name, // of the subject
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(alternativeName)),
  )
  const certificate = sequence(toBeSigned, ecdsaWithSHA256, der(0x03, [0], sign('sha256', toBeSigned, privateKey)))
  const lines = certificate.toString('base64').replace(/.{64}/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n${privateKey.export({ type: 'pkcs8', format: 'pem' })}`
}

const hour = 3_600_000

// der writes a value (X.690 §8.1): what it is, its length and its contents.
function der(tag, ...contents) {
  const body = Buffer.concat(contents.map((part) => Buffer.from(part)))
  return Buffer.concat([Buffer.from([tag, ...lengthOf(body)]), body])
}

// lengthOf takes as few bytes as there can be.
function lengthOf({ length }) {
  if (length < 0x80) return [length]
  return length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
}

const sequence = (...parts) => der(0x30, ...parts)
const oid = (hex) => der(0x06, Buffer.from(hex, 'hex'))
const time = (at) => der(0x18, `${new Date(at).toISOString().replace(/[-:T]|\..*/g, '')}Z`)
const ecdsaWithSHA256 = sequence(oid('2a8648ce3d040302'))
