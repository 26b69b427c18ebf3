import { after } from 'node:test'

import { chromium } from 'playwright-core'

// startBrowser runs Chromium until the suite that called it ends.
export async function startBrowser() {
  const browser = await chromium.launch({
    executablePath: process.env.E2E_CHROMIUM,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  })
  after(() => browser.close())
  return browser
}

// complaintsOf collects what a browser finds wrong with the pages that it is
// shown, such as what their Content-Security-Policy keeps out.
export function complaintsOf(context) {
  const complaints = []
  context.on('console', (message) => {
    const isIcon = message.location().url.endsWith('/favicon.ico') // which browsers ask for unbidden
    if (message.type() === 'error' && !isIcon) complaints.push(message.text())
  })
  context.on('weberror', (error) => complaints.push(error.error().message))
  return complaints
}
