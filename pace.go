package postern

import (
	"context"
	"time"

	"github.com/postern-auth/postern/internal/pace"
)

// paces are how long things take that are done for accounts of one kind only: the
// same time passes for the others, so that who measures does not learn who has an
// account (guarantees: D19). Most of it is a mail server's or a hook's, and nothing
// that is done in its place would take as long.
type paces struct {
	creation, password            pace.Pace // hooks
	signUp, otp, recovery, resend pace.Pace // requests that send a message, whole
}

// sendEvenly is send for a request that began then and must not show whether there
// was anything to send: with nothing in out it takes as long as another request did.
// With Config.HideAccounts it shows no id either, which nothing would not have.
func (a *Auth) sendEvenly(ctx context.Context, p *pace.Pace, began time.Time, out ...message) (id string, err error) {
	switch {
	case a.outbox != nil: // nothing waits in the application's transaction
		return a.send(ctx, out...)
	case len(out) == 0:
		return "", p.Repeat(ctx, time.Since(began))
	}
	id, err = a.send(ctx, out...)
	p.Note(time.Since(began), nil)
	if a.cfg.HideAccounts {
		id = ""
	}
	return id, err
}
