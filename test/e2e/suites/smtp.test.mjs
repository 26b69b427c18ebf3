import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { newClient, newEmail, ok, password, signIn } from '../support/client.mjs'
import { follow } from '../support/inbox.mjs'
import { parseMIME } from '../support/mime.mjs'
import { fragmentOf } from '../support/redirect.mjs'
import { startSMTP } from '../support/smtp.mjs'
import { startStandalone } from '../support/standalone.mjs'

const site = 'http://localhost:3000/'

describe('with a mail server', async () => {
  const smtp = await startSMTP()
  const server = await startStandalone({
    GOTRUE_MAILER_AUTOCONFIRM: 'false',
    GOTRUE_SITE_URL: site,
    GOTRUE_SMTP_HOST: '127.0.0.1',
    GOTRUE_SMTP_PORT: String(smtp.port),
    GOTRUE_SMTP_ADMIN_EMAIL: 'accounts@example.org',
    GOTRUE_SMTP_SENDER_NAME: 'Áccounts',
  })

  async function signUp() {
    const [auth, email] = [newClient(server.url), newEmail()]
    ok(await auth.signUp({ email, password }))
    const sent = smtp.mails.filter(({ to }) => to === email)
    assert.equal(sent.length, 1)
    const { headers, parts } = parseMIME(sent[0].text)
    return { auth, email, from: sent[0].from, headers, parts }
  }

  test('mails go out with an envelope and headers', async () => {
    const { email, from, headers } = await signUp()
    assert.equal(from, 'accounts@example.org')
    assert.match(headers.from, /^=\?utf-8\?\S+\?= <accounts@example\.org>$/i)
    assert.equal(headers.to, `<${email}>`)
    assert.ok(headers.subject, 'there is no subject')
    assert.match(headers['message-id'], /^<[^@\s]+@example\.org>$/)
    assert.ok(Math.abs(Date.parse(headers.date) - Date.now()) < 3_600_000, `the date is ${headers.date}`)
    assert.equal(headers['mime-version'], '1.0')
    assert.equal(headers['auto-submitted'], 'auto-generated')
    assert.match(headers['content-type'], /^multipart\/alternative/)
  })

  test('mails say the same as text and as HTML: a code and a link', async () => {
    const { auth, email, parts } = await signUp()
    assert.deepEqual(parts.map(({ headers }) => headers['content-type'].toLowerCase().replaceAll(' ', '')), ['text/plain;charset=utf-8', 'text/html;charset=utf-8'])
    const [text, html] = parts.map(({ body }) => body)
    const [link] = /http:\S+/.exec(text)
    const [code] = /\b\d{6}\b/.exec(text)
    assert.ok(html.replaceAll('&amp;', '&').includes(`href="${link}"`), 'the HTML has another link')
    assert.ok(html.includes(code), 'the HTML has another code')
    assert.equal(ok(await auth.verifyOtp({ type: 'signup', email, token: code })).user.email, email)
  })

  test('the link in a mail leads to the site', async () => {
    const { email, parts } = await signUp()
    const url = await follow(/http:\S+/.exec(parts[0].body)[0])
    assert.equal(url.origin, new URL(site).origin)
    assert.equal(fragmentOf(url).type, 'signup')
    await signIn(server, email)
  })

  test('there is no mailbox to look into', async () => {
    for (const path of ['/_inbox', '/_inbox/', '/_inbox/messages', '/_welcome']) {
      assert.equal((await fetch(server.url + path)).status, 404, path)
    }
  })
})

describe('without the mail server that there should be', async () => {
  const server = await startStandalone({
    GOTRUE_MAILER_AUTOCONFIRM: 'false', GOTRUE_SITE_URL: site,
    GOTRUE_SMTP_HOST: '127.0.0.1', GOTRUE_SMTP_PORT: '1', GOTRUE_SMTP_ADMIN_EMAIL: 'accounts@example.org',
  }, { fails: true })

  test('whoever waits for a mail is told', async () => {
    const { error } = await newClient(server.url).signUp({ email: newEmail(), password })
    assert.deepEqual([error?.status, error?.message], [500, 'Error sending confirmation email'])
  })
})
