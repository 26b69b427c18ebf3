import assert from 'node:assert/strict'

import { unescaped } from './html.mjs'
import { target } from './redirect.mjs'

// messagesTo lists what the server sent to an address or a number, the oldest
// first.
export async function messagesTo(server, to) {
  const response = await fetch(`${server.url}/_inbox/messages?to=${encodeURIComponent(to)}`)
  return (await response.json()).toReversed()
}

// lastTo returns the newest of them, which must be of a type.
export async function lastTo(server, to, type) {
  const message = (await messagesTo(server, to)).at(-1)
  assert.equal(message?.type, type, `the last message to ${to} is another one`)
  return message
}

// follow does what the reader of a mail does: open the link and press the button.
// It returns the URL that the browser is sent on to.
export async function follow(link) {
  const page = await fetch(link, { redirect: 'manual' })
  assert.equal(page.status, 200, `${link} shows no page`)
  const form = new URLSearchParams(hiddenFields(await page.text()))
  return target(await fetch(new URL('confirm', link), { method: 'POST', body: form, redirect: 'manual' }), 303)
}

const hiddenFields = (html) =>
  Array.from(html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g), ([, ...pair]) => pair.map(unescaped))
