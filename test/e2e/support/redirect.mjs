import assert from 'node:assert/strict'

import { unescaped } from './html.mjs'

// target is where an answer redirects to.
export function target(response, status = 302) {
  assert.equal(response.status, status)
  return new URL(response.headers.get('location'))
}

// fragmentOf reads what a redirect carries where servers do not see it.
export const fragmentOf = (url) => Object.fromEntries(new URLSearchParams(url.hash.slice(1)))

// queryOf reads what a redirect carries where servers see it.
export const queryOf = (url) => Object.fromEntries(url.searchParams)

// open does what a browser does with a URL that redirects: it goes where that leads.
export const open = async (url, status) => target(await fetch(url, { redirect: 'manual' }), status)

// answerOn goes to a provider's page, by way of the API if need be, and returns
// where one of the links there leads: that which says yes, or no.
export async function answerOn(url, answer = 'Allow') {
  const response = await fetch(url)
  const html = await response.text()
  assert.equal(response.status, 200, html)
  const [, href] = new RegExp(`<a href="([^"]*)">${answer}</a>`).exec(html) ?? assert.fail(`there is no ${answer} on ${html}`)
  return unescaped(href)
}

// comeBack goes through a sign-in with a provider as a browser would, from the URL
// that a client sends it to until it is back at the application.
export const comeBack = async (url, answer, status) => open(await answerOn(url, answer), status)

// failed checks that a redirect tells of this failure: in the query, and in the
// fragment as well.
export function failed(url, want) {
  for (const part of [queryOf(url), fragmentOf(url)]) {
    const { error, error_code } = part
    assert.deepEqual({ error, error_code }, { error_code: undefined, ...want }, `of ${url}`)
    assert.equal(part.access_token ?? part.code, undefined, `${url} signs in`)
  }
}
