package goenv

// KnownNames are the names that Load asks for, as often as it does.
func KnownNames() []string {
	r := newReader(nil)
	r.settings()
	return r.known
}
