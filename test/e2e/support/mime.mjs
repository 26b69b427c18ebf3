// parseMIME reads a message, or one of its parts (RFC 2045, RFC 2046): headers by
// their names in lower case, and the parts of a multipart or else the body.
export function parseMIME(text) {
  const [head, ...rest] = text.split('\r\n\r\n')
  const headers = parseHeaders(head)
  const body = rest.join('\r\n\r\n')
  const boundary = /^multipart\/.*boundary="?([^";]+)"?/is.exec(headers['content-type'])?.[1]
  if (!boundary) return { headers, body: decode(body, headers['content-transfer-encoding']) }
  const [, ...parts] = `\r\n${body}`.split(`\r\n--${boundary}--`)[0].split(`\r\n--${boundary}\r\n`)
  return { headers, parts: parts.map(parseMIME) }
}

function parseHeaders(head) {
  const unfolded = head.replace(/\r\n(?=[ \t])/g, '')
  return Object.fromEntries(unfolded.split('\r\n').map((line) => {
    const [name, ...value] = line.split(':')
    return [name.toLowerCase(), value.join(':').trim()]
  }))
}

function decode(body, encoding = '7bit') {
  switch (encoding.toLowerCase()) {
    case 'base64':
      return Buffer.from(body, 'base64').toString()
    case 'quoted-printable':
      return decodeURIComponent(body.replace(/=\r\n/g, '').replaceAll('%', '%25').replace(/=([0-9A-F]{2})/g, '%$1'))
  }
  return body
}
