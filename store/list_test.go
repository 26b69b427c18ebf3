package store_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
)

// everybody asks for all users of the tests here.
var everybody = postern.UserQuery{Aud: "authenticated", Count: true}

// manyUsers stores users of whom always three were made at one time, and the last
// three nobody knows when. It returns their ids, oldest first.
func manyUsers(t *testing.T, st *store.Store, n int) []uuid.UUID {
	t.Helper()
	type row struct {
		bun.BaseModel
		ID, InstanceID uuid.UUID
		Aud, Email     string
		CreatedAt      *string

		EncryptedPassword string // so that rows are as wide as others
	}
	rows, ids := make([]row, n), make([]uuid.UUID, n)
	for i := range rows {
		ids[i] = uuid.New()
		rows[i] = row{ID: ids[i], Aud: "authenticated", Email: fmt.Sprintf("user%d@example.com", i), EncryptedPassword: strings.Repeat("x", 250)}
		if i < n-3 {
			rows[i].CreatedAt = new(at.Add(time.Duration(i/3) * time.Second).Format("2006-01-02T15:04:05.000000Z"))
		}
	}
	for some := range slices.Chunk(rows, 500) {
		_, err := st.DB().NewInsert().Model(&some).ModelTableExpr("?", bun.Safe(inDialect(st, "auth.users"))).Exec(t.Context())
		ok(t, err)
	}
	for same := range slices.Chunk(ids[:n-3], 3) {
		slices.SortFunc(same, byID)
	}
	slices.SortFunc(ids[n-3:], byID)
	return ids
}

func idsOf(users []postern.User) []uuid.UUID {
	ids := make([]uuid.UUID, len(users))
	for i, u := range users {
		ids[i] = u.ID
	}
	return ids
}

func TestPagesAreTheSameHoweverTheyAreRead(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		const n, limit = 1100, 7
		oldest := manyUsers(t, st, n)
		newest := slices.Clone(oldest)
		slices.Reverse(newest)
		for _, q := range []postern.UserQuery{{Ascending: true, Count: true}, {Ascending: true}, {Count: true}, {}, {Count: true, Filter: "user"}} {
			want := newest
			if q.Ascending {
				want = oldest
			}
			q.Aud, q.Limit = "authenticated", limit
			for q.Offset = 985; q.Offset < n+2*limit; q.Offset++ { // from 1000 on in another way
				page, err := st.ListUsers(t.Context(), q)
				ok(t, err)
				from, to := min(q.Offset, n), min(q.Offset+limit, n)
				if !slices.Equal(idsOf(page.Users), want[from:to]) || page.More != (to < n) || q.Count && page.Total != n {
					t.Errorf("%+v: got %d users, more %v, total %d, want %d", q, len(page.Users), page.More, page.Total, to-from)
				}
			}
		}
	})
}

// The pages are of a list that is long enough for its total to be remembered.
func TestWhoWalksAllPagesMeetsEverybody(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		before := manyUsers(t, st, 10_100)
		add := func() {
			u := sample(uuid.NewString() + "@example.com")
			u.CreatedAt = time.Now()
			ok(t, st.AddUser(t.Context(), u))
		}
		for _, ascending := range []bool{false, true} {
			met := map[uuid.UUID]bool{}
			q := everybody
			q.Ascending, q.Limit = ascending, 500
			for more := true; more; q.Offset += q.Limit {
				page, err := st.ListUsers(t.Context(), q)
				ok(t, err)
				for _, u := range page.Users {
					met[u.ID] = true
				}
				more = page.More
				for range 5 {
					add()
				}
			}
			if slices.ContainsFunc(before, func(id uuid.UUID) bool { return !met[id] }) {
				t.Errorf("ascending %v: somebody was left out, of %d met %d", ascending, len(before), len(met))
			}
		}
	})
}

func TestTotals(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		const exact = 10_000
		manyUsers(t, st, exact)
		total := func(q postern.UserQuery) int {
			t.Helper()
			q.Limit = 1
			page, err := st.ListUsers(t.Context(), q)
			ok(t, err)
			return page.Total
		}
		wantTotal := func(what string, want int) {
			t.Helper()
			if got := total(everybody); got != want {
				t.Errorf("%s: got %d, want %d", what, got, want)
			}
		}
		add := func() {
			u := sample(uuid.NewString() + "@example.com")
			u.CreatedAt = time.Now()
			ok(t, st.AddUser(t.Context(), u))
		}
		wantTotal("few", exact)
		execute(t, st.DB(), `DELETE FROM auth.users WHERE email = 'user1@example.com'`)
		wantTotal("one less", exact-1)
		add()
		add()
		wantTotal("many", exact+1)
		add()
		wantTotal("one more, who counts at once", exact+2)
		if got := total(postern.UserQuery{Aud: everybody.Aud, Email: "user9000@example.com", Count: true}); got != 1 {
			t.Errorf("of an address: got %d, want 1", got)
		}

		// A transaction sees what nobody else does.
		tx := begin(t, st)
		defer tx.Rollback()
		execute(t, tx, `DELETE FROM auth.users WHERE email = 'user2@example.com'`)
		q := everybody
		q.Limit = 1
		page, err := st.Join(tx).ListUsers(t.Context(), q)
		ok(t, err)
		if page.Total != exact+1 {
			t.Errorf("in a transaction: got %d, want %d", page.Total, exact+1)
		}
	})
}

