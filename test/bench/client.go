package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// client is a connection that is kept. It is much cheaper than an http.Client,
// which on a machine with few processors would take them from the server.
type client struct {
	host   string
	conn   net.Conn
	answer *bufio.Reader
	text   bytes.Buffer
}

// requestTimeout bounds a request, of which one that hashes may have to queue.
const requestTimeout = 30 * time.Second

func dial(ctx context.Context, url string) (*client, error) {
	host := strings.TrimPrefix(url, "http://")
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	return &client{host: host, conn: conn, answer: bufio.NewReader(conn)}, nil
}

// request is what a client sends.
type request struct {
	method, path string
	bearer       string
	body         any // marshalled, unless nil
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
		return fmt.Errorf("%s %s: %s: %s", r.method, r.path, res.Status, body)
	}
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
	fmt.Fprintf(&c.text, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.method, r.path, c.host, len(body))
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
