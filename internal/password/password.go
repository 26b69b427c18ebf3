// Package password hashes passwords, verifies them against the hashes that a
// GoTrue database may hold, and judges their strength.
//
// What it decides:
//
//   - A password is compared whole. bcrypt reads 72 bytes and takes a NUL for
//     the end of a repetition, HMAC (inside scrypt) takes trailing NULs for
//     padding; so what is longer is never hashed and never matches a bcrypt
//     hash, and what holds a NUL is never hashed and never matches at all.
//   - A hash is read strictly and within limits, so that an imported one cannot
//     make sign-in arbitrarily dear or match by being empty.
//   - Where there is no usable hash, verifying costs what it costs with one, so
//     that the time of an answer does not tell whether an account exists.
//   - Few computations run at once and few more wait, so that a flood of
//     sign-ins leaves the processor to other requests.
package password

import "errors"

// MaxLength is how many bytes of a password can be hashed. It is bcrypt's
// limit and holds for every algorithm, so that a deployment can change its
// mind about the algorithm.
const MaxLength = 72

// What a caller may want to tell apart.
var (
	// ErrTooLong refuses to hash a password of more than MaxLength bytes. The
	// text is GoTrue's.
	ErrTooLong = errors.New("Password cannot be longer than 72 characters")

	// ErrNUL refuses to hash a password that holds a NUL byte.
	ErrNUL = errors.New("password contains a NUL byte")

	// ErrBusy says that as many computations wait as may: try again later.
	ErrBusy = errors.New("too many password computations are waiting")

	// ErrUnsupported says that a hash is none that can be verified. The errors
	// that wrap it say why in a sentence that quotes nothing of the hash.
	ErrUnsupported = errors.New("unsupported password hash")
)
