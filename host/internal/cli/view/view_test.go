package view_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/cli/view"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/registry"
)

func write(t *testing.T, v view.View, line string) {
	t.Helper()
	if _, err := io.WriteString(v, line+"\n"); err != nil {
		t.Error(err)
	}
}

// picture is a pipeline of three processes, of which the reader has given as
// many rows as rows says.
func picture(rows uint64) []engine.PathStatus {
	edge := func(from, to string, depth int) []engine.EdgeStatus {
		return []engine.EdgeStatus{{From: from, To: to, Depth: depth, Threshold: 64}}
	}
	return []engine.PathStatus{{
		Pipeline: "swaps", State: engine.PathLive, Committed: new(uint64(1203)), Head: 1204,
		Processes: []engine.ProcessStatus{
			{
				Step: "logs", Type: registry.Reader, Kind: "reader", Register: "eth.logs", State: engine.ProcessLive,
				RowsOut: rows, Block: new(uint64(1204)), Lag: new(uint64(0)),
			},
			{
				Step: "decoded", Type: registry.Subscriber, Kind: "subscriber", Register: "uniswap.swaps", State: engine.ProcessLive,
				RowsIn: rows, RowsOut: rows / 2, Block: new(uint64(1203)), Lag: new(uint64(1)), Inputs: edge("logs", "decoded", 3),
			},
			{
				Step: "store", Type: registry.Loader, Kind: "loader", Register: "sqlite", State: engine.ProcessCrashed,
				RowsIn: rows / 2, Restarts: 2, Inputs: edge("decoded", "store", 64),
			},
		},
	}}
}

// live runs a view on a screen until the test has said enough; time is not
// real.
func live(t *testing.T, s *screen, source view.Source, story func(v *view.Live)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		v := view.NewLive(s, s.size, false)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			v.Run(ctx, source)
		}()
		story(v)
		stop()
		<-ended
		if !s.restored() {
			t.Error("the cursor is hidden, lines do not wrap, or the cursor is not at the beginning of a line")
		}
	})
}

func still() []engine.PathStatus { return picture(12_000) }

func expect(t *testing.T, s *screen, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimLeft(want, "\n"), s.text()); diff != "" {
		t.Errorf("the screen (-want +got):\n%s", diff)
	}
}

func TestLiveShowsEveryProcess(t *testing.T) {
	s := newScreen(t, 100, 20)
	var rows atomic.Uint64
	live(t, s, func() []engine.PathStatus { return picture(rows.Add(1_000)) }, func(*view.Live) {
		time.Sleep(10*time.Second + time.Millisecond) // 2 pictures a second
		synctest.Wait()
		expect(t, s, `
swaps  live  head 1,204  committed 1,203  up 10s
  STEP     KIND        REGISTER       STATE    ROWS/S    ROWS  BLOCK  LAG  QUEUE  RESTARTS
  logs     reader      eth.logs       live       2.0k  21,000  1,204    0      -         0
  decoded  subscriber  uniswap.swaps  live       1.0k  10,500  1,203    1   3/64         0
  store    loader      sqlite         crashed    1.0k  10,500      -    -  64/64         2
`)
	})
}

func TestLiveFitsANarrowWindow(t *testing.T) {
	s := newScreen(t, 50, 20)
	live(t, s, still, func(*view.Live) {
		time.Sleep(time.Second)
		synctest.Wait()
		expect(t, s, `
swaps  live  head 1,204  committed 1,203  up 1s
  STEP     STATE    ROWS/S    ROWS  BLOCK  LAG
  logs     live          0  12,000  1,204    0
  decoded  live          0   6,000  1,203    1
  store    crashed       0   6,000      -    -
`)
		s.narrow(24)
		time.Sleep(time.Second)
		synctest.Wait()
		expect(t, s, `
swaps  live  head 1,204…
  STEP     ROWS/S
  logs          0
  decoded       0
  store         0
`)
	})
}

func TestLiveFitsALowWindow(t *testing.T) {
	s := newScreen(t, 100, 5)
	live(t, s, still, func(v *view.Live) {
		time.Sleep(2 * time.Second)
		synctest.Wait()
		write(t, v, "a row")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := s.text(); !strings.HasPrefix(got, "swaps  live") || !strings.Contains(got, "… 2 more lines, in a taller window") {
			t.Errorf("the screen shows\n%s", got)
		}
		if got := strings.Count(s.everything(), "swaps  live"); got != 1 {
			t.Errorf("the picture was drawn %d times, want once:\n%s", got, s.everything())
		}
	})
}

