package postern

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"
)

// recorder is a Store that writes events in the transactions in which happens what
// they tell of. That it stands between the Auth and its store is what makes them
// complete: no flow can change a user past it.
type recorder struct {
	Store
	hub *eventHub
}

// InTx implements Store.
func (r *recorder) InTx(ctx context.Context, fn func(Tx) error) error {
	told := false
	err := r.Store.InTx(ctx, func(tx Tx) error {
		rec := &recording{Tx: tx, hub: r.hub}
		if err := fn(rec); err != nil {
			return err
		}
		told = len(rec.events) > 0
		if !told {
			return nil
		}
		return tx.AddEvents(ctx, rec.events)
	})
	if err == nil && told {
		r.hub.wake()
	}
	return err
}

// recording is one of its transactions.
type recording struct {
	Tx
	hub     *eventHub
	events  []EventRecord
	deleted []uuid.UUID // users
}

// Unwrap returns the Tx of the store itself.
func (r *recording) Unwrap() Tx { return r.Tx }

// tell adds an event. What is done to a user who has just been deleted is part of that.
func (r *recording) tell(t EventType, user uuid.UUID, data EventData) error {
	waiting := r.hub.waiting(t)
	if len(waiting) == 0 || slices.Contains(r.deleted, user) {
		return nil
	}
	data.UserID = user
	text, err := NewMetadata(data)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	r.events = append(r.events, EventRecord{Subscribers: waiting, Event: Event{
		ID: id, Type: t, UserID: user, CreatedAt: r.hub.now().UTC().Truncate(time.Microsecond), Data: text,
	}})
	return nil
}

func (r *recording) tellDeleted(user uuid.UUID) error {
	err := r.tell(EventUserDeleted, user, EventData{})
	r.deleted = append(r.deleted, user)
	return err
}

// AddUser implements Tx.
func (r *recording) AddUser(ctx context.Context, u *UserRecord) error {
	if err := r.Tx.AddUser(ctx, u); err != nil {
		return err
	}
	return r.tell(EventUserCreated, u.ID, EventData{User: u.stored()})
}

// stored is the user as it is read from the database, which works ConfirmedAt out.
func (u *UserRecord) stored() *User {
	user := u.User
	user.ConfirmedAt = earlier(user.EmailConfirmedAt, user.PhoneConfirmedAt)
	return &user
}

// UpdateUser implements Tx.
func (r *recording) UpdateUser(ctx context.Context, id uuid.UUID, now time.Time, change func(*UserRecord) error) (*UserRecord, error) {
	var before UserRecord
	after, err := r.Tx.UpdateUser(ctx, id, now, func(u *UserRecord) error {
		before = *u
		before.Identities = slices.Clone(u.Identities)
		return change(u)
	})
	if err == nil {
		err = r.tellUpdate(&before, after)
	}
	return after, err
}

func (r *recording) tellUpdate(before, after *UserRecord) error {
	if before.DeletedAt == nil && after.DeletedAt != nil {
		return r.tellDeleted(after.ID)
	}
	var errs []error
	if changed := changedMembers(&before.User, &after.User); len(changed) > 0 {
		errs = append(errs, r.tell(EventUserUpdated, after.ID, EventData{User: after.stored(), Changed: changed}))
	}
	if before.PasswordHash != after.PasswordHash {
		errs = append(errs, r.tell(EventPasswordChanged, after.ID, EventData{}))
	}
	for _, i := range identitiesBeside(before.Identities, after.Identities) {
		errs = append(errs, r.tell(EventIdentityUnlinked, after.ID, EventData{Identity: &i}))
	}
	for _, i := range identitiesBeside(after.Identities, before.Identities) {
		errs = append(errs, r.tell(EventIdentityLinked, after.ID, EventData{Identity: &i}))
	}
	return errors.Join(errs...)
}