// Everybody has to be looked at, which takes far longer than the context allows, but
// whoever is found is found at once.
func TestSearchesHeedTheEndOfTheirContext(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		manyUsers(t, st, 10_000)
		// A search takes several milliseconds, but on a busy machine the end may come
		// as late.
		var err error
		for range 50 {
			if err = search(t, st, time.Millisecond); err != nil {
				break
			}
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want DeadlineExceeded", err)
		}
	})
}

func search(t *testing.T, st *store.Store, patience time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := st.ListUsers(ctx, postern.UserQuery{Aud: everybody.Aud, Filter: "user9999@", Limit: 50})
	return err
}

// A count that takes a millisecond is good for a tenth of a second, and one that takes
// ten seconds for a minute.
func TestTotalsAreAsOldAsCountingTakesTime(t *testing.T) {
	t.Parallel()
	for took, good := range map[time.Duration]time.Duration{time.Millisecond: 100 * time.Millisecond, 10 * time.Second: time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			long, counts, begun := store.NewTotal(), 0, time.Now()
			count := func(before time.Time) (int, error) {
				if want := time.Now().Add(-time.Minute); !before.Equal(want) {
					t.Errorf("got asked for %v, want %v", before, want)
				}
				counts++
				time.Sleep(took)
				return counts, nil
			}
			wantCount := func(want int) {
				t.Helper()
				if got, _, err := long.Get(t.Context(), count); err != nil || got != want {
					t.Errorf("after %v: got count %d, %v, want %d", time.Since(begun), got, err, want)
				}
			}
			wantCount(1)
			time.Sleep(good - took - time.Nanosecond)
			wantCount(1)
			time.Sleep(time.Nanosecond)
			wantCount(2)
		})
	}
}

func TestOneCountsWhileOthersWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		long, counts, broken := store.NewTotal(), 0, errors.New("broken")
		count := func(time.Time) (int, error) { // which the race detector would see run twice at once
			counts++
			time.Sleep(time.Second)
			if counts == 1 {
				return 0, broken
			}
			return counts, nil
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		get := func(ctx context.Context, want int, wantErr error) {
			all.Go(func() {
				if got, _, err := long.Get(ctx, count); got != want || !errors.Is(err, wantErr) {
					t.Errorf("got %d, %v, want %d, %v", got, err, want, wantErr)
				}
			})
		}
		get(t.Context(), 0, broken)
		synctest.Wait()
		for range 10 {
			get(t.Context(), 2, nil)
		}
		get(impatient, 0, context.DeadlineExceeded)
		all.Wait()
		if counts != 2 {
			t.Errorf("got %d counts, want one that failed and one more", counts)
		}
	})
}

// analyse has the database look at its tables. In PostgreSQL it also notes which pages
// an index can do without, which are none as long as their rows' commits wait for the
// disk.
func analyse(t *testing.T, st *store.Store) {
	t.Helper()
	if !isPostgres(st) {
		execute(t, st.DB(), `ANALYZE`)
		return
	}
	tx := begin(t, st)
	defer tx.Rollback() // unless it was committed
	execute(t, tx, `SET LOCAL synchronous_commit = on`)
	execute(t, tx, `UPDATE auth.users SET role = 'a' WHERE email = 'user1@example.com'`)
	ok(t, tx.Commit())
	execute(t, st.DB(), `VACUUM ANALYZE auth.users`)
}

func TestListsAreReadByIndexes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		manyUsers(t, st, 3000)
		analyse(t, st)
		const list, address = `postern_users_created_at_idx`, `users_(instance_id_)?email_idx`
		someone := postern.UserCursor{CreatedAt: at.Add(15 * time.Minute), ID: uuid.New()}
		of := func(q postern.UserQuery) postern.UserQuery {
			q.Aud, q.Limit = everybody.Aud, 50
			return q
		}
		plans := map[string]string{} // by statement, and the index
		for _, q := range []postern.UserQuery{
			of(postern.UserQuery{}), of(postern.UserQuery{Ascending: true}), of(postern.UserQuery{Offset: 2000}),
			of(postern.UserQuery{After: &someone}), of(postern.UserQuery{After: &someone, Ascending: true}),
			of(postern.UserQuery{After: &postern.UserCursor{}}), of(postern.UserQuery{After: &postern.UserCursor{}, Ascending: true}),
		} {
			for _, text := range store.ListPages(st, q) {
				plans[text] = list
			}
		}
		for _, text := range store.ListCounts(st, of(postern.UserQuery{}), someone.CreatedAt) {
			plans[text] = list
		}
		exact := of(postern.UserQuery{Email: "user7@example.com"})
		for _, text := range append(store.ListPages(st, exact), store.ListCounts(st, exact, at)[0]) {
			plans[text] = address
		}
		explain := "EXPLAIN QUERY PLAN "
		if isPostgres(st) {
			explain = "EXPLAIN "
		}
		for text, index := range plans {
			if plan := planOf(t, st.DB(), explain+text); !regexp.MustCompile(index).MatchString(plan) || strings.Contains(plan, "SCAN u") {
				t.Errorf("got a plan without %s:\n%s\n%s", index, text, plan)
			}
		}
	})
}
