package api_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/store"
)

// sharing serves the shared state of a pipeline "swaps" to a client, whose set
// "lower" has small letters.
func sharing(t *testing.T) (*api.Client, *store.Sets) {
	t.Helper()
	dir := dataDir(t)
	s, err := store.Open(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := api.Listen(dir, filepath.Join(dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	runs := &fake{paths: []engine.PathStatus{{Pipeline: "swaps", Processes: []engine.ProcessStatus{{Step: "b", Register: "eth.balances"}}}}}
	words := func(registers []string, key string, words []string) ([]string, error) {
		if key != "lower" || !slices.Equal(registers, []string{"eth.balances"}) {
			return words, nil
		}
		var out []string
		for _, word := range words {
			if word == "BAD" {
				return nil, errors.New("BAD is bad")
			}
			out = append(out, strings.ToLower(word))
		}
		return out, nil
	}
	server := api.New(api.Config{
		Engine: runs, Letters: &letters{}, Sets: s.Sets(), Words: words, Events: api.NewEvents(), DataDir: dir, Version: "v9", Logger: hclog.NewNullLogger(),
	})
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener) }()
	c, err := api.Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		end()
		if err := errors.Join(<-done, s.Close()); err != nil {
			t.Error(err)
		}
	})
	return c, s.Sets()
}

// Sets of any size are changed as a whole and read as they are.
func TestSharedStateOverTheSocket(t *testing.T) {
	c, sets := sharing(t)
	of := store.SetOf{Pipeline: "swaps", Key: "lower"}
	if v, err := c.ReadSet(t.Context(), of); err != nil || v.Version != 0 || len(v.Members) != 0 {
		t.Errorf("a set that nobody has written to: %v, %v", v, err)
	}
	var many []string
	for i := range 10_000 {
		many = append(many, fmt.Sprintf("W%0*d", 40, i))
	}
	size, added, removed, err := c.ChangeSet(t.Context(), of, store.SetChange{Add: many})
	if err != nil || size.Words != 10_000 || size.Version != 1 || added != 10_000 || removed != 0 {
		t.Errorf("add: %+v, %d new, %d gone, %v", size, added, removed, err)
	}
	size, added, removed, err = c.ChangeSet(t.Context(), of, store.SetChange{Remove: many[5:], Add: []string{"x", "Y"}})
	if err != nil || size.Words != 7 || size.Version != 2 || added != 2 || removed != 9_995 {
		t.Errorf("exchange: %+v, %d new, %d gone, %v", size, added, removed, err)
	}
	v, err := c.ReadSet(t.Context(), of)
	want, wantErr := sets.Read(of)
	if diff := cmp.Diff(want, v); diff != "" || errors.Join(err, wantErr) != nil || len(v.Members) != 7 || v.Members[6] != "y" {
		t.Errorf("read: %v (-want +got):\n%s", err, diff)
	}
	if size, _, removed, err := c.ChangeSet(t.Context(), of, store.SetChange{Clear: true, Add: []string{"z"}}); err != nil || size.Words != 1 || removed != 7 {
		t.Errorf("replace: %+v, %d gone, %v", size, removed, err)
	}
	sizes, err := c.Sets(t.Context(), "")
	if diff := cmp.Diff([]store.SetSize{{SetOf: of, Version: 3, Words: 1}}, sizes); diff != "" || err != nil {
		t.Errorf("list: %v (-want +got):\n%s", err, diff)
	}
}

// What is refused says why, and changes nothing.
func TestSharedStateIsRefused(t *testing.T) {
	c, _ := sharing(t)
	for _, test := range []struct {
		of   store.SetOf
		word string
		want string
	}{
		{store.SetOf{Pipeline: "swap", Key: "k"}, "a", `did you mean "swaps"?`},
		{store.SetOf{Pipeline: "swaps", Key: "a b"}, "a", "no name of a set"},
		{store.SetOf{Pipeline: "swaps", Key: "lower"}, "a b", "has a space"},
		{store.SetOf{Pipeline: "swaps", Key: "lower"}, "BAD", "BAD is bad"},
	} {
		_, _, _, err := c.ChangeSet(t.Context(), test.of, store.SetChange{Add: []string{"good", test.word}})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("put %q into %v: %v, want an error with %q", test.word, test.of, err, test.want)
		}
	}
	if _, err := c.Sets(t.Context(), "swap"); err == nil || !strings.Contains(err.Error(), `did you mean "swaps"?`) {
		t.Errorf("list: %v", err)
	}
	if _, err := c.ReadSet(t.Context(), store.SetOf{Pipeline: "swap", Key: "k"}); err == nil || !strings.Contains(err.Error(), `did you mean "swaps"?`) {
		t.Errorf("read: %v", err)
	}
	if sizes, err := c.Sets(t.Context(), "swaps"); len(sizes) != 0 || err != nil {
		t.Errorf("what was refused is there: %v, %v", sizes, err)
	}
}
