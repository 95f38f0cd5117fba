package main

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write testdata anew")

// golden is a file that other readers are tested with, in the module readers:
// they need what nothing else here does.
const golden = "testdata/everything.parquet"

func TestTheFileForOtherReaders(t *testing.T) {
	path := fileOf(t, func(l *loader) {
		l.U256Of = map[string][]string{"amount": {asBinary, asString, asFloat, asDecimal}}
		l.Bloom, l.SortedBy = []string{"address"}, []string{"uint64"}
	}, extremes()...)
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("a file of the same rows is not %s any more: if that is meant, run the tests with -update, and those in readers", golden)
	}
}
