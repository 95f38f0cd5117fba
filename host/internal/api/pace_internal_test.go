package api

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
)

func rows(n int) engine.TapItem { return engine.TapItem{Rows: &engine.TapRows{Count: n}} }

// After a pause as many rows may pass as in a second, then so many a second, a
// quarter of them at once; without a rate everything passes.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p := pace{rate: 20, left: 20, since: began}
		shown := 0
		for shown < 120 {
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			n := int(p.left)
			if shown == 0 && n != 20 || shown > 0 && n != 5 {
				t.Fatalf("after %d rows %d may pass", shown, n)
			}
			p.passed(engine.TapItem{News: &engine.TapNews{}})
			p.passed(rows(n))
			shown += n
		}
		if took := time.Since(began).Round(100 * time.Millisecond); took != 5*time.Second {
			t.Errorf("120 rows took %s, want five seconds", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("wait with nobody who looks: %v", err)
		}
		free := pace{since: began}
		for range 1000 {
			free.passed(rows(1000))
			if err := free.wait(ctx); err != nil || free.left != 0 {
				t.Fatalf("without a rate: %v, %f", err, free.left)
			}
		}
	})
}
