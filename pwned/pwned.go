// Package pwned knows passwords that are known to everybody: those that leaked
// somewhere, by asking Have I Been Pwned, and the most common ones, by a list of
// its own. It has what postern.PasswordConfig.Leaked asks:
//
//	checker, err := pwned.New(pwned.Config{})
//	…
//	Password: postern.PasswordConfig{Leaked: pwned.Any(pwned.Common, checker.Leaked)}
//
// # What leaves the machine
//
// Have I Been Pwned is asked by the first 20 bits of the password's SHA-1 hash, and
// answers with what it knows of all passwords that share them, some eight hundred.
// It does not learn which one was meant, nor how many there are (Add-Padding). The
// bits appear in no error.
package pwned

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postern-auth/postern/internal/outbound"
)

// Config says who is asked, and how. The zero value asks Have I Been Pwned.
type Config struct {
	// URL is what a prefix is appended to. Defaults to
	// https://api.pwnedpasswords.com/range/. A mirror of one's own may be anywhere,
	// also in a private network.
	URL string
	// UserAgent is what the service knows this program by. It refuses requests
	// without one. Defaults to Postern's.
	UserAgent string
	// Timeout is of one request. Defaults to 5 seconds.
	Timeout time.Duration
	// CacheSize is how many answers are kept, of some eight kilobytes each. Defaults
	// to 500.
	CacheSize int
	// CacheTTL is how long an answer is good. Defaults to an hour.
	CacheTTL time.Duration
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

const (
	defaultURL       = "https://api.pwnedpasswords.com/range/"
	defaultUserAgent = "Postern (https://github.com/postern-auth/postern)"
)

// Checker asks Have I Been Pwned. It is safe for concurrent use, and starts
// nothing but the requests that somebody waits for.
type Checker struct {
	cfg    Config
	client *http.Client

	mu      sync.Mutex
	answers *cache
	lookups map[string]*lookup // under way, by prefix
}

// New returns a Checker and connects to nothing.
func New(cfg Config) (*Checker, error) {
	policy := outbound.Policy{}
	if cfg.URL != "" {
		policy.Hosts = []string{outbound.Host(cfg.URL)}
	}
	cfg.URL = cmp.Or(cfg.URL, defaultURL)
	if u, err := url.Parse(cfg.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("pwned: URL must be an absolute http or https URL")
	}
	if cfg.Timeout < 0 || cfg.CacheSize < 0 || cfg.CacheTTL < 0 {
		return nil, errors.New("pwned: Timeout, CacheSize and CacheTTL cannot be negative")
	}
	cfg.UserAgent = cmp.Or(cfg.UserAgent, defaultUserAgent)
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	cfg.CacheTTL = cmp.Or(cfg.CacheTTL, time.Hour)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	policy.Timeout = cfg.Timeout
	return &Checker{
		cfg: cfg, client: outbound.NewClient(policy),
		answers: newCache(cmp.Or(cfg.CacheSize, 500)), lookups: map[string]*lookup{},
	}, nil
}

// prefixLength is how many digits of a hash the service learns.
const prefixLength = 5

// Leaked reports whether a password has leaked somewhere. Its error says that
// nobody could tell, and shows nothing of the password.
func (c *Checker) Leaked(ctx context.Context, password string) (bool, error) {
	sum := sha1.Sum([]byte(password))
	hash := hex.EncodeToString(sum[:])
	known, err := c.find(ctx, strings.ToUpper(hash[:prefixLength]))
	if err != nil {
		return false, fmt.Errorf("pwned: %w", err)
	}
	wanted, err := parseSuffix(hash[prefixLength:])
	if err != nil {
		return false, err
	}
	_, found := slices.BinarySearch(known, wanted)
	return found, nil
}

// suffix is what follows the prefix in a hash, as far as it needs to be known: the
// next 64 bits.
type suffix uint64

const suffixLength = 2*sha1.Size - prefixLength

func parseSuffix(digits string) (suffix, error) {
	if len(digits) != suffixLength {
		return 0, errors.New("a line has no hash")
	}
	n, err := strconv.ParseUint(digits[:16], 16, 64)
	if err != nil {
		return 0, errors.New("a line has no hash")
	}
	return suffix(n), nil
}

// lookup is a request that somebody waits for, or several.
type lookup struct {
	waiting int
	cancel  context.CancelFunc

	done  chan struct{} // is closed when the rest is there
	known []suffix
	err   error
}

// find returns what is known under a prefix, in order.
func (c *Checker) find(ctx context.Context, prefix string) ([]suffix, error) {
	c.mu.Lock()
	if known, ok := c.answers.get(prefix, c.cfg.Now()); ok {
		c.mu.Unlock()
		return known, nil
	}
	l := c.lookups[prefix]
	if l == nil {
		l = c.begin(ctx, prefix)
	}
	l.waiting++
	c.mu.Unlock()
	defer c.leave(prefix, l)
	select {
	case <-l.done:
		return l.known, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// begin asks the service, for as long as anybody waits for the answer: not for one
// of them alone, who may lose patience. The caller holds the lock.
func (c *Checker) begin(ctx context.Context, prefix string) *lookup {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &lookup{cancel: cancel, done: make(chan struct{})}
	c.lookups[prefix] = l
	go func() {
		l.known, l.err = c.fetch(ctx, prefix)
		c.mu.Lock()
		if l.err == nil {
			c.answers.put(prefix, l.known, c.cfg.Now().Add(c.cfg.CacheTTL))
		}
		c.forget(prefix, l)
		c.mu.Unlock()
		close(l.done)
	}()
	return l
}

func (c *Checker) leave(prefix string, l *lookup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.waiting--; l.waiting == 0 {
		l.cancel()
		c.forget(prefix, l)
	}
}

// forget lets nobody join a lookup any more. The caller holds the lock.
func (c *Checker) forget(prefix string, l *lookup) {
	if c.lookups[prefix] == l {
		delete(c.lookups, prefix)
	}
}

func (c *Checker) fetch(ctx context.Context, prefix string) ([]suffix, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.cfg.URL+prefix, nil)
	if err != nil {
		return nil, bare(err)
	}
	req.Header.Set("User-Agent", c.cfg.UserAgent)
	req.Header.Set("Add-Padding", "true")
	res, err := c.client.Do(req)
	if err != nil {
		return nil, bare(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the service answered with status %d", res.StatusCode)
	}
	return read(res.Body)
}

// bare is an error without the URL, which has the prefix in it.
func bare(err error) error {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		return inner.Err
	}
	return err
}

// read reads an answer: a line for each hash, and how often it has been seen. What
// never was is padding.
func read(body io.Reader) ([]suffix, error) {
	var known []suffix
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		digits, count, _ := strings.Cut(line, ":")
		s, err := parseSuffix(digits)
		if err != nil {
			return nil, err
		}
		times, err := strconv.ParseUint(count, 10, 64)
		if err != nil {
			return nil, errors.New("a line has no count")
		}
		if times > 0 {
			known = append(known, s)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	slices.Sort(known)
	return known, nil
}

// Any returns a function that knows what any of several knows. It asks them in
// their order until one knows the password, and fails when none does and one could
// not tell.
func Any(checks ...func(ctx context.Context, password string) (bool, error)) func(context.Context, string) (bool, error) {
	return func(ctx context.Context, password string) (bool, error) {
		var errs []error
		for _, leaked := range checks {
			yes, err := leaked(ctx, password)
			if yes {
				return true, nil
			}
			errs = append(errs, err)
		}
		return false, errors.Join(errs...)
	}
}
