package journal_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/penstock-io/penstock/host/internal/store/journal"
)

var benchBodies = []int{256, 4 << 10, 64 << 10, 1 << 20}

// benchCap keeps the disk from filling up: what a benchmark has written is dropped
// after so many bytes.
const benchCap = 256 << 20

func BenchmarkAppend(b *testing.B) {
	for _, size := range benchBodies {
		b.Run(fmt.Sprintf("body=%d", size), func(b *testing.B) {
			j, _, err := journal.Open(b.TempDir(), journal.Config{})
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			header, body := make([]byte, 40), make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := j.Append(1, header, body); err != nil {
					b.Fatal(err)
				}
				if j.Size() > benchCap {
					if err := j.Release(j.Last() + 1); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkBufferedWrite is the yardstick: the same bytes without a journal.
func BenchmarkBufferedWrite(b *testing.B) {
	for _, size := range benchBodies {
		b.Run(fmt.Sprintf("body=%d", size), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "file"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			out := bufio.NewWriterSize(f, 256<<10)
			header, body := make([]byte, 64), make([]byte, size)
			b.SetBytes(int64(size))
			written := 0
			for b.Loop() {
				_, err := out.Write(header)
				if err == nil {
					_, err = out.Write(body)
				}
				if written += size; err == nil && written > benchCap {
					written = 0
					err = f.Truncate(0)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, size := range benchBodies {
		b.Run(fmt.Sprintf("body=%d", size), func(b *testing.B) {
			j, _, err := journal.Open(b.TempDir(), journal.Config{})
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			for j.Size() < benchCap/4 {
				if _, err := j.Append(1, make([]byte, 40), make([]byte, size)); err != nil {
					b.Fatal(err)
				}
			}
			if err := j.Flush(); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			for n := 0; n < b.N; {
				for _, err := range j.Read(1) {
					if err != nil {
						b.Fatal(err)
					}
					if n++; n >= b.N {
						break
					}
				}
			}
		})
	}
}
