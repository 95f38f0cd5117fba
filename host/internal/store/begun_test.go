package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/penstock-io/penstock/host/internal/store"
)

// A host that is killed in its very first moments leaves a file in which nothing
// is laid out: the next one takes it for what it is, a new one.
func TestFileThatWasOnlyBegun(t *testing.T) {
	for name, begin := range map[string]func(path string) error{
		"nothing written": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"no layout": func(path string) error {
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				return err
			}
			return db.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := begin(filepath.Join(dir, "penstock.db")); err != nil {
				t.Fatal(err)
			}
			numbers, err := store.Preview(dir)
			if err != nil {
				t.Fatalf("Preview: %v", err)
			}
			if n, err := numbers.Number("test.first"); err != nil || n == 0 {
				t.Errorf("Number: got %d, %v", n, err)
			}
			s, err := store.Open(dir)
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			closed(t, s)
		})
	}
}
