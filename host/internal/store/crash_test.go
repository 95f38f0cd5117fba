package store_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/store"
)

const recordEnv = "STORE_TEST_RECORD"

var crashDomains = []string{"left", "right"}

// drawn is the checkpoint with a number: the same in the process that is killed
// and in the one that looks after it.
func drawn(number uint64) store.Checkpoint {
	r := rand.New(rand.NewPCG(number, 1))
	bytesOf := func(seed uint64, n int) []byte {
		word := binary.BigEndian.AppendUint64(nil, seed*0x9e3779b97f4a7c15)
		return bytes.Repeat(word, n/8+1)[:n]
	}
	small, large := bytesOf(number, r.IntN(300)), bytesOf(number/3, 20_000+int(number/3%7)*9000) // large stays the same three times
	return store.Checkpoint{
		Number: number, Generation: number / 5,
		Counts: map[string]uint64{"edge": number * 1000},
		States: map[string]store.State{
			"p/small": {Version: uint32(number), Bytes: small, Size: len(small)},
			"p/large": {Version: 1, Bytes: large, Size: len(large)},
		},
	}
}

// recordForEver records as fast as it can and says what is durable.
func recordForEver(dir string) {
	s, err := store.Open(dir)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var all sync.WaitGroup
	for _, name := range crashDomains {
		all.Go(func() {
			for err := error(nil); err == nil; {
				err = recordOne(s, name)
			}
			os.Exit(1)
		})
	}
	all.Wait()
}

func recordOne(s *store.Store, name string) error {
	d, err := s.Domain(name)
	if err != nil {
		return err
	}
	c := drawn(d.Next())
	if err := d.Record(c); err != nil {
		return err
	}
	if c.Number > 10 {
		if err := d.Prune(c.Number - 10); err != nil {
			return err
		}
	}
	_, err = fmt.Printf("%s %d\n", name, c.Number)
	return err
}

// Whenever a host is killed, the next one finds the newest checkpoint that was
// acknowledged, or the one that was being recorded; and each is whole.
func TestKillWhileRecording(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 14))
	dir := t.TempDir()
	for round := range 12 {
		acknowledged := killAfter(t, dir, 1+r.IntN(60))
		s := open(t, dir)
		for name, number := range acknowledged {
			d := domain(t, s, name)
			c := newest(t, d)
			if c.Number != number && c.Number != number+1 {
				t.Errorf("round %d: the newest checkpoint of %s is %d, want %d or the one after it", round, name, c.Number, number)
			}
			for _, k := range kept(d) {
				c, err := d.Load(k)
				if err != nil {
					t.Errorf("round %d: %v", round, err)
					continue
				}
				if diff := cmp.Diff(drawn(k), c, cmp.Comparer(bytes.Equal)); diff != "" {
					t.Errorf("round %d: checkpoint %d of %s (-want +got):\n%.500s", round, k, name, diff)
				}
			}
		}
		closed(t, s)
	}
}

// killAfter kills a recording process after some lines and tells the last number
// that each domain has said.
func killAfter(t *testing.T, dir string, lines int) map[string]uint64 {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), recordEnv+"="+dir)
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(map[string]uint64)
	for scanner := bufio.NewScanner(stdout); scanner.Scan(); lines-- {
		var name string
		var number uint64
		if _, err := fmt.Sscan(scanner.Text(), &name, &number); err != nil {
			t.Errorf("the other process said %q", scanner.Text())
		}
		said[name] = number
		if lines == 1 {
			if err := child.Process.Kill(); err != nil { // what it has said until then is still to be read
				t.Error(err)
			}
		}
	}
	_ = child.Wait() // it was killed
	return said
}
