package pwned

import (
	"context"
	_ "embed"
	"strings"
)

// common has a line for each password, in the order of their bytes.
//
//go:embed common/passwords.txt
var common string

// longestCommon is the length of the longest line.
const longestCommon = 18

// Common reports whether a password is one of the 10,000 most common, whatever the
// case of its letters. It asks nobody, and never fails.
func Common(_ context.Context, password string) (bool, error) {
	return isCommon(password), nil
}

// isCommon searches the text itself, so that the list costs nothing until it is
// used and little then.
func isCommon(password string) bool {
	if len(password) > longestCommon {
		return false
	}
	var buffer [longestCommon]byte
	word := buffer[:copy(buffer[:], password)]
	for i, c := range word {
		if 'A' <= c && c <= 'Z' {
			word[i] = c + 'a' - 'A'
		}
	}
	low, high := 0, len(common) // where lines begin
	for low < high {
		begin := strings.LastIndexByte(common[:(low+high)/2], '\n') + 1
		end := begin + strings.IndexByte(common[begin:], '\n')
		switch line := common[begin:end]; {
		case line == string(word):
			return true
		case line < string(word):
			low = end + 1
		default:
			high = begin
		}
	}
	return false
}
