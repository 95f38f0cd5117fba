package store_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/penstock-io/penstock/host/internal/store"
)

var benchSizes = map[string]int{"1KiB": 1 << 10, "1MiB": 1 << 20}

// BenchmarkRecord records checkpoints with one state that is new each time. An
// operation is one record; with eight domains they come all at once.
func BenchmarkRecord(b *testing.B) {
	for name, size := range benchSizes {
		for _, domains := range []int{1, 8} {
			b.Run(fmt.Sprintf("state=%s/domains=%d", name, domains), func(b *testing.B) { benchRecord(b, size, domains) })
		}
	}
}

func benchRecord(b *testing.B, size, domains int) {
	b.Helper()
	s, err := store.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.SetBytes(int64(size))
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	b.ResetTimer()
	for i := range domains {
		all.Go(func() {
			state := make([]byte, size)
			_, _ = rand.Read(state)
			d, err := s.Domain(fmt.Sprint(i))
			for err == nil && left.Add(-1) >= 0 {
				number := d.Next()
				state[number%uint64(size)]++
				err = d.Record(store.Checkpoint{Number: number, States: map[string]store.State{"p": {Bytes: state}}})
				if err == nil && number > 8 {
					err = d.Prune(number - 8)
				}
			}
			if err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
}

// BenchmarkWriteAndSync is the yardstick: what the disk takes for as many bytes
// in a file that grows.
func BenchmarkWriteAndSync(b *testing.B) {
	for name, size := range benchSizes {
		b.Run("bytes="+name, func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "file"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			block := make([]byte, size)
			_, _ = rand.Read(block)
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				if _, err := f.WriteAt(block, int64(i%64*size)); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
