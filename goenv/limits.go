package goenv

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/postern-auth/postern"
)

// limits is contract config.md §1.8, and GOTRUE_MFA_RATE_LIMIT_CHALLENGE_AND_VERIFY.
func limits(r *reader, s *Settings) {
	c := &s.Config.Limits
	switch r.choice("POSTERN_RATE_LIMITS", "shared", "shared", "memory", "off") {
	case "off":
		c.Off = true
	case "memory":
		c.InMemory = true
	}
	c.OTP = r.rate("GOTRUE_RATE_LIMIT_OTP", 30, 5*time.Minute)
	c.Anonymous = r.rate("GOTRUE_RATE_LIMIT_ANONYMOUS_USERS", 30, time.Hour)
	c.Anonymous.Burst = 0 // whatever the number is
	c.Token = r.rate("GOTRUE_RATE_LIMIT_TOKEN_REFRESH", 150, 5*time.Minute)
	c.Web3 = r.rate("GOTRUE_RATE_LIMIT_WEB3", 30, 5*time.Minute)
	c.Verify = r.rate("GOTRUE_RATE_LIMIT_VERIFY", 30, 5*time.Minute)
	c.Factor = r.rate("GOTRUE_MFA_RATE_LIMIT_CHALLENGE_AND_VERIFY", 15, time.Minute)
	c.Passkey = r.rate("GOTRUE_RATE_LIMIT_PASSKEY", 30, 5*time.Minute)
	c.Mails = r.quota("GOTRUE_RATE_LIMIT_EMAIL_SENT")
	c.SMS = r.quota("GOTRUE_RATE_LIMIT_SMS_SENT")
	clientAddress(r, s)
	r.later(`GOTRUE_RATE_LIMIT_{SSO,O_AUTH_DYNAMIC_CLIENT_REGISTER}`)
}

// clientAddress finds out where the proxies put a client's address. GoTrue believes
// whoever sends the header; here the proxies have to be named.
func clientAddress(r *reader, s *Settings) {
	s.HTTP.TrustedProxies = r.prefixes("POSTERN_TRUSTED_PROXIES")
	const own = "GOTRUE_SECURITY_SB_FORWARDED_FOR_ENABLED"
	name := "GOTRUE_RATE_LIMIT_HEADER"
	header := r.text(name, "")
	if r.flag(own, false) {
		name, header = own, "Sb-Forwarded-For"
	}
	if header == "" {
		return
	}
	if len(s.HTTP.TrustedProxies) == 0 {
		s.Advice = append(s.Advice, name+" has no effect without POSTERN_TRUSTED_PROXIES: nobody else's headers are believed, and all clients of a proxy share its limits")
	}
	if !strings.EqualFold(header, "X-Forwarded-For") { // which is read in any case, from its end
		s.HTTP.ClientAddressHeader = header
	}
}

// burst is how many requests GoTrue lets through at once.
const burst = 30

// rate reads N, so many in a time, or N/duration, N at once and then one every
// duration.
func (r *reader) rate(names string, n int, per time.Duration) postern.Rate {
	fallback := postern.Rate{N: n, Per: per, Burst: burst}
	return read(r, names, fallback, anyRate, func(text string) (postern.Rate, error) {
		n, every, err := parseRate(text)
		switch {
		case every > 0:
			return postern.Rate{N: min(n, 1), Per: every, Burst: max(n, 0)}, err
		}
		return postern.Rate{N: n, Per: per, Burst: burst}, err
	})
}

// quota reads the same for messages: N an hour.
func (r *reader) quota(names string) postern.Quota {
	return read(r, names, postern.Quota{N: 30, Per: time.Hour}, anyRate, func(text string) (postern.Quota, error) {
		n, every, err := parseRate(text)
		return postern.Quota{N: n, Per: cmp.Or(every, time.Hour), Refill: every > 0}, err
	})
}

const anyRate = "a number, or a number and a duration as in 30/2m"

// parseRate returns a negative number for none at all, and no duration where there
// is none.
func parseRate(text string) (n int, every time.Duration, err error) {
	number, duration, both := strings.Cut(text, "/")
	whole, err := strconv.ParseInt(strings.TrimSpace(number), 10, 32)
	if err != nil || whole < 0 {
		return 0, 0, errUnexpected
	}
	if n = int(whole); n == 0 {
		n = -1
	}
	if !both {
		return n, 0, nil
	}
	every, err = time.ParseDuration(strings.TrimSpace(duration))
	if err != nil || every < time.Millisecond {
		return 0, 0, errUnexpected
	}
	return n, every, nil
}
