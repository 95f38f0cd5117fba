package chain

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/config"
)

const (
	// learnedFor is how long what was learned is believed: providers change their
	// limits, and a plugin that believes a low one for ever never finds out.
	learnedFor = 7 * 24 * time.Hour
	// refreshed is how old a number is at least before its file is written again for
	// nothing but its time.
	refreshed = time.Hour
	// What a plugin may have kept of one network.
	mostLearned     = 1000
	longestLearned  = 200
	mostLearnedFile = 1 << 20
)

// learned is what plugins have learned about the nodes of one network, in a file
// that survives the host. It belongs to these very endpoints: with others it is
// forgotten.
type learned struct {
	path   string // "": there is no file
	logger hclog.Logger

	mu    sync.Mutex // protects what follows, and the file
	found lore
	stale bool // the file lacks something
}

// lore is what stands in the file.
type lore struct {
	Endpoints string            `json:"endpoints"` // tells the endpoints from others
	Numbers   map[string]lesson `json:"numbers"`
}

type lesson struct {
	Value uint64    `json:"value"`
	Time  time.Time `json:"time"` // when it was learned last
}

// readLearned reads what was kept in a directory; "" is none. A file that cannot
// be read is of no use, and is written anew.
func readLearned(dir string, n *config.Network, logger hclog.Logger) *learned {
	l := &learned{logger: logger, found: lore{Endpoints: endpointsOf(n), Numbers: make(map[string]lesson)}}
	if dir == "" {
		return l
	}
	l.path = filepath.Join(dir, n.Name+".json")
	was, err := readLore(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		logger.Warn("what was learned about the nodes is lost, and will be learned again", "file", l.path, "error", err)
	case was.Endpoints == l.found.Endpoints && was.Numbers != nil:
		l.found = was
	}
	return l
}

func readLore(path string) (was lore, err error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > mostLearnedFile {
		err = fmt.Errorf("it has %d bytes", info.Size())
	}
	if err != nil {
		return was, err
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &was)
	}
	return was, err
}

// endpointsOf tells the endpoints of a network from others, and nothing about
// them.
func endpointsOf(n *config.Network) string {
	h := sha256.New()
	for _, e := range n.Endpoints {
		_, _ = fmt.Fprintf(h, "%s\n%s\n", e.Name, e.URL) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// belongTo forgets everything if the endpoints are others now.
func (l *learned) belongTo(n *config.Network) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := endpointsOf(n); now != l.found.Endpoints {
		l.found = lore{Endpoints: now, Numbers: make(map[string]lesson)}
		l.stale = true
	}
}

// all is what is not too old.
func (l *learned) all() map[string]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[string]uint64, len(l.found.Numbers))
	for name, lesson := range l.found.Numbers {
		if time.Since(lesson.Time) < learnedFor {
			out[name] = lesson.Value
		}
	}
	return out
}

// put keeps a number, or forgets it if it is 0.
func (l *learned) put(name string, value uint64) error {
	if name == "" || len(name) > longestLearned {
		return fmt.Errorf("keep what was learned: a name has 1 to %d bytes", longestLearned)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	was, known := l.found.Numbers[name]
	switch now := time.Now(); {
	case value == 0 && !known:
		return nil
	case value == 0:
		delete(l.found.Numbers, name)
	case known && was.Value == value && now.Sub(was.Time) < refreshed:
		return nil
	default:
		l.found.Numbers[name] = lesson{Value: value, Time: now.UTC()}
		l.bound()
	}
	l.stale = true
	l.write()
	return nil
}

// bound forgets the oldest of too many numbers.
func (l *learned) bound() {
	if len(l.found.Numbers) <= mostLearned {
		return
	}
	oldest := slices.MinFunc(slices.Collect(maps.Keys(l.found.Numbers)), func(a, b string) int {
		x, y := l.found.Numbers[a], l.found.Numbers[b]
		return cmp.Or(x.Time.Compare(y.Time), cmp.Compare(a, b))
	})
	delete(l.found.Numbers, oldest)
}

// flush writes what the file lacks.
func (l *learned) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write()
}

// write puts a new file in the place of the old one. What cannot be written is
// known until the host ends, and is tried again with the next number.
func (l *learned) write() {
	if l.path == "" || !l.stale {
		return
	}
	maps.DeleteFunc(l.found.Numbers, func(_ string, lesson lesson) bool { return time.Since(lesson.Time) >= learnedFor })
	if err := replaceFile(l.path, l.found); err != nil {
		l.logger.Warn("what was learned about the nodes could not be kept", "error", err)
		return
	}
	l.stale = false
}

func replaceFile(path string, content any) error {
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it has its name by then, or is of no use
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
