package limit

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func TestBucketEmptiesAndFills(t *testing.T) {
	t.Parallel()
	var b Buckets
	for _, step := range []struct{ at, want time.Duration }{
		{0, 0}, {0, 0}, {0, 0}, {0, 10 * time.Second}, {4 * time.Second, 6 * time.Second},
		{10 * time.Second, 0}, {10 * time.Second, 10 * time.Second},
		{time.Hour, 0}, {time.Hour, 0}, {time.Hour, 0}, {time.Hour, 10 * time.Second},
	} {
		if got := b.Spend("a", 10*time.Second, 3, noon.Add(step.at)); got != step.want {
			t.Errorf("after %v: got a wait of %v, want %v", step.at, got, step.want)
		}
	}
	if got := b.Spend("b", 10*time.Second, 1, noon); got != 0 {
		t.Errorf("another bucket: got a wait of %v, want none", got)
	}
	if b.Drop("a"); b.Spend("a", 10*time.Second, 1, noon) != 0 {
		t.Error("a bucket that was dropped is not full")
	}
}

func TestOneTokenIsTakenOnce(t *testing.T) {
	t.Parallel()
	var b Buckets
	var taken atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if b.Spend("a", time.Hour, 20, noon) == 0 {
				taken.Add(1)
			}
		})
	}
	wg.Wait()
	if taken.Load() != 20 {
		t.Errorf("got %d tokens, want 20", taken.Load())
	}
}

func TestRefusalsEnd(t *testing.T) {
	t.Parallel()
	var r Refusals
	r.Add("a", time.Minute, noon)
	if got := r.Left("a", noon.Add(time.Second)); got != 59*time.Second {
		t.Errorf("got %v, want 59s", got)
	}
	if r.Left("a", noon.Add(time.Minute)) != 0 || r.Left("b", noon) != 0 {
		t.Error("somebody has to wait who has not to")
	}
	if r.Drop("a"); r.Left("a", noon) != 0 {
		t.Error("a refusal that was dropped is still there")
	}
}

func TestWhatIsPastIsDropped(t *testing.T) {
	t.Parallel()
	var b Buckets
	for i := range 100_000 {
		b.Spend(fmt.Sprint(i), time.Second, 1, noon.Add(time.Duration(i)*time.Second))
	}
	if n := len(b.full.at); n > 3000 {
		t.Errorf("got %d buckets in memory, want those of late alone", n)
	}
}
