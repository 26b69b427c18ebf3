package goenv

// KnownNames are the names that Load asks for, as often as it does.
func KnownNames() []string {
	r := newReader(nil)
	r.settings()
	return r.known
}

// Classes says of every name that Load asks for what becomes of it: "honoured",
// "later" or "without effect".
func Classes() map[string]string {
	r := newReader(nil)
	for _, name := range KnownNames() {
		r.env[name] = "x" // most of these are mistakes, which do not matter here
	}
	r.settings()
	classes := map[string]string{}
	for _, name := range r.known {
		classes[name] = "honoured"
	}
	for _, name := range r.notYet {
		classes[name] = "later"
	}
	for _, name := range r.idle {
		classes[name] = "without effect"
	}
	return classes
}

// Expand replaces the braces in a name.
func Expand(pattern string) []string { return expand(pattern) }
