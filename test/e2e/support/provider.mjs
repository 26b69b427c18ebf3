import { createHash, randomInt, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import * as http from 'node:http'
import * as https from 'node:https'
import { text } from 'node:stream/consumers'
import { after } from 'node:test'

import { newEmail } from './client.mjs'
import { escaped } from './html.mjs'
import { newKey, signJWT } from './jwt.mjs'

// client is how the provider knows the server under test.
export const client = { id: 'the-client', secret: 'the secret' }

// newPerson makes somebody whom no server knows yet.
export function newPerson(traits) {
  return { id: randomInt(1, 2 ** 40), login: 'ada', name: 'Ada Lovelace', email: newEmail(), verified: true, ...traits }
}

// startProvider runs a provider until the suite that called it ends. It is a GitHub
// and, at its issuer, an OpenID issuer in the shape of a Keycloak realm. As strict as
// they are, it knows one client, and a code is good once and with its verifier.
//
// Of what it returns a test may replace person, who is at the page, key, which signs
// ID tokens, and lies, which by their path are answers in place of the true ones.
// asked are the parameters that the page was last asked for with. secure has it
// speak TLS.
export async function startProvider({ secure = false } = {}) {
  const listener = (request, response) => serve(provider, request, response)
  const server = (secure ? https.createServer(identity(), listener) : http.createServer(listener)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http${secure ? 's' : ''}://localhost:${server.address().port}` // another site than 127.0.0.1
  const provider = {
    url,
    issuer: `${url}/realms/acme`,
    person: newPerson(),
    key: newKey('RS256'),
    lies: {},
    asked: undefined,
    grants: new Map(), // by code
    people: new Map(), // by access token

    // settings make a server send people here.
    settings: { ...settingsOf('GITHUB', url), ...settingsOf('KEYCLOAK', `${url}/realms/acme`) },

    // idToken makes an ID token (OpenID Connect Core §2) for an app of the person
    // at the page, with other claims and another key if need be.
    idToken: (claims, key = provider.key) => signJWT({ ...standardClaims(provider, provider.person), ...claims }, key),
  }
  return provider
}

// identity is what the provider proves by TLS to be localhost with.
function identity() {
  const pem = readFileSync(process.env.E2E_CERTIFICATE)
  return { key: pem, cert: pem }
}

const settingsOf = (name, url) => ({
  [`GOTRUE_EXTERNAL_${name}_ENABLED`]: 'true',
  [`GOTRUE_EXTERNAL_${name}_CLIENT_ID`]: client.id,
  [`GOTRUE_EXTERNAL_${name}_SECRET`]: client.secret,
  [`GOTRUE_EXTERNAL_${name}_URL`]: url,
})

const realm = '/realms/acme'
const protocol = `${realm}/protocol/openid-connect`

const routes = {
  'GET /login/oauth/authorize': page,
  'POST /login/oauth/access_token': token,
  'GET /api/v3/user': ({ person: { id, login, name } }) => ({ id, login, name, avatar_url: 'https://example.com/ada.png' }),
  'GET /api/v3/user/emails': ({ person }) => githubEmails(person),

  [`GET ${realm}/.well-known/openid-configuration`]: ({ provider }) => discovery(provider.issuer),
  [`GET ${protocol}/auth`]: page,
  [`POST ${protocol}/token`]: token,
  [`GET ${protocol}/userinfo`]: ({ person }) => userInfo(person),
  [`GET ${protocol}/certs`]: ({ provider }) => ({ keys: [provider.key.jwk] }),
}

async function serve(provider, request, response) {
  const { pathname, searchParams } = new URL(request.url, provider.url)
  const { body, status = 200 } = await answer(provider, request, pathname, searchParams)
  const isPage = typeof body === 'string'
  response.writeHead(status, { 'Content-Type': isPage ? 'text/html; charset=utf-8' : 'application/json' })
  response.end(isPage ? body : JSON.stringify(body))
}

async function answer(provider, request, path, query) {
  if (path in provider.lies) return { body: provider.lies[path] }
  const route = routes[`${request.method} ${path}`]
  if (!route) return { status: 404, body: 'There is nothing here.' }
  const person = provider.people.get(request.headers.authorization?.replace(/^bearer /i, ''))
  if (!person && /user/.test(path)) return { status: 401, body: { message: 'Bad credentials' } }
  try {
    return { body: await route({ provider, request, path, query, person }) }
  } catch (error) {
    return { status: 400, body: { error: error.message } }
  }
}

// page asks the person whether the client may know who they are (RFC 6749 §4.1.1).
function page({ provider, query }) {
  demand(query.get('client_id') === client.id, 'invalid_client')
  demand(query.get('response_type') === 'code' && query.has('state') && query.has('redirect_uri'), 'invalid_request')
  provider.asked = Object.fromEntries(query)
  const code = randomUUID()
  provider.grants.set(code, { ...provider.asked, person: provider.person })
  const back = (params) => {
    const url = new URL(query.get('redirect_uri'))
    for (const [name, value] of Object.entries({ ...params, state: query.get('state') })) url.searchParams.set(name, value)
    return escaped(url.href)
  }
  return `<!doctype html>
<title>Provider</title>
<p>May the client know who you are?</p>
<p><a href="${back({ code })}">Allow</a> or <a href="${back({ error: 'access_denied', error_description: 'They said no.' })}">Deny</a></p>`
}

// token exchanges a code (RFC 6749 §4.1.3, RFC 7636 §4.6).
async function token({ provider, request, path }) {
  const form = new URLSearchParams(await text(request))
  const [id, secret] = credentials(request) ?? [form.get('client_id'), form.get('client_secret')]
  demand(id === client.id && secret === client.secret, 'invalid_client')
  const grant = provider.grants.get(form.get('code'))
  provider.grants.delete(form.get('code'))
  demand(grant && grant.redirect_uri === form.get('redirect_uri'), 'invalid_grant')
  demand(!grant.code_challenge || grant.code_challenge === challengeOf(form.get('code_verifier')), 'invalid_grant')
  const accessToken = randomUUID()
  provider.people.set(accessToken, grant.person)
  const tokens = { access_token: accessToken, refresh_token: randomUUID(), token_type: 'bearer', expires_in: 3600 }
  if (!path.startsWith(realm)) return tokens
  return { ...tokens, id_token: signJWT({ ...standardClaims(provider, grant.person), nonce: grant.nonce }, provider.key) }
}

function credentials({ headers: { authorization } }) {
  if (!authorization) return
  return Buffer.from(authorization.replace('Basic ', ''), 'base64').toString().split(':')
    .map((part) => decodeURIComponent(part.replaceAll('+', ' ')))
}

const challengeOf = (verifier) => createHash('sha256').update(verifier ?? '').digest('base64url')

const githubEmails = ({ email, verified }) => (email ? [{ email, verified, primary: true }] : [])

const userInfo = ({ id, name, email, verified }) => ({ sub: String(id), name, email, email_verified: verified })

function standardClaims(provider, person) {
  const now = Math.floor(Date.now() / 1000)
  return { iss: provider.issuer, aud: client.id, iat: now, exp: now + 300, jti: randomUUID(), ...userInfo(person) }
}

const discovery = (issuer) => ({
  issuer,
  authorization_endpoint: `${issuer}/protocol/openid-connect/auth`,
  token_endpoint: `${issuer}/protocol/openid-connect/token`,
  userinfo_endpoint: `${issuer}/protocol/openid-connect/userinfo`,
  jwks_uri: `${issuer}/protocol/openid-connect/certs`,
})

function demand(condition, error) {
  if (!condition) throw new Error(error)
}
