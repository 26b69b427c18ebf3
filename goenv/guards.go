package goenv

import (
	"encoding/json"
	"math"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter/captcha"
	"github.com/postern-auth/postern/message/recipient"
	"github.com/postern-auth/postern/pwned"
)

// leakedPasswords is what contract config.md §1.6 says of HIBP.
func leakedPasswords(r *reader, c *postern.PasswordConfig) {
	checker, err := pwned.New(pwned.Config{UserAgent: r.text("GOTRUE_PASSWORD_HIBP_USER_AGENT", "")})
	r.wrong("GOTRUE_PASSWORD_HIBP_USER_AGENT", err)
	asks, common := r.flag("GOTRUE_PASSWORD_HIBP_ENABLED", false), r.flag("POSTERN_REFUSE_COMMON_PASSWORDS", false)
	switch {
	case asks && common:
		c.Leaked = pwned.Any(pwned.Common, checker.Leaked)
	case asks:
		c.Leaked = checker.Leaked
	case common:
		c.Leaked = pwned.Common
	}
	c.LeakedFailClosed = r.flag("GOTRUE_PASSWORD_HIBP_FAIL_CLOSED", false)
	// The Bloom filter bounds GoTrue's memory of answers. The one here is bounded by
	// itself, and takes nobody's password for a leaked one.
	r.withoutEffect("GOTRUE_PASSWORD_HIBP_BLOOM_{ENABLED,ITEMS,FALSE_POSITIVES}")
}

// captchas is contract config.md §6.
func captchas(r *reader, s *Settings) {
	on := r.flag("GOTRUE_SECURITY_CAPTCHA_ENABLED", false)
	provider := r.choice("GOTRUE_SECURITY_CAPTCHA_PROVIDER", "hcaptcha", "hcaptcha", "turnstile")
	name, secret := r.secret("GOTRUE_SECURITY_CAPTCHA_SECRET")
	cfg := captcha.Config{
		URL: r.webURL("POSTERN_CAPTCHA_URL"), Secret: secret,
		Timeout: r.duration("GOTRUE_SECURITY_CAPTCHA_TIMEOUT", 10*time.Second, time.Millisecond),
	}
	switch {
	case cfg.URL != "":
	case provider == "turnstile":
		cfg.URL = captcha.Turnstile
	default:
		cfg.URL = captcha.HCaptcha
	}
	if !on {
		return
	}
	verifier, err := captcha.New(cfg)
	if err != nil { // the URL and the time are in order
		r.mistake("%s is missing; with GOTRUE_SECURITY_CAPTCHA_ENABLED, the service has to know who asks", name)
		return
	}
	s.HTTP.Captcha = verifier
}

// recipients is contract config.md §2.5.
func recipients(r *reader, s *Settings) {
	cfg := recipient.Config{
		Extended:   r.flag("GOTRUE_MAILER_EMAIL_VALIDATION_EXTENDED", false),
		ServiceURL: r.webURL("GOTRUE_MAILER_EMAIL_VALIDATION_SERVICE_URL"),
		BlockedMX: read(r, "GOTRUE_MAILER_EMAIL_VALIDATION_BLOCKED_MX", nil, "a JSON list of hosts", func(text string) (list []string, err error) {
			return list, json.Unmarshal([]byte(text), &list)
		}),
		ServiceHeaders: headers(r, "GOTRUE_MAILER_EMAIL_VALIDATION_SERVICE_HEADERS"),
	}
	validator, err := recipient.New(cfg)
	r.wrong("GOTRUE_MAILER_EMAIL_VALIDATION_SERVICE_URL", bare(err))
	if err == nil && (cfg.Extended || cfg.ServiceURL != "") {
		s.Config.Email.Validate = validator.Validate
	}
}

// pool is what contract config.md §1.2 says of connections.
func pool(r *reader, p *Pool) {
	p.MaxOpen = r.number("GOTRUE_DB_MAX_POOL_SIZE", 0, 0, math.MaxInt32)
	p.Percentage = r.number("GOTRUE_DB_CONN_PERCENTAGE", 0, 0, 100)
	p.MaxIdle = r.number("GOTRUE_DB_MAX_IDLE_POOL_SIZE", 0, 0, math.MaxInt32)
	p.MaxLifetime = r.duration("GOTRUE_DB_CONN_MAX_LIFETIME", 0, 0)
	p.MaxIdleTime = r.duration("GOTRUE_DB_CONN_MAX_IDLE_TIME", 0, 0)
	// A connection that has died is found when it is needed, and another one taken.
	// How the pool does is for metrics to say, not for advice in a log.
	r.withoutEffect("GOTRUE_DB_HEALTH_CHECK_PERIOD GOTRUE_DB_ADVISOR_{ENABLED,SAMPLING_INTERVAL,OBSERVATION_INTERVAL}")
}
