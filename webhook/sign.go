// Package webhook calls endpoints of yours over HTTP, and signs what it sends as
// Standard Webhooks asks for (standardwebhooks.com, version 1).
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postern-auth/postern"
)

// The headers of a signed request.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// Tolerance is how far the time of a signed request may be from the receiver's.
const Tolerance = 5 * time.Minute

// Secrets sign, and tell what was signed with one of them. The first is the newest.
type Secrets [][]byte

// ParseSecrets reads secrets as GoTrue's configuration writes them:
// "v1,whsec_<base64>", several of them separated by "|", so that they can be
// replaced one after the other. Its error does not show them.
func ParseSecrets(text postern.Secret) (Secrets, error) {
	var secrets Secrets
	for i, one := range strings.Split(string(text), "|") {
		encoded, ok := strings.CutPrefix(strings.TrimSpace(one), "v1,whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		switch {
		case !ok:
			return nil, fmt.Errorf("webhook: secret %d does not begin with v1,whsec_", i+1)
		case err != nil:
			return nil, fmt.Errorf("webhook: secret %d has something behind v1,whsec_ that is not base64", i+1)
		case len(key) < 24 || len(key) > 64: // the specification's bounds
			return nil, fmt.Errorf("webhook: secret %d has %d bytes; it has to have 24 to 64", i+1, len(key))
		}
		secrets = append(secrets, key)
	}
	return secrets, nil
}

// sign puts the headers of a message with an id on its request.
func (s Secrets) sign(h http.Header, id string, at time.Time, body []byte) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	var signatures []string
	for _, key := range s {
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(signature(key, id, timestamp, body)))
	}
	h.Set(headerID, id)
	h.Set(headerTimestamp, timestamp)
	h.Set(headerSignature, strings.Join(signatures, ", "))
}

func signature(key []byte, id, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	return mac.Sum(nil)
}

// Verify checks, for a receiver, that a request was signed with one of the secrets
// and no longer ago than Tolerance. The id in its header Webhook-Id stays the same
// when a message is sent again.
func (s Secrets) Verify(h http.Header, body []byte, now time.Time) error {
	timestamp := h.Get(headerTimestamp)
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return errors.New("webhook: the request has no time")
	}
	if age := now.Sub(time.Unix(seconds, 0)); age.Abs() > Tolerance {
		return errors.New("webhook: the request is too old, or its time is to come")
	}
	for _, one := range strings.FieldsFunc(h.Get(headerSignature), func(r rune) bool { return r == ' ' }) {
		encoded, _ := strings.CutPrefix(strings.TrimSuffix(one, ","), "v1,")
		given, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			continue
		}
		for _, key := range s {
			if hmac.Equal(given, signature(key, h.Get(headerID), timestamp, body)) {
				return nil
			}
		}
	}
	return errors.New("webhook: the request is not signed with a known secret")
}
