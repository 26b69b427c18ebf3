package conformance_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// difference is one thing that Postern does otherwise than GoTrue on purpose.
// docs/differences.md explains it under the same id to whoever moves here.
//
// Every difference is shown in at least one way, and each way has to come true:
// as the answer to a recorded step, as a check of the adopted database that
// fails, or by a test of its own.
type difference struct {
	id string

	// why names the promise or the design decision that asks for it.
	why string

	// rewrite turns the real server's answer to a recorded step into ours and
	// reports whether the step is one that the difference is about.
	rewrite func(scenario string, s *step) bool

	// checks are those on the adopted database that fail because of it, as
	// "section: name".
	checks []string

	// shows plays the difference where the recordings do not have it.
	shows func(t *testing.T, w *world)
}

var differences = []difference{
	{
		id: "refresh-token-format", why: "design §2.6",
		rewrite: versionTwoTokens,
		checks: []string{
			"legacy_sessions: fresh: refresh",
			"legacy_sessions: fresh: the old token again at once gives the same new token", // needs the one before
			"legacy_sessions: fresh: the new token",                                        // as well
		},
	},
	{
		id: "reuse-ends-session", why: "guarantees B12, C16",
		rewrite: reuseEndsSession,
		checks: []string{
			"legacy_sessions: rotated: the access token of that session still works (the session row stays)",
			"legacy_sessions: rotated: after that the current token is refused too",
		},
	},
	{id: "reuse-interval", why: "guarantee C16", shows: showReuseInterval},
	{id: "linking-verified", why: "guarantees B7, B8", shows: showLinkingVerified},
	{id: "oauth-state", why: "guarantee B13", shows: showOAuthState},
	{id: "id-token-once", why: "guarantee B14", shows: showIDTokenOnce},
	{id: "web3-once", why: "guarantee A1", shows: showWeb3Once},
	{id: "raised-tokens", why: "guarantee B11", rewrite: raisedTokens},
	{id: "address-limits", why: "guarantees A5, F28", shows: showAddressLimits},
	{id: "password-tries", why: "guarantees A5", shows: showPasswordTries},
	{id: "factor-tries", why: "guarantees A1, A5", shows: showFactorTries},
	{id: "factor-by-factor", why: "guarantee B11", shows: showFactorByFactor},

	{id: "hooks", why: "guarantees D19, B10", shows: showHooks},

	{id: "pending-sign-up", why: "guarantees B7, D19", shows: showPendingSignUp},
	{id: "banned-after-password", why: "guarantee D19", shows: showBannedAfterPassword},
	{
		id: "audiences", why: "guarantee B10",
		checks: []string{"special: custom role and audience: only with X-JWT-AUD"},
		shows:  showAudiences,
	},
	{id: "user-token-claims", why: "guarantee C15", shows: showUserTokenClaims},
	{id: "short-secret", why: "guarantee C15", shows: showShortSecret},

	{id: "recipient-first", why: "guarantee D19", shows: showRecipientFirst},
	{id: "sms-service-missing", why: "guarantee E22", rewrite: noSMSService},
	{id: "input-refused", why: "guarantee E22", shows: showInputRefused},
	{
		id: "admin-duplicate-address", why: "guarantee E22",
		rewrite: duplicateEmail,
		shows:   showDuplicatePhone,
	},
	{id: "admin-page-size", why: "guarantee E27", shows: showPageSize},
	{id: "admin-filter", why: "guarantee E27", shows: showFilterLiteral},
	{id: "admin-filter-address", why: "an index knows who has an address", shows: showFilterAddress},
	{id: "admin-user-singular", why: "the path is documented", rewrite: singularPath},
	{id: "admin-no-password", why: "a password that nobody knows is as good as none, and dear to hash", shows: showNoPassword},

	{id: "no-store", why: "guarantee C18", rewrite: noStore},
	{id: "cors-credentials", why: "there are no cookies to send", rewrite: noCredentials},
	{id: "cors-apikey", why: "the official clients send it", rewrite: apikeyAllowed},
	{id: "large-numbers", why: "metadata stays as it was written", shows: showLargeNumbers},
	{id: "hash-replaced", why: "a raised cost should reach the passwords that exist", shows: showHashReplaced},
	{id: "audit-entries", why: "the log should say who did it, from where, and each thing once", shows: showAuditEntries},
	{id: "audit-refresh", why: "a line for each refresh would make up most of the log", shows: showAuditRefresh},
}

// versionTwoTokens: every refresh token is of version 2, and the headers speak of
// its counter. No recorded scenario refreshes more than one session, so the
// tokens that it numbers from 1 have the counters from 0.
func versionTwoTokens(_ string, s *step) bool {
	h := s.Response.Headers
	if h["sb-auth-refresh-token-prefix"] == nil {
		return false
	}
	delete(h, "sb-auth-refresh-token-prefix")
	h["sb-auth-refresh-token-counter"] = "0"
	if !s.Request.on("POST /token?grant_type=refresh_token") {
		return true
	}
	body, _ := s.Response.Body.(map[string]any)
	var number int
	if _, err := fmt.Sscanf(fmt.Sprint(body["refresh_token"]), "{{refresh:%d}}", &number); err != nil {
		return false
	}
	h["sb-auth-refresh-token-counter"] = strconv.Itoa(number - 1)
	if h["sb-auth-refresh-token-reuse"] == nil {
		h["sb-auth-refresh-token-reuse-cause"] = "fail-to-save"
	}
	return true
}