func TestLiveLetsPrintedRowsScrollBy(t *testing.T) {
	s := newScreen(t, 80, 12)
	var want strings.Builder
	live(t, s, still, func(v *view.Live) {
		for i := range 100 {
			row := fmt.Sprintf("row %d %s", i, strings.Repeat("x", i))
			write(t, v, row)
			for ; len(row) > 80; row = row[80:] {
				want.WriteString(row[:80] + "\n") // a long row is wrapped, not cut
			}
			want.WriteString(row + "\n")
			if i%7 == 0 {
				time.Sleep(300 * time.Millisecond)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
	})
	got := s.everything()
	rows, _, _ := strings.Cut(got, "swaps  ")
	if diff := cmp.Diff(want.String(), rows); diff != "" {
		t.Errorf("what was printed (-want +got):\n%s", diff)
	}
	if n := strings.Count(got, "STEP"); n != 1 {
		t.Errorf("%d pictures are left, want the last one:\n%s", n, got)
	}
}

func TestLiveLosesNothingThatIsPrintedAtTheEnd(t *testing.T) {
	s := newScreen(t, 80, 12)
	var v *view.Live
	live(t, s, still, func(running *view.Live) {
		v = running
		write(t, v, "the last row")
	})
	write(t, v, "a row after the end")
	if got := s.text(); !strings.HasPrefix(got, "the last row\nswaps") || !strings.HasSuffix(got, "\na row after the end\n") {
		t.Errorf("the screen shows\n%s", got)
	}
}

func TestLiveShowsTheNewestOfTheLog(t *testing.T) {
	s := newScreen(t, 40, 20)
	live(t, s, still, func(v *view.Live) {
		for i := range 8 {
			v.Log(fmt.Sprintf("12:00:0%d [WARN] toy: something is not as it should be", i))
		}
		v.Notice("draining…")
		time.Sleep(time.Second)
		synctest.Wait()
		expect(t, s, `
swaps  draining…  head 1,204  committed…
  STEP     STATE    ROWS/S    ROWS  LAG
  logs     live          0  12,000    0
  decoded  live          0   6,000    1
  store    crashed       0   6,000    -

12:00:03 [WARN] toy: something is not a…
12:00:04 [WARN] toy: something is not a…
12:00:05 [WARN] toy: something is not a…
12:00:06 [WARN] toy: something is not a…
12:00:07 [WARN] toy: something is not a…
`)
	})
}

func TestLiveColoursTakeNoRoom(t *testing.T) {
	s := newScreen(t, 60, 20)
	synctest.Test(t, func(t *testing.T) {
		v := view.NewLive(s, s.size, true)
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		v.Run(ctx, func() []engine.PathStatus {
			paths := picture(12)
			paths[0].State, paths[0].Cause = engine.PathError, "the disk is full"
			return paths
		})
	})
	expect(t, s, `
swaps  error  head 1,204  committed 1,203  up 3s
  the disk is full
  STEP     STATE    ROWS/S  ROWS  BLOCK  LAG  QUEUE
  logs     live          0    12  1,204    0      -
  decoded  live          0     6  1,203    1   3/64
  store    crashed       0     6      -    -  64/64
`)
}

// clock is the time of day, which depends on where the test runs.
var clock = regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d `)

func TestLinesTellTheStateNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		v := view.NewLines(&out, 5*time.Second)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		var rows uint64
		go func() {
			defer close(ended)
			v.Run(ctx, func() []engine.PathStatus { rows += 10_000; return picture(rows) })
		}()
		time.Sleep(7 * time.Second)
		synctest.Wait()
		write(t, v, "a row")
		v.Notice("draining…")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		stop()
		<-ended
		want := `
swaps live  head 1,204  committed 1,203  read 10.0k/s  loaded 5.0k/s  rows loaded 10,000  queue 64/64  restarts 2
swaps live  head 1,204  committed 1,203  read 2.0k/s  loaded 1.0k/s  rows loaded 15,000  queue 64/64  restarts 2
a row
swaps live  head 1,204  committed 1,203  read 2.0k/s  loaded 1.0k/s  rows loaded 20,000  queue 64/64  restarts 2  draining…
swaps live  head 1,204  committed 1,203  read 3.3k/s  loaded 1.7k/s  rows loaded 25,000  queue 64/64  restarts 2
`
		if diff := cmp.Diff(strings.TrimLeft(want, "\n"), clock.ReplaceAllString(out.String(), "")); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

func TestLinesCanBeSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		v := view.NewLines(&out, 0)
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		write(t, v, "a row")
		v.Run(ctx, still)
		if out.String() != "a row\n" {
			t.Errorf("got %q, want only what was printed", &out)
		}
	})
}
