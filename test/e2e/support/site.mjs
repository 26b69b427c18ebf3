import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { after } from 'node:test'

// startSite runs an application until the suite that called it ends: one page, which
// uses the client as it is published. It asks the API at its query's api, with the
// flow of its query's flow, and remembers both.
export async function startSite() {
  const server = createServer(serve).listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://app.localhost:${server.address().port}/` }
}

function serve(request, response) {
  const { pathname } = new URL(request.url, 'http://app.localhost')
  try {
    const [type, body] = pathname === '/' ? ['text/html', page] : ['text/javascript', moduleAt(pathname)]
    response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8` }).end(body)
  } catch (error) {
    response.writeHead(404).end(error.message)
  }
}

// moduleAt reads a module of a package. The client's modules name each other as a
// bundler would find them, without an extension.
function moduleAt(path) {
  const file = new URL(`..${path}`, import.meta.url)
  return readFileSync(/\.m?js$/.test(path) ? file : new URL(`${file}.js`))
}

const page = `<!doctype html>
<html lang="en">
<title>Application</title>
<h1>…</h1>
<button>Sign in with GitHub</button>
<button>Where would I sign in?</button>
<p></p>
<script type="importmap">{ "imports": {
  "@supabase/auth-js": "/node_modules/@supabase/auth-js/dist/module/index",
  "tslib": "/node_modules/tslib/tslib.es6.mjs"
} }</script>
<script type="module">
  import { AuthClient } from '@supabase/auth-js'

  const query = new URLSearchParams(location.search)
  for (const name of ['api', 'flow']) if (query.has(name)) localStorage.setItem(name, query.get(name))
  const auth = new AuthClient({ url: localStorage.getItem('api'), flowType: localStorage.getItem('flow') })
  const { error } = await auth.initialize()
  const { data: { session } } = await auth.getSession()
  document.querySelector('h1').textContent = session ? 'You are ' + session.user.email : error?.message ?? 'You are nobody'

  const say = (text) => { document.querySelector('p').textContent = text }
  const [signIn, ask] = document.querySelectorAll('button')
  const signInWith = async (options) => {
    const { data, error } = await auth.signInWithOAuth({ provider: 'github', options: { redirectTo: location.origin, ...options } })
    return error?.message ?? data.url
  }
  signIn.onclick = () => signInWith({})
  ask.onclick = async () => say(await signInWith({ skipBrowserRedirect: true }))
</script>
</html>
`
