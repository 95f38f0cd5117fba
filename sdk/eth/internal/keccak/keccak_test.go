package keccak

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/cloudflare/circl/simd/keccakf1600"
	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/crypto/sha3"
)

// hashers are all ways that there are on this machine, by name.
func hashers() map[string]*Hasher {
	return map[string]*Hasher{"as the processor can": {}, "one after another": {slow: true}}
}

// want is what another implementation makes of an input.
func want(input []byte) (sum common.Hash) {
	k := sha3.NewLegacyKeccak256()
	k.Write(input)
	k.Sum(sum[:0])
	return sum
}

// random is so many bytes that are the same in every run.
func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// checkSums hashes spans, whose sums are their places in reverse, and compares.
func checkSums(t *testing.T, h *Hasher, buf []byte, spans []Span) {
	t.Helper()
	for i := range spans {
		spans[i].Sum = len(spans) - 1 - i
	}
	sums := make([]common.Hash, len(spans)+1)
	before := string(buf)
	h.Sums(sums, buf, spans)
	for _, s := range spans {
		if expected := want(buf[s.From:s.To]); sums[s.Sum] != expected {
			t.Fatalf("the hash of %d bytes among %d inputs is %s, want %s", s.To-s.From, len(spans), sums[s.Sum], expected)
		}
	}
	if sums[len(spans)] != (common.Hash{}) {
		t.Fatalf("something was written behind the sums: %s", sums[len(spans)])
	}
	if string(buf) != before {
		t.Fatal("the inputs were changed")
	}
}

func TestAllLengths(t *testing.T) {
	t.Logf("four lanes with AVX2: %t", keccakf1600.IsEnabledX4())
	const longest = 2000
	buf := random(rand.New(rand.NewPCG(1, 2)), 2*longest)
	for name, h := range hashers() {
		t.Run(name, func(t *testing.T) {
			for n := range longest + 1 {
				if got := h.Sum(buf[n/3 : n/3+n]); got != want(buf[n/3:n/3+n]) {
					t.Fatalf("the hash of %d bytes is %s", n, got)
				}
			}
			var all []Span
			for n := range longest + 1 {
				all = append(all, Span{From: n / 3, To: n/3 + n})
			}
			checkSums(t, h, buf, all)
			for n := range longest + 1 { // the same length in all lanes, and in a different place
				checkSums(t, h, buf, []Span{{From: 0, To: n}, {From: 1, To: 1 + n}, {From: 7, To: 7 + n}, {From: longest - 1, To: longest - 1 + n}})
			}
		})
	}
}

func TestMixes(t *testing.T) {
	for name, h := range hashers() {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			buf := random(r, 40_000)
			for range 200 {
				var spans []Span
				for range r.IntN(40) {
					length := r.IntN([]int{1, 40, 150, 700, 2000, 30_000}[r.IntN(6)])
					from := r.IntN(len(buf) - length)
					spans = append(spans, Span{From: from, To: from + length})
				}
				checkSums(t, h, buf, spans)
			}
		})
	}
}

// A copied Hasher, as a struct that holds one may be copied, hashes on.
func TestCopy(t *testing.T) {
	buf := random(rand.New(rand.NewPCG(5, 6)), 4000)
	spans := []Span{{From: 0, To: 400}, {From: 300, To: 700}, {From: 1000, To: 1001}, {From: 2000, To: 2300}, {From: 5, To: 5}}
	var h Hasher
	checkSums(t, &h, buf, spans)
	other := h
	checkSums(t, &other, buf, spans)
	checkSums(t, &h, buf, spans)
}

func FuzzSums(f *testing.F) {
	f.Add([]byte("a few bytes that are cut"), []byte{1, 0, 5, 2})
	f.Add(make([]byte, 800), []byte{135, 136, 137, 255, 1, 0, 200, 90})
	f.Fuzz(func(t *testing.T, buf, cuts []byte) {
		var spans []Span
		at := 0
		for _, c := range cuts {
			from := min(at, len(buf))
			at = min(from+int(c)*3, len(buf))
			spans = append(spans, Span{From: from, To: at})
		}
		for _, h := range hashers() {
			checkSums(t, h, buf, spans)
		}
	})
}

// processor is the time that this process has computed, in nanoseconds: what others do on the machine does not count.
func processor(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSums compares with one after another, for inputs as long as transactions and receipts are.
func BenchmarkSums(b *testing.B) {
	buf := random(rand.New(rand.NewPCG(7, 8)), 4000)
	for _, length := range []int{32, 110, 420, 700} {
		spans := make([]Span, 160)
		for i := range spans {
			spans[i] = Span{From: 10 * i, To: 10*i + length + i%32, Sum: i}
		}
		sums := make([]common.Hash, len(spans))
		measure := func(name string, h *Hasher) (ns float64) {
			b.Run(fmt.Sprintf("%s/%d", name, length), func(b *testing.B) {
				b.ReportAllocs()
				begun := processor(b)
				for b.Loop() {
					h.Sums(sums, buf, spans)
				}
				ns = (processor(b) - begun) / float64(b.N) / float64(len(spans))
				b.ReportMetric(ns, "cpu-ns/input")
			})
			return ns
		}
		one := measure("one", &Hasher{slow: true})
		four := measure("four", &Hasher{})
		b.Run(fmt.Sprintf("ratio/%d", length), func(b *testing.B) {
			for b.Loop() {
			}
			b.ReportMetric(one/four, "x-of-one")
			b.ReportMetric(0, "ns/op")
		})
	}
}
