package postern

import "context"

// leaked reports whether a password is known to everybody. When nobody can tell, it
// is not, or the error is what the configuration asks for.
func (a *Auth) leaked(ctx context.Context, pass string) (bool, error) {
	if a.cfg.Password.Leaked == nil {
		return false, nil
	}
	yes, err := a.cfg.Password.Leaked(ctx, pass)
	switch {
	case err == nil || yes:
		return yes, nil
	case a.cfg.Password.LeakedFailClosed:
		return false, internal("Unable to perform password strength check with HaveIBeenPwned.org.", err)
	}
	a.cfg.Logger.WarnContext(ctx, "whether a password has leaked could not be checked", "error", err)
	return false, nil
}
