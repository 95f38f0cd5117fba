package store_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/penstock-io/penstock/host/internal/store"
)

// A file of the first layout knew only the numbers of registers.
func TestOlderFileIsMigrated(t *testing.T) {
	dir := t.TempDir()
	edit(t, dir, func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucket([]byte("penstock"))
		if err != nil {
			return err
		}
		numbers, err := tx.CreateBucket([]byte("register-numbers"))
		if err != nil {
			return err
		}
		return errors.Join(meta.Put([]byte("schema"), []byte("1")), numbers.Put([]byte("zeta"), []byte{20}))
	})
	if p, err := store.Preview(dir); err != nil {
		t.Errorf("Preview: %v", err)
	} else if n, err := p.Number("zeta"); n != 20 || err != nil {
		t.Errorf("Preview: zeta has number %d, %v, want 20", n, err)
	}
	s := open(t, dir)
	if n := number(t, s, "zeta"); n != 20 {
		t.Errorf("zeta has number %d, want 20", n)
	}
	record(t, domain(t, s, "main"), full(1))
	s = again(t, s)
	if diff := cmp.Diff(full(1), newest(t, domain(t, s, "main"))); diff != "" {
		t.Errorf("Newest (-want +got):\n%s", diff)
	}
	closed(t, s)
	edit(t, dir, func(tx *bbolt.Tx) error {
		if got := string(tx.Bucket([]byte("penstock")).Get([]byte("schema"))); got != "2" {
			t.Errorf("the file says layout %s, want 2", got)
		}
		return nil
	})
}
