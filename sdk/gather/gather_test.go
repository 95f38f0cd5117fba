package gather_test

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk/gather"
)

func TestFull(t *testing.T) {
	now := time.Unix(1700000000, 0)
	of := func(rows, size int, age time.Duration) (b gather.Batch) {
		for range rows {
			b.Add(size, now.Add(-age))
		}
		return b
	}
	limits := gather.Limits{Rows: 3, Bytes: 100, Every: time.Second}
	for name, tt := range map[string]struct {
		limits gather.Limits
		batch  gather.Batch
		size   int
		want   bool
	}{
		"nothing yet":               {limits, gather.Batch{}, 1000, false},
		"fewer rows":                {limits, of(2, 10, 0), 10, false},
		"enough rows":               {limits, of(3, 10, 0), 10, true},
		"just fits":                 {limits, of(2, 40, 0), 20, false},
		"too large":                 {limits, of(2, 40, 0), 21, true},
		"not old enough":            {limits, of(1, 1, time.Second-1), 1, false},
		"old":                       {limits, of(1, 1, time.Second), 1, true},
		"no limit is ever reached":  {gather.Limits{}, of(9999, 9999, time.Hour), 1, false},
		"the rest does not matter ": {gather.Limits{Every: time.Hour}, of(9999, 9999, time.Minute), 1, false},
	} {
		if got := tt.limits.Full(tt.batch, tt.size, now); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]gather.Size{
		"1B": 1, "1000B": 1000, "1KB": 1000, "1.5KiB": 1536, "128 MiB": 128 << 20, "2GB": 2e9, "1TiB": 1 << 40,
	} {
		var got gather.Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, err, want)
		}
		again := gather.Size(0)
		if back, err := got.MarshalText(); err != nil || again.UnmarshalText(back) != nil || again != want {
			t.Errorf("%s is written as %s, which is %d", text, back, again)
		}
	}
	for _, text := range []string{"", "1", "MiB", "-1B", "1PB", "0B", "1e3B", "99999999999TiB"} {
		var got gather.Size
		if err := got.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "write") {
			t.Errorf("%q: got %d, %v, want an error that says what to write", text, got, err)
		}
	}
}

func TestCheck(t *testing.T) {
	if err := gather.Default().Check(1000); err != nil {
		t.Error(err)
	}
	for name, l := range map[string]gather.Limits{
		"batch is 0: write a number from 1 to 10": {}, "batch is 11: write a number from 1 to 10": {Rows: 11}, "flush is -1s": {Rows: 1, Every: -time.Second},
	} {
		if err := l.Check(10); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
	}
	if err := (gather.Limits{}).Check(0); err != nil {
		t.Error(err)
	}
	if err := (gather.Limits{Rows: -1}).Check(0); err == nil || !strings.Contains(err.Error(), "1 on, or 0 for no limit") {
		t.Errorf("got %v", err)
	}
}
