// Package logtest keeps what a program that is still running says.
package logtest

import (
	"bytes"
	"sync"
)

// Buffer is a bytes.Buffer that may be read while it is written. The zero Buffer
// is empty and ready to use.
type Buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends to what is kept. It never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String returns all that has been written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
