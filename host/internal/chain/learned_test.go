package chain_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
)

// remembering is a service that keeps what was learned in a directory.
func remembering(t *testing.T, dir string, change ...func(*config.Network)) *chain.Service {
	t.Helper()
	network := networkOf("main")
	for _, f := range change {
		f(network)
	}
	s, err := chain.NewServiceOf(chain.Config{Networks: []*config.Network{network}, DataDir: dir}, func(*config.Network, func(chain.Observation)) (chain.Nodes, error) {
		return &faked{answer: always(`"0x1"`)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func learn(t *testing.T, s *chain.Service, name string, value uint64) {
	t.Helper()
	if err := s.Learn(t.Context(), "main", name, value); err != nil {
		t.Fatal(err)
	}
}

func wantKnown(t *testing.T, what string, s *chain.Service, want map[string]uint64) {
	t.Helper()
	got, err := s.Known(t.Context(), "main")
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
	}
}

// What was learned is known over restarts, until it is forgotten, too old, or the
// endpoints are others.
func TestWhatWasLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := remembering(t, dir)
		learn(t, s, "logs", 2000)
		learn(t, s, "batch", 50)
		learn(t, s, "batch", 0)
		learn(t, s, "nothing", 0)
		time.Sleep(6 * 24 * time.Hour)
		learn(t, s, "late", 7)
		wantKnown(t, "before the end", s, map[string]uint64{"logs": 2000, "late": 7})
		s.Close()

		s = remembering(t, dir)
		wantKnown(t, "after a restart", s, map[string]uint64{"logs": 2000, "late": 7})
		time.Sleep(2 * 24 * time.Hour)
		wantKnown(t, "after eight days", s, map[string]uint64{"late": 7})
		s.Close()

		s = remembering(t, dir, func(n *config.Network) { n.Endpoints[0].URL = "http://other.invalid" })
		wantKnown(t, "of other endpoints", s, map[string]uint64{})
		learn(t, s, "late", 8)
		s.Close()
		if text, _ := os.ReadFile(filepath.Join(dir, "chain", "main.json")); strings.Contains(string(text), "invalid") {
			t.Errorf("the file tells where the nodes are: %s", text)
		}
	})
}

// A file that is broken costs what was learned, and nothing else.
func TestBrokenFileOfWhatWasLearned(t *testing.T) {
	for name, text := range map[string]string{"nothing": "", "half": `{"endpoints":"a","numb`, "another": `[1]`, "long": strings.Repeat(" ", 2<<20)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "chain", "main.json")
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			s := remembering(t, dir)
			wantKnown(t, "from a broken file", s, map[string]uint64{})
			learn(t, s, "logs", 2000)
			s.Close()
			s = remembering(t, dir)
			defer s.Close()
			wantKnown(t, "from the file that took its place", s, map[string]uint64{"logs": 2000})
		})
	}
}

// Where nothing can be written, what was learned is known until the end.
func TestLearnedWithoutAFile(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := remembering(t, blocked)
	defer s.Close()
	learn(t, s, "logs", 2000)
	wantKnown(t, "without a directory", s, map[string]uint64{"logs": 2000})
}

// Plugins can have only so much kept.
func TestLearnedIsBounded(t *testing.T) {
	s := remembering(t, "")
	defer s.Close()
	for i := range 1200 {
		learn(t, s, fmt.Sprintf("%04d", i), 1)
	}
	got, err := s.Known(t.Context(), "main")
	if err != nil || len(got) != 1000 || got["1199"] != 1 {
		t.Errorf("%d numbers are kept, %v, want the newest 1000", len(got), err)
	}
	for _, name := range []string{"", strings.Repeat("x", 201)} {
		if err := s.Learn(t.Context(), "main", name, 1); err == nil {
			t.Errorf("a name of %d bytes was taken", len(name))
		}
	}
}