// reuseEndsSession: what GoTrue does for version 2 when an old token turns up.
func reuseEndsSession(scenario string, s *step) bool {
	if scenario != "refresh-grant-already-used" {
		return false
	}
	switch s.Number {
	case 4:
		s.Response.Headers["sb-auth-refresh-token-rotated"] = "true"
	case 5:
		s.refuse(http.StatusBadRequest, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
	case 6:
		s.refuse(http.StatusForbidden, "session_not_found", "Session from session_id claim in JWT does not exist")
	default:
		return false
	}
	return true
}

// raisedTokens: a refresh token from before a second factor was used is not known
// any more, and the counter has moved on by two.
func raisedTokens(scenario string, s *step) bool {
	if scenario != "totp-full-flow" {
		return false
	}
	switch s.Number {
	case 7:
		s.refuse(http.StatusBadRequest, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
	case 8:
		s.Response.Headers["sb-auth-refresh-token-counter"] = "3"
	default:
		return false
	}
	return true
}

// noStore: answers with tokens in them say that they are not to be kept.
func noStore(_ string, s *step) bool {
	body, _ := s.Response.Body.(map[string]any)
	location, _ := s.Response.Headers["location"].(string)
	redeemed := s.Request.on("GET /verify") && location != "" // for better or worse
	if body["access_token"] == nil && !redeemed {
		return false
	}
	s.Response.Headers["cache-control"] = "no-store"
	return true
}

func noCredentials(_ string, s *step) bool {
	const header = "access-control-allow-credentials"
	if s.Response.Headers[header] == nil {
		return false
	}
	delete(s.Response.Headers, header)
	return true
}

func apikeyAllowed(_ string, s *step) bool {
	asked := s.Request.Headers["access-control-request-headers"]
	if !strings.Contains(asked, "apikey") {
		return false
	}
	h := s.Response.Headers
	h["access-control-allow-origin"] = "*"
	h["access-control-allow-methods"] = s.Request.Headers["access-control-request-method"]
	h["access-control-allow-headers"] = asked
	return true
}

// noSMSService: that there is no SMS service is not the client's fault, and no 5xx
// either.
func noSMSService(_ string, s *step) bool {
	body, _ := s.Response.Body.(map[string]any)
	if body["msg"] != "Unable to get SMS provider" {
		return false
	}
	s.refuse(http.StatusUnprocessableEntity, "sms_send_failed", "Error sending phone_change OTP to provider: no SMS service is configured")
	return true
}

func singularPath(_ string, s *step) bool {
	if !s.Request.on("GET /admin/user/*") {
		return false
	}
	s.refuse(http.StatusNotFound, "user_not_found", "User not found")
	return true
}

func duplicateEmail(scenario string, s *step) bool {
	if scenario != "admin-update-duplicate-email" || s.Response.Status != http.StatusInternalServerError {
		return false
	}
	s.refuse(http.StatusUnprocessableEntity, "email_exists", "A user with this email address has already been registered")
	return true
}

// refuse makes the expected answer an error, in the format that the request asks
// for.
func (s *step) refuse(status int, code, message string) {
	headers := map[string]any{"content-type": "application/json", "vary": "Origin", "x-sb-error-code": code}
	s.Response = response{Status: status, Headers: headers}
	if s.Request.Headers["x-supabase-api-version"] == "2024-01-01" {
		headers["x-supabase-api-version"] = "2024-01-01"
		s.Response.Body = map[string]any{"code": code, "message": message}
		return
	}
	s.Response.Body = map[string]any{"code": float64(status), "error_code": code, "msg": message}
}

// expected returns a recorded step as Postern should answer it, and the indexes of
// the differences that this took.
func expected(scenario string, s step) (ours step, applied []int) {
	ours = s
	ours.Response = s.Response.clone()
	for i, d := range differences {
		if d.rewrite != nil && d.rewrite(scenario, &ours) {
			applied = append(applied, i)
		}
	}
	return ours, applied
}

// clone returns a copy that can be changed: the recordings are shared by all runs.
func (r response) clone() response {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // it was read from JSON
	}
	var copied response
	if err := json.Unmarshal(text, &copied); err != nil {
		panic(err)
	}
	return copied
}

// usage counts how often each difference was seen.
type usage struct{ seen []atomic.Int64 }

func newUsage() *usage { return &usage{seen: make([]atomic.Int64, len(differences))} }

// check fails for differences that should have been seen in the recordings and
// were not.
func (u *usage) check(t *testing.T) {
	t.Helper()
	for i, d := range differences {
		if d.rewrite != nil && u.seen[i].Load() == 0 {
			t.Errorf("no recorded step shows the difference %q: take it off the list, or its rewrite", d.id)
		}
	}
}

func TestEveryDifferenceIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "differences.md"))
	if err != nil {
		t.Fatal(err)
	}
	var documented, listed []string
	for _, heading := range regexp.MustCompile("(?m)^#+ `([a-z0-9-]+)`").FindAllSubmatch(text, -1) {
		documented = append(documented, string(heading[1]))
	}
	for _, d := range differences {
		listed = append(listed, d.id)
	}
	for _, id := range listed {
		if !slices.Contains(documented, id) {
			t.Errorf("the difference %q has no heading in docs/differences.md", id)
		}
	}
	for i, id := range documented {
		if !slices.Contains(listed, id) {
			t.Errorf("docs/differences.md explains %q, which no test shows", id)
		}
		if slices.Contains(documented[:i], id) {
			t.Errorf("docs/differences.md explains %q twice", id)
		}
	}
}

func TestEveryDifferenceHasAReasonAndIsShown(t *testing.T) {
	t.Parallel()
	for _, d := range differences {
		if d.why == "" || d.rewrite == nil && d.checks == nil && d.shows == nil {
			t.Errorf("%s: got reason %q, rewrite %v, checks %v, shows %v; want a reason and a way to see it",
				d.id, d.why, d.rewrite != nil, d.checks, d.shows != nil)
		}
	}
}
