package devbox

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxSize is what the messages may have together, in bytes. Mails carry what
// users wrote about themselves, so a number of them says little.
const maxSize = 32 << 20

// Messages returns the messages to a mail address or a phone number, the newest
// first; "" stands for everybody. Case does not matter, nor do spaces and the plus
// sign before a number. It is never nil.
func (b *Box) Messages(to string) []Message {
	messages, _ := b.look(to)
	slices.Reverse(messages)
	return messages
}

// Last returns the newest message to a mail address or a phone number, as Messages
// has them, and whether there is one.
func (b *Box) Last(to string) (Message, bool) {
	messages, _ := b.look(to)
	if len(messages) == 0 {
		return Message{}, false
	}
	return messages[len(messages)-1], true
}

// Wait returns the nth message to a mail address or a phone number, as Messages has
// them, in order of arrival and counted from 1. If it is not there yet, Wait waits
// until it is; the error says that ctx ended before. Messages that had to make room
// or were cleared away do not count.
func (b *Box) Wait(ctx context.Context, to string, n int) (Message, error) {
	n = max(n, 1)
	for {
		messages, changed := b.look(to)
		if len(messages) >= n {
			return messages[n-1], nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Message{}, fmt.Errorf("devbox: message %d to %q did not come: %w", n, to, ctx.Err())
		}
	}
}

// Clear forgets all messages.
func (b *Box) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages, b.size = nil, 0
	b.announce()
}

// find returns the message with that ID.
func (b *Box) find(id string) (Message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.messages, func(m Message) bool { return m.ID == id })
	if i < 0 {
		return Message{}, false
	}
	return b.messages[i], true
}

// look returns the messages to an address, the oldest first, and what is closed
// when that has changed.
func (b *Box) look(to string) ([]Message, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	messages, to := []Message{}, canonical(to)
	for _, m := range b.messages {
		if to == "" || canonical(m.To) == to {
			messages = append(messages, m)
		}
	}
	return messages, b.changed
}

func canonical(to string) string {
	return strings.ToLower(strings.TrimPrefix(strings.ReplaceAll(to, " ", ""), "+"))
}

func (b *Box) keep(m Message) Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.received++
	m.ID, m.At = strconv.Itoa(b.received), b.cfg.Now()
	b.messages = append(b.messages, m)
	b.size += m.size()
	b.makeRoom()
	b.announce()
	return m
}

// makeRoom drops the oldest messages, but never the newest.
func (b *Box) makeRoom() {
	excess := 0
	for ; excess < len(b.messages)-1 && (len(b.messages)-excess > b.cfg.Keep || b.size > maxSize); excess++ {
		b.size -= b.messages[excess].size()
	}
	b.messages = slices.Delete(b.messages, 0, excess)
}

// size leaves out what is small in every message.
func (m Message) size() int {
	return len(m.Subject) + len(m.HTML) + len(m.Text) + len(m.Link)
}

// announce wakes those who wait for a change.
func (b *Box) announce() {
	close(b.changed)
	b.changed = make(chan struct{})
}
