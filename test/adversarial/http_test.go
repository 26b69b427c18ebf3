package adversarial_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw sends bytes as they are, <host> being the server, and reads one answer.
func (w *world) raw(t testing.TB, request string, names map[string]string) answer {
	t.Helper()
	host := strings.TrimPrefix(w.url, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil { // else a fault would hang the test
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, strings.ReplaceAll(fill(request, names), "<host>", host)); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.80q: %v", request, err)
	}
	defer res.Body.Close()
	var body bytes.Buffer
	_, _ = io.Copy(&body, res.Body) // as much as comes before the connection is closed
	return answer{res.StatusCode, res.Header, body.String()}
}

// A path or a method is one thing to the guard and to the route.
func TestNoPathLeadsAroundTheGuards(t *testing.T) {
	each(t, everyFeature, func(t *testing.T, w *world) {
		names := w.people(t)
		before := w.everything(t)
		for _, path := range []string{
			"//admin/users", "/admin//users", "/./admin/users", "/health/../admin/users", "/health/%2e%2e/admin/users", "/%2e/admin/users", "/admin%2fusers", "/%61dmin/users", "/%2561dmin/users",
			"/ADMIN/users", "/Admin/Users", "/admin/users/", "/admin/users//", "/admin/users/.", "/admin/users;x=y", "/admin;/users", "/admin/users%00", "/admin/users%20", "/admin/users%09",
			"/admin/users?", "/admin/users#", "/admin/users/%2e%2e/users", `/admin\users`, "/%5cadmin/users", "/admin/users.json", "/admin/users/..;/users",
			"http://<host>/admin/users", "http://evil.example/admin/users", "http://user@<host>/admin/users", "/auth/v1/admin/users", "/settings/../admin/users",
		} {
			for _, method := range []string{"GET", "POST", "DELETE"} {
				t.Run(method+" "+path, func(t *testing.T) {
					for _, as := range []string{"", "Authorization: Bearer <access>\r\n"} {
						got := w.raw(t, method+" "+path+" HTTP/1.1\r\nHost: <host>\r\n"+as+"Content-Length: 2\r\nConnection: close\r\n\r\n{}", names)
						if got.status/100 != 4 || strings.Contains(got.body, names["other.email"]) {
							t.Errorf("got %d %.300s, want a 4xx", got.status, got.body)
						}
					}
				})
			}
		}
		if after := w.everything(t); after != before {
			t.Errorf("changed: %s", changed(before, after))
		}
	})
}

func TestMethodsAreWhatTheyAre(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world) {
		names := w.people(t)
		before := w.everything(t)
		for _, c := range []struct{ name, request, want string }{
			{"HEAD is no GET", "HEAD /user HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer <access>\r\n\r\n", "405"},
			{"HEAD of a link", "HEAD /verify?type=signup&token=x HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
			{"TRACE shows nothing", "TRACE /user HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer <access>\r\nCookie: a=b\r\n\r\n", "405"},
			{"TRACK", "TRACK /health HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
			{"CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", "404"},
			{"OPTIONS of everything", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "200"},
			{"OPTIONS without a preflight", "OPTIONS /admin/users HTTP/1.1\r\nHost: x\r\n\r\n", "401"},
			{"a method in small letters", "post /logout HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer <access>\r\n\r\n", "405"},
			{"an invented method", "ADMIN /user HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer <access>\r\n\r\n", "405"},
			{"an overridden method", "GET /logout HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer <access>\r\nX-HTTP-Method-Override: POST\r\n\r\n", "405"},
			{"an overridden method, by another name", "GET /logout HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer <access>\r\nX-Method-Override: POST\r\nX-HTTP-Method: POST\r\n\r\n", "405"},
			{"an overridden method in the query", "GET /logout?_method=POST HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer <access>\r\n\r\n", "405"},
			{"a preflight is no request", "OPTIONS /logout HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\nAuthorization: Bearer <access>\r\n\r\n", "204"},
			{"an upgrade", "GET /user HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer <access>x\r\n\r\n", "403"},
			{"a GET with a body", "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "200"},
		} {
			t.Run(c.name, func(t *testing.T) {
				got := w.raw(t, c.request, names)
				if !strings.HasPrefix(fmt.Sprint(got.status), c.want) {
					t.Errorf("got %d %.200s, want %s", got.status, got.body, c.want)
				}
				if strings.Contains(got.body, names["access"]) || got.header.Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("got %v %s, want nothing of what was sent", got.header, got.body)
				}
			})
		}
		if after := w.everything(t); after != before {
			t.Errorf("changed: %s", changed(before, after))
		}
		w.play(t, 0, step{do: "GET /user", as: "<access>", want: "200"}, names)
	})
}

