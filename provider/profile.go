package provider

import (
	"strconv"
	"strings"

	"github.com/postern-auth/postern"
)

// oneEmail is the one address that a service tells, if it tells one.
func oneEmail(email string, verified bool) []postern.ProfileEmail {
	if email == "" {
		return nil
	}
	return []postern.ProfileEmail{{Email: email, Verified: verified, Primary: true}}
}

// fullName joins the names that there are.
func fullName(first, last string) string { return strings.TrimSpace(first + " " + last) }

// digits writes a numeric id. There is no account 0: it stands for an id that is
// missing.
func digits(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}
