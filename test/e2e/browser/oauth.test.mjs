import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { complaintsOf, startBrowser } from '../support/browser.mjs'
import { newPerson, startProvider } from '../support/provider.mjs'
import { startSite } from '../support/site.mjs'
import { startStandalone } from '../support/standalone.mjs'

// The application, the API and the provider are three sites: app.localhost,
// 127.0.0.1 and localhost.
describe('in a browser, sign-in with a provider', async () => {
  const [provider, site] = [await startProvider(), await startSite()]
  const server = await startStandalone({ GOTRUE_SITE_URL: site.url, GOTRUE_MAILER_AUTOCONFIRM: 'false', ...provider.settings })
  const browser = await startBrowser()

  // visit opens the application for the first time, in a browser of its own.
  async function visit(flow) {
    const context = await browser.newContext({ locale: 'en-GB' })
    const page = await context.newPage()
    const complaints = complaintsOf(context)
    await page.goto(`${site.url}?${new URLSearchParams({ api: server.url, flow })}`)
    await page.getByRole('heading', { name: 'You are nobody' }).waitFor()
    return { context, page, complaints }
  }

  // begin goes from the application to the provider's page.
  async function begin(page) {
    await page.getByRole('button', { name: 'Sign in with GitHub' }).click()
    await page.getByText('May the client know who you are?').waitFor()
  }

  const isSignedIn = (page, { email }) => page.getByRole('heading', { name: `You are ${email}` }).waitFor()
  const isRemembered = (page) => page.evaluate(() => Object.keys(localStorage).some((key) => key.endsWith('auth.token')))
  const allow = (page) => page.getByRole('link', { name: 'Allow' })

  for (const flow of ['implicit', 'pkce']) {
    test(`leads back with a session: ${flow}`, async () => {
      const person = (provider.person = newPerson())
      const { context, page, complaints } = await visit(flow)
      await begin(page)
      await allow(page).click()
      await isSignedIn(page, person)
      const { origin, search, hash } = new URL(page.url())
      assert.deepEqual([`${origin}/`, search, hash], [site.url, '', ''], 'what signs in stays in the address')
      await page.reload()
      await isSignedIn(page, person)
      assert.equal(await isRemembered(page), true)
      assert.deepEqual(complaints, [])
      await context.close()
    })

    test(`leads back without one when it is denied: ${flow}`, async () => {
      provider.person = newPerson()
      const { context, page, complaints } = await visit(flow)
      await begin(page)
      await page.getByRole('link', { name: 'Deny' }).click()
      await page.getByRole('heading', { name: 'They said no.' }).waitFor()
      assert.deepEqual(complaints, [])
      await context.close()
    })
  }

  // Else somebody could have others signed in to an account that is not theirs.
  test('does not end in another browser, but still in its own: implicit', async () => {
    const person = (provider.person = newPerson())
    const [mine, theirs, another] = [await visit('implicit'), await visit('implicit'), await visit('implicit')]
    for (const { page } of [mine, another]) await begin(page)
    const [cookie, ...others] = await mine.context.cookies()
    assert.deepEqual([cookie.domain, cookie.httpOnly, cookie.sameSite, others], ['127.0.0.1', true, 'Lax', []])

    const back = await allow(mine.page).getAttribute('href')
    for (const { page } of [theirs, another]) {
      await page.goto(back)
      await page.getByRole('heading', { name: 'OAuth state parameter is invalid' }).waitFor()
      assert.equal(await isRemembered(page), false)
    }
    await allow(mine.page).click()
    await isSignedIn(mine.page, person)
    for (const { context } of [mine, theirs, another]) await context.close()
  })

  test('brings another browser a code that it cannot use: pkce', async () => {
    provider.person = newPerson()
    const [mine, theirs] = [await visit('pkce'), await visit('pkce')]
    await begin(mine.page)
    assert.deepEqual(await mine.context.cookies(), [])
    await theirs.page.goto(await allow(mine.page).getAttribute('href'))
    await theirs.page.getByRole('heading', { name: 'You are nobody' }).waitFor()
    assert.ok(new URL(theirs.page.url()).searchParams.has('code'), `it is at ${theirs.page.url()}`)
    assert.equal(await isRemembered(theirs.page), false)
    for (const { context } of [mine, theirs]) await context.close()
  })

  test('may be under way twice in one browser', async () => {
    const person = (provider.person = newPerson())
    const { context, page, complaints } = await visit('implicit')
    await begin(page)
    const other = await context.newPage()
    await other.goto(site.url)
    await begin(other)
    for (const each of [page, other]) {
      await allow(each).click()
      await isSignedIn(each, person)
    }
    assert.deepEqual(complaints, [])
    await context.close()
  })

  test('begins where the application says if the client is not to go there itself', async () => {
    provider.person = newPerson()
    const { context, page } = await visit('pkce')
    await page.getByRole('button', { name: 'Where would I sign in?' }).click()
    const url = page.locator('p', { hasText: `${server.url}/authorize` })
    await url.waitFor()
    assert.equal(new URL(page.url()).origin, new URL(site.url).origin)
    await page.goto(await url.innerText())
    await allow(page).click()
    await isSignedIn(page, provider.person)
    await context.close()
  })
})