// Headers that contradict one another do not let anybody in.
func TestHeadersThatContradictOneAnother(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world) {
		names := w.people(t)
		for _, c := range []struct{ name, request, want string }{
			{"two tokens, the first bad", "GET /admin/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer <access>\r\nAuthorization: Bearer <operator>\r\n\r\n", "403"},
			{"two tokens in a line", "GET /user HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer <access>, Bearer <other.access>\r\n\r\n", "401"},
			{"two tokens of which one is none", "GET /user HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDp5\r\nAuthorization: Bearer <access>\r\n\r\n", "401"},
			{"a token over two lines", "GET /user HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n <access>\r\n\r\n", "200"},
			{"a NUL in a token", "GET /user HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer <access>\x00\r\n\r\n", "400"},
			{"a token with a tab", "GET /user HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\t<access>\r\n\r\n", "401"},
			{"two lengths", "POST /signup HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{}", "400"},
			{"a length and chunks", "POST /signup HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n", "400"},
			{"an unknown encoding", "POST /signup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", "501"},
			{"a negative length", "POST /signup HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "400"},
			{"a length beyond all bounds", "POST /signup HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", "400"},
			{"chunks beyond the limit", "POST /signup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + strings.Repeat("10000\r\n"+long(0x10000)+"\r\n", 20) + "0\r\n\r\n", "413"},
			{"a chunk of no size", "POST /signup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n", "400"},
			{"no host", "GET /health HTTP/1.1\r\n\r\n", "400"},
			{"two hosts", "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
			{"a space before the colon", "GET /user HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer <access>\r\n\r\n", "400"},
			{"headers of two megabytes", "GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + long(2<<20) + "\r\n\r\n", "431"},
			{"an audience that is long", "POST /token?grant_type=password HTTP/1.1\r\nHost: x\r\nX-JWT-AUD: " + long(100_000) + "\r\nContent-Length: 2\r\n\r\n{}", "400"},
			{"a version of the API that is none", "GET /user HTTP/1.1\r\nHost: x\r\nX-Supabase-Api-Version: 2024-99-99\r\n\r\n", "401"},
			{"languages without end", "GET /health HTTP/1.1\r\nHost: x\r\nAccept-Language: " + strings.Repeat("de;q=0.1,", 20_000) + "\r\n\r\n", "200"},
			{"an invalid agent", "GET /health HTTP/1.1\r\nHost: x\r\nUser-Agent: \xff\xfe\r\n\r\n", "200"},
			{"an old protocol", "GET /user HTTP/1.0\r\nAuthorization: Bearer <access>\r\n\r\n", "200"},
		} {
			t.Run(c.name, func(t *testing.T) {
				got := w.raw(t, c.request, names)
				if !strings.HasPrefix(fmt.Sprint(got.status), c.want) || strings.Contains(got.body, names["other.email"]) {
					t.Errorf("got %d %.200s, want %s", got.status, got.body, c.want)
				}
			})
		}
	})
}

// Of two requests on one connection the second is not read out of the first.
func TestRequestsAreNotSmuggled(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world) {
		for name, outer := range map[string]func(inner string) string{
			"in a body that is too large": func(inner string) string {
				return "POST /signup HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + long(1<<20+1) + inner
			},
			"in a body that is refused": func(inner string) string {
				return fmt.Sprintf("POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(inner), inner)
			},
			"after two lengths": func(inner string) string {
				return "POST /signup HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n" + inner
			},
			"after a chunk of no size": func(inner string) string {
				return "POST /signup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + inner
			},
			"after a space in the name of a header": func(inner string) string {
				return "POST /signup HTTP/1.1\r\nHost: x\r\nContent-Length : 0\r\n\r\n" + inner
			},
		} {
			t.Run(name, func(t *testing.T) {
				names := w.people(t)
				w.raw(t, outer(fill("POST /logout HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer <access>\r\nContent-Length: 0\r\n\r\n", names)), names)
				w.play(t, 0, step{do: "GET /user", as: "<access>", want: "200"}, names)
			})
		}
	})
}
