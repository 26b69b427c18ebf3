import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { after } from 'node:test'

// startSMTP runs a mail server (RFC 5321) until the suite that called it ends. It
// takes every mail and keeps it in mails, as { from, to, text }.
export async function startSMTP() {
  const mails = []
  const server = createServer((socket) => converse(socket, mails)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => void server.close())
  return { port: server.address().port, mails }
}

async function converse(socket, mails) {
  const say = (reply) => socket.write(`${reply}\r\n`)
  const lines = createInterface({ input: socket, crlfDelay: Infinity })[Symbol.asyncIterator]()
  const next = async () => (await lines.next()).value
  socket.on('error', () => socket.destroy())
  say('220 mail.example.com ESMTP')
  let mail = {}
  for (let line = await next(); line !== undefined; line = await next()) {
    const [, verb, argument] = /^(\w+) ?(.*)$/.exec(line) ?? []
    switch (verb?.toUpperCase()) {
      case 'EHLO':
        say('250-mail.example.com\r\n250 8BITMIME')
        break
      case 'MAIL':
        mail = { from: address(argument) }
        say('250 OK')
        break
      case 'RCPT':
        mail.to = address(argument)
        say('250 OK')
        break
      case 'DATA':
        say('354 Go on')
        mails.push({ ...mail, text: await readData(next) })
        say('250 OK')
        break
      case 'RSET':
      case 'NOOP':
        say('250 OK')
        break
      case 'QUIT':
        say('221 Bye')
        socket.end()
        break
      default:
        say('502 Not here')
    }
  }
}

const address = (argument) => /<(.*?)>/.exec(argument)?.[1]

// readData reads up to the line that is a dot. Another dot at the beginning of a
// line is there only so that the line is not that one (RFC 5321 §4.5.2).
async function readData(next) {
  const lines = []
  for (let line = await next(); line !== undefined && line !== '.'; line = await next()) lines.push(line.replace(/^\./, ''))
  return lines.join('\r\n')
}
