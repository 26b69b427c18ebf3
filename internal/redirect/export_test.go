package redirect

// Match reports whether text matches pattern, by the matcher that Check uses.
func Match(pattern, text string) (bool, error) {
	re, err := compile(pattern)
	return err == nil && re.MatchString(text), err
}
