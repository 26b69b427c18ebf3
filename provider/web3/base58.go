package web3

import (
	"slices"
	"strings"
)

// decodeBase58 reads the base58 of Bitcoin and Solana: a number in the digits below,
// whose leading zeros stand for bytes of zero. It takes time quadratic in the length.
func decodeBase58(text string) ([]byte, bool) {
	const digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	significant := strings.TrimLeft(text, digits[:1])
	var number []byte // its last byte first
	for i := range len(significant) {
		carry := strings.IndexByte(digits, significant[i])
		if carry < 0 {
			return nil, false
		}
		for j, b := range number {
			carry += int(b) * len(digits)
			number[j] = byte(carry)
			carry >>= 8
		}
		if carry > 0 {
			number = append(number, byte(carry))
		}
	}
	zeros := make([]byte, len(text)-len(significant))
	number = append(number, zeros...)
	slices.Reverse(number)
	return number, true
}
