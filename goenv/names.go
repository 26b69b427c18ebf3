package goenv

import "strings"

// expandAll expands every one of several names that are separated by white space.
func expandAll(patterns string) []string {
	var names []string
	for _, pattern := range strings.Fields(patterns) {
		names = append(names, expand(pattern)...)
	}
	return names
}

// expand replaces braces as a shell does, without nesting: A_{B,C} is A_B and A_C.
func expand(pattern string) []string {
	before, rest, found := strings.Cut(pattern, "{")
	if !found {
		return []string{pattern}
	}
	options, after, _ := strings.Cut(rest, "}")
	var names []string
	for _, tail := range expand(after) {
		for option := range strings.SplitSeq(options, ",") {
			names = append(names, before+option+tail)
		}
	}
	return names
}

// nearest returns the known name that another one is most likely meant to be,
// or "" when it is like none. Prefixes do not count: to give GOTRUE_ to a name
// that has none is an easy mistake.
func nearest(name string, known []string) string {
	bare := withoutPrefix(name)
	best, least := "", len(bare)/3+1
	for _, candidate := range known {
		if d := distance(bare, withoutPrefix(candidate)); d < least {
			best, least = candidate, d
		}
	}
	return best
}

func withoutPrefix(name string) string {
	return strings.TrimPrefix(strings.TrimPrefix(name, "GOTRUE_"), "POSTERN_")
}

// distance is Levenshtein's: how many bytes have to be added, removed or
// replaced to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // distances of what was read of a to the beginnings of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
