import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { after } from 'node:test'

// startSite runs an application until the suite that called it ends, whose pages use
// the client as it is published. The first asks the API at its query's api, with the
// flow of its query's flow, and remembers both; /blank makes no client of its own.
export async function startSite() {
  const server = createServer(serve).listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address()
  return { url: `http://app.localhost:${port}/`, origin: `http://localhost:${port}` }
}

function serve(request, response) {
  const { pathname } = new URL(request.url, 'http://app.localhost')
  try {
    const html = { '/': page, '/blank': blank }[pathname]
    const [type, body] = html ? ['text/html', html] : ['text/javascript', moduleAt(pathname)]
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

const modules = `<script type="importmap">{ "imports": {
  "@supabase/auth-js": "/node_modules/@supabase/auth-js/dist/module/index",
  "tslib": "/node_modules/tslib/tslib.es6.mjs"
} }</script>`

const blank = `<!doctype html>
<html lang="en">
<title>Application</title>
${modules}
<script type="module">
  import { AuthClient } from '@supabase/auth-js'
  window.AuthClient = AuthClient
</script>
</html>
`

const page = `<!doctype html>
<html lang="en">
<title>Application</title>
<h1>…</h1>
<button>Sign in with GitHub</button>
<button>Where would I sign in?</button>
<p></p>
${modules}
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
