import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { complaintsOf, startBrowser } from '../support/browser.mjs'
import { newClient, newEmail, ok, password, refused } from '../support/client.mjs'
import { startStandalone } from '../support/standalone.mjs'

describe('in a browser', async () => {
  const server = await startStandalone({ GOTRUE_MAILER_AUTOCONFIRM: 'false', GOTRUE_SMTP_MAX_FREQUENCY: '0s' })
  const browser = await startBrowser()

  // openInbox signs somebody up and finds the mail in the mailbox.
  async function openInbox() {
    const [auth, email] = [newClient(server.url), newEmail()]
    ok(await auth.signUp({ email, password }))
    const context = await browser.newContext({ locale: 'en-GB' })
    const inbox = await context.newPage()
    const complaints = complaintsOf(context)
    await inbox.goto(`${server.url}/_inbox`)
    await inbox.locator('#list a', { hasText: email }).click()
    return { auth, email, context, inbox, complaints }
  }

  // openLink clicks on a link that opens beside the page.
  async function openLink(page, link) {
    const opened = page.waitForEvent('popup')
    await link.click()
    return opened
  }

  // links are where a mail can be clicked on.
  const links = {
    'in the mail itself': (inbox) => inbox.frameLocator('iframe').locator('a[href*="/confirm"]').first(),
    'beside the mail': (inbox) => inbox.getByRole('link', { name: 'Open the link' }),
  }
  for (const [where, find] of Object.entries(links)) {
    test(`the link ${where} and the button that it shows sign in`, async () => {
      const { auth, email, context, inbox, complaints } = await openInbox()
      const page = await openLink(inbox, find(inbox))
      await page.waitForURL((url) => url.pathname === '/confirm')
      refused(await auth.signInWithPassword({ email, password }), 400, 'email_not_confirmed')

      await page.getByRole('button').click()
      await page.waitForURL('**/_welcome')
      await page.getByText('You are signed in').waitFor()
      assert.ok((await page.locator('body').innerText()).includes(email), 'it does not say as whom')
      assert.equal(new URL(page.url()).hash, '', 'the tokens stay in the address')
      ok(await auth.signInWithPassword({ email, password }))
      assert.deepEqual(complaints, [])
      await context.close()
    })
  }

  test('a link that was used says so', async () => {
    const { auth, email, context, inbox, complaints } = await openInbox()
    const page = await openLink(inbox, links['in the mail itself'](inbox))
    const code = await inbox.locator('code.code').innerText()
    ok(await auth.verifyOtp({ type: 'signup', email, token: code }))
    await page.getByRole('button').click()
    await page.getByText('Email link is invalid or has expired').waitFor()
    assert.deepEqual(complaints, [])
    await context.close()
  })
})
