'use strict'

// The page is complete without this. It adds that new messages appear by
// themselves, times of the reader's own clock, and that a click copies a code.

const list = '#list', all = 'main'
let version = document.body.dataset.version

function localizeTimes() {
  for (const time of document.querySelectorAll('time')) {
    time.textContent = new Date(time.dateTime).toLocaleTimeString()
    time.title = new Date(time.dateTime).toLocaleString()
  }
}

// A message that somebody chose stays; otherwise the newest is shown.
async function refresh() {
  const response = await fetch(location.href)
  const page = new DOMParser().parseFromString(await response.text(), 'text/html')
  const part = new URLSearchParams(location.search).has('id') ? list : all
  document.querySelector(part).replaceChildren(...page.querySelector(part).childNodes)
  document.title = page.title
  version = page.body.dataset.version
  localizeTimes()
}

async function watch() {
  try {
    if (!document.hidden && await (await fetch('version')).text() !== version) await refresh()
  } catch {
    // The server is away, and may come back.
  }
  setTimeout(watch, 1000)
}

document.addEventListener('click', async ({ target }) => {
  if (!target.dataset?.copy) return
  try {
    await navigator.clipboard.writeText(target.dataset.copy)
  } catch {
    return // the click has selected the code at least
  }
  target.classList.add('copied')
  setTimeout(() => target.classList.remove('copied'), 1500)
})

localizeTimes()
watch()
