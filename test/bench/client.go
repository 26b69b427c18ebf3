package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// client is a connection that is kept. It is much cheaper than an http.Client,
// which on a machine with few processors would take them from the server.
type client struct {
	host, prefix string // of all paths
	conn         net.Conn
	answer       *bufio.Reader
	text         bytes.Buffer
	header       http.Header // of the last answer
}

// requestTimeout bounds a request, of which one that hashes may have to queue.
const requestTimeout = 30 * time.Second

func dial(ctx context.Context, base string) (*client, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "80")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{host: u.Host, prefix: strings.TrimSuffix(u.EscapedPath(), "/"), conn: conn, answer: bufio.NewReader(conn)}, nil
}

// request is what a client sends.
type request struct {
	method, path string
	bearer       string
	body         any // marshalled, unless nil
}

// refusal is an answer that is none of success.
type refusal struct {
	request
	status int
	body   string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s %s: %d: %s", r.method, r.path, r.status, r.body)
}

// refused reports whether an error is an answer of a status.
func refused(err error, status int) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == status
}

// do sends a request, and reads the body of the answer, which has to be one of
// success, into v unless that is nil.
func (c *client) do(r request, v any) error {
	if err := c.send(r); err != nil {
		return err
	}
	res, err := http.ReadResponse(c.answer, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return &refusal{r, res.StatusCode, string(body)}
	}
	c.header = res.Header
	if v == nil {
		return nil
	}
	return json.Unmarshal(body, v)
}

func (c *client) send(r request) error {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return err
		}
	}
	c.text.Reset()
	fmt.Fprintf(&c.text, "%s %s%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.method, c.prefix, r.path, c.host, len(body))
	if r.bearer != "" {
		fmt.Fprintf(&c.text, "Authorization: Bearer %s\r\n", r.bearer)
	}
	fmt.Fprintf(&c.text, "Content-Type: application/json\r\n\r\n%s", body)
	if err := c.conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return err
	}
	_, err := c.conn.Write(c.text.Bytes())
	return err
}