// changedMembers names the members in which users differ, but for those that only
// tell when something was sent or done last. Identities and factors have events of
// their own.
func changedMembers(before, after *User) (names []string) {
	for _, member := range []struct {
		name string
		same bool
	}{
		{"aud", before.Aud == after.Aud},
		{"role", before.Role == after.Role},
		{"email", before.Email == after.Email},
		{"email_confirmed_at", sameTime(before.EmailConfirmedAt, after.EmailConfirmedAt)},
		{"invited_at", sameTime(before.InvitedAt, after.InvitedAt)},
		{"phone", before.Phone == after.Phone},
		{"phone_confirmed_at", sameTime(before.PhoneConfirmedAt, after.PhoneConfirmedAt)},
		{"new_email", before.NewEmail == after.NewEmail},
		{"new_phone", before.NewPhone == after.NewPhone},
		{"app_metadata", before.AppMetadata.equal(after.AppMetadata)},
		{"user_metadata", before.UserMetadata.equal(after.UserMetadata)},
		{"banned_until", sameTime(before.BannedUntil, after.BannedUntil)},
		{"is_anonymous", before.IsAnonymous == after.IsAnonymous},
	} {
		if !member.same {
			names = append(names, member.name)
		}
	}
	return names
}

// equal compares what the objects say: databases order members as they like.
func (m Metadata) equal(other Metadata) bool {
	return bytes.Equal(m, other) || reflect.DeepEqual(m.value(), other.value())
}

// value is the object with its numbers as they are written.
func (m Metadata) value() (v any) {
	d := json.NewDecoder(bytes.NewReader(m.object()))
	d.UseNumber()
	_ = d.Decode(&v) // what does not parse says nothing
	return v
}

// identitiesBeside returns those identities that are not among others.
func identitiesBeside(identities, others []Identity) (beside []Identity) {
	for _, i := range identities {
		if !slices.ContainsFunc(others, func(o Identity) bool { return o.Provider == i.Provider && o.ID == i.ID }) {
			beside = append(beside, i)
		}
	}
	return beside
}

// DeleteUser implements Tx.
func (r *recording) DeleteUser(ctx context.Context, id uuid.UUID) error {
	if err := r.Tx.DeleteUser(ctx, id); err != nil {
		return err
	}
	return r.tellDeleted(id)
}

// DeleteAnonymousUser implements Tx.
func (r *recording) DeleteAnonymousUser(ctx context.Context, id uuid.UUID) error {
	if err := r.Tx.DeleteAnonymousUser(ctx, id); err != nil {
		return err
	}
	return r.tellDeleted(id)
}

// AddSession implements Tx.
func (r *recording) AddSession(ctx context.Context, s *SessionRecord) error {
	if err := r.Tx.AddSession(ctx, s); err != nil {
		return err
	}
	return r.tellSignedIn(s)
}

// OpenSession implements Tx.
func (r *recording) OpenSession(ctx context.Context, o SessionOpening) (*UserRecord, error) {
	user, err := r.Tx.OpenSession(ctx, o)
	if err != nil {
		return nil, err
	}
	return user, r.tellSignedIn(o.Session)
}

func (r *recording) tellSignedIn(s *SessionRecord) error {
	session := &EventSession{ID: s.ID, UserAgent: s.UserAgent}
	if s.IP.IsValid() {
		session.IP = s.IP.String()
	}
	if len(s.AMR) > 0 {
		session.Method = s.AMR[0].Method
	}
	return r.tell(EventSignedIn, s.UserID, EventData{Session: session})
}

// EndSession implements Tx.
func (r *recording) EndSession(ctx context.Context, id uuid.UUID) (uuid.UUID, error) {
	user, err := r.Tx.EndSession(ctx, id)
	if err != nil || user == uuid.Nil {
		return user, err
	}
	return user, r.tellEnded(user, []uuid.UUID{id})
}

// EndSessions implements Tx.
func (r *recording) EndSessions(ctx context.Context, userID, except uuid.UUID) ([]uuid.UUID, error) {
	ended, err := r.Tx.EndSessions(ctx, userID, except)
	if err != nil {
		return nil, err
	}
	return ended, r.tellEnded(userID, ended)
}

// EndLowSessions implements Tx.
func (r *recording) EndLowSessions(ctx context.Context, userID uuid.UUID) ([]uuid.UUID, error) {
	ended, err := r.Tx.EndLowSessions(ctx, userID)
	if err != nil {
		return nil, err
	}
	return ended, r.tellEnded(userID, ended)
}

func (r *recording) tellEnded(user uuid.UUID, sessions []uuid.UUID) error {
	if len(sessions) == 0 {
		return nil
	}
	return r.tell(EventSignedOut, user, EventData{SessionIDs: sessions})
}
