package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/test/bench/internal/fill"
	"github.com/postern-auth/postern/test/internal/standalone"
)

// The floor is what nobody gets below: a handler that does nothing, the hash of a
// password, the signature of a token.

// bareCommand makes the program serve the bare handler.
const bareCommand = "bare"

// serveBare serves JSON in and out until it is killed.
func serveBare(stdout io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "API http://%s\n", listener.Addr())
	return http.Serve(listener, http.HandlerFunc(bare))
}

// bare answers with a user, and to a POST after it has read a document.
func bare(w http.ResponseWriter, r *http.Request) {
	var in struct {
		RefreshToken string `json:"refresh_token"`
	}
	if r.Method == http.MethodPost && json.NewDecoder(r.Body).Decode(&in) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	body, _ := json.Marshal(someUser(time.Now())) // it always can
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

func someUser(now time.Time) *postern.User {
	return &postern.User{
		Aud: "authenticated", Role: "authenticated", Email: "ada@example.com",
		EmailConfirmedAt: &now, LastSignInAt: &now, CreatedAt: now, UpdatedAt: now,
		AppMetadata:  postern.Metadata(`{"provider":"email","providers":["email"]}`),
		UserMetadata: postern.Metadata(`{"full_name":"Ada Lovelace","plan":3}`),
		Identities:   []postern.Identity{{Provider: "email", Email: "ada@example.com", CreatedAt: now, UpdatedAt: now}},
	}
}

func (b *bench) measureFloor(ctx context.Context) ([]row, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	server, err := standalone.Start(self, []string{bareCommand})
	if err != nil {
		return nil, err
	}
	defer server.Kill()
	var rows []row
	for _, f := range []struct {
		name    string
		measure func() (sample, error)
	}{
		{"bare handler, GET", func() (sample, error) { return b.measureBare(ctx, server, request{method: "GET", path: "/"}) }},
		{"bare handler, POST", func() (sample, error) {
			return b.measureBare(ctx, server, request{method: "POST", path: "/", body: map[string]string{"refresh_token": fill.Password}})
		}},
		{"bcrypt, cost 10", func() (sample, error) { return b.measureHere(ctx, hashStep) }},
		{"sign a token, HS256", func() (sample, error) { return b.measureHere(ctx, signStep) }},
		{"verify a token, HS256", func() (sample, error) { return b.measureHere(ctx, verifyStep()) }},
	} {
		var samples []sample
		for i := range b.runs {
			fmt.Fprintf(b.progress, "%s, run %d of %d\n", f.name, i+1, b.runs)
			s, err := f.measure()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
			samples = append(samples, s)
		}
		rows = append(rows, row{name: f.name, figures: median(samples)})
	}
	return rows, nil
}

func (b *bench) measureBare(ctx context.Context, server *standalone.Server, r request) (sample, error) {
	steps := make([]step, b.meter.connections)
	for i := range steps {
		c, err := dial(ctx, server.URL)
		if err != nil {
			return sample{}, err
		}
		defer c.conn.Close()
		steps[i] = (&worker{c: c}).repeat(r)
	}
	return b.meter.measure(ctx, steps, processClock(server.PID()), none)
}

// measureHere measures what needs no server, on all processors.
func (b *bench) measureHere(ctx context.Context, s step) (sample, error) {
	steps := make([]step, runtime.GOMAXPROCS(0))
	for i := range steps {
		steps[i] = s
	}
	return b.meter.measure(ctx, steps, processClock(os.Getpid()), none)
}

func hashStep(context.Context) error {
	_, err := bcrypt.GenerateFromPassword([]byte(fill.Password), bcrypt.DefaultCost)
	return err
}

func someClaims(now time.Time) *postern.Claims {
	u := someUser(now)
	return &postern.Claims{
		Subject: u.ID.String(), Audience: postern.Audience{u.Aud}, Role: u.Role, Email: u.Email,
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)),
		AppMetadata: u.AppMetadata, UserMetadata: u.UserMetadata,
		AAL: "aal1", AMR: []postern.AMR{{Method: "password", Timestamp: now.Unix()}}, SessionID: u.ID.String(),
	}
}

func sign() (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, someClaims(time.Now())).SignedString([]byte(ownSecret))
}

func signStep(context.Context) error {
	_, err := sign()
	return err
}

func verifyStep() step {
	token, signErr := sign()
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}))
	return func(context.Context) error {
		if signErr != nil {
			return signErr
		}
		_, err := parser.ParseWithClaims(token, &postern.Claims{}, func(*jwt.Token) (any, error) { return []byte(ownSecret), nil })
		return err
	}
}
