package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
)

// site is the application, served.
type site struct {
	*app
	url string
}

func newSite(t *testing.T) *site {
	t.Helper()
	app, err := open(t.Context(), filepath.Join(t.TempDir(), "notes.db"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(app.routes())
	t.Cleanup(func() {
		server.Close()
		app.store.Close()
	})
	return &site{app, server.URL}
}

// send returns the status and the body of the answer.
func (s *site) send(t *testing.T, method, path, bearer, contentType, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func (s *site) json(t *testing.T, method, path, bearer, body string) (int, string) {
	t.Helper()
	return s.send(t, method, path, bearer, "application/json", body)
}

func (s *site) join(t *testing.T, email, password, note string) (int, string) {
	t.Helper()
	form := url.Values{"email": {email}, "password": {password}, "note": {note}}
	return s.send(t, "POST", "/join", "", "application/x-www-form-urlencoded", form.Encode())
}

// authenticate signs up or in, as the page does.
func (s *site) authenticate(t *testing.T, path, email string) (accessToken string) {
	t.Helper()
	status, text := s.json(t, "POST", "/auth/v1"+path, "", `{"email":"`+email+`","password":"correct horse"}`)
	var session postern.Session
	if err := json.Unmarshal([]byte(text), &session); err != nil || status != http.StatusOK {
		t.Fatalf("%s: got %d %s and error %v, want a session", path, status, text, err)
	}
	return session.AccessToken
}

const signUp, signIn = "/signup", "/token?grant_type=password"

func TestEverybodySeesTheirOwnNotes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ada, bob := s.authenticate(t, signUp, "ada@example.com"), s.authenticate(t, signUp, "bob@example.com")
	if status, text := s.json(t, "POST", "/notes", ada, `{"text":"buy tea","id":7,"user_id":"x"}`); status != http.StatusCreated {
		t.Fatalf("POST /notes: got %d %s, want 201", status, text)
	}
	if _, got := s.json(t, "GET", "/notes", ada, ""); got != `[{"id":1,"text":"buy tea"}]`+"\n" {
		t.Errorf("Ada's notes: got %s", got)
	}
	if _, got := s.json(t, "GET", "/notes", bob, ""); got != "[]\n" {
		t.Errorf("Bob's notes: got %s, want none", got)
	}
}

func TestNotesNeedAUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token := s.authenticate(t, signUp, "ada@example.com")
	for _, method := range []string{"GET", "POST"} {
		if status, text := s.json(t, method, "/notes", "", `{"text":"x"}`); status != http.StatusUnauthorized {
			t.Errorf("%s /notes without a token: got %d %s, want 401", method, status, text)
		}
	}
	if status, text := s.json(t, "POST", "/auth/v1/logout", token, ""); status != http.StatusNoContent {
		t.Fatalf("sign-out: got %d %s, want 204", status, text)
	}
	if status, text := s.json(t, "GET", "/notes", token, ""); status != http.StatusForbidden {
		t.Errorf("GET /notes after signing out: got %d %s, want 403", status, text)
	}
}

func TestBadNotesAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token := s.authenticate(t, signUp, "ada@example.com")
	for body, want := range map[string]int{
		`{"text":""}`: http.StatusUnprocessableEntity,
		`{"text":"` + strings.Repeat("ä", 1001) + `"}`: http.StatusUnprocessableEntity,
		`{"text":"` + strings.Repeat("ä", 1000) + `"}`: http.StatusCreated,
		`{"text"`: http.StatusBadRequest,
	} {
		if got, text := s.json(t, "POST", "/notes", token, body); got != want {
			t.Errorf("%.40s: got %d %s, want %d", body, got, text, want)
		}
	}
}

func TestJoiningMakesAccountAndNote(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if status, text := s.join(t, "ada@example.com", "correct horse", "hello"); status != http.StatusSeeOther {
		t.Fatalf("POST /join: got %d %s, want 303", status, text)
	}
	token := s.authenticate(t, signIn, "ada@example.com")
	if _, got := s.json(t, "GET", "/notes", token, ""); got != `[{"id":1,"text":"hello"}]`+"\n" {
		t.Errorf("got the notes %s, want the first", got)
	}
}

func TestJoiningMakesBothOrNeither(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.authenticate(t, signUp, "taken@example.com")
	for _, c := range []struct{ name, email, password, note string }{
		{"a note that is too long", "ada@example.com", "correct horse", strings.Repeat("x", 1001)},
		{"no note", "ada@example.com", "correct horse", ""},
		{"a weak password", "ada@example.com", "x", "hello"},
		{"a taken address", "taken@example.com", "correct horse", "hello"},
	} {
		if status, text := s.join(t, c.email, c.password, c.note); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: got %d %s, want 422", c.name, status, text)
		}
	}
	users, err := s.auth.AdminListUsers(t.Context(), postern.AdminListUsersParams{})
	if err != nil || len(users.Users) != 1 {
		t.Errorf("got %+v and error %v, want nobody but the first user", users, err)
	}
	if n, err := s.store.DB().NewSelect().Model((*note)(nil)).Count(t.Context()); err != nil || n != 0 {
		t.Errorf("got %d notes and error %v, want none", n, err)
	}
}

func TestDeletedUsersTakeTheirNotesAlong(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.join(t, "ada@example.com", "correct horse", "hello")
	caller, err := s.auth.Authenticate(t.Context(), s.authenticate(t, signIn, "ada@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.auth.AdminDeleteUser(t.Context(), caller.User.ID, false); err != nil {
		t.Fatal(err)
	}
	if n, err := s.store.DB().NewSelect().Model((*note)(nil)).Count(t.Context()); err != nil || n != 0 {
		t.Errorf("got %d notes and error %v, want none", n, err)
	}
}

func TestPageIsServedAtTheRootOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if status, text := s.json(t, "GET", "/", "", ""); status != http.StatusOK || !strings.HasPrefix(text, "<!doctype html>") {
		t.Errorf("GET /: got %d %.40q, want the page", status, text)
	}
	if status, _ := s.json(t, "GET", "/nothing", "", ""); status != http.StatusNotFound {
		t.Errorf("GET /nothing: got %d, want 404", status)
	}
}
