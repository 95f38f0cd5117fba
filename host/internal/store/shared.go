package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/penstock-io/penstock/sdk/shared"
)

// How much the shared state of one pipeline may hold.
const (
	MaxSets     = 256       // of a pipeline
	MaxSetKey   = 64        // bytes of the name of a set
	MaxSetWords = 1_000_000 // of a set
	MaxSetWord  = 128       // bytes of a word
)

// ErrNoSet tells that there cannot be a set of that name, or with those words.
var ErrNoSet = errors.New("it is not kept")

// noSet makes an ErrNoSet of a sentence that needs no other words.
type noSet struct{ error }

func (noSet) Is(target error) bool { return target == ErrNoSet }

// SetOf names a set of the shared state of a pipeline.
type SetOf struct{ Pipeline, Key string }

func (o SetOf) String() string { return fmt.Sprintf("set %q of pipeline %q", o.Key, o.Pipeline) }

// SetSize tells of a set how much it holds.
type SetSize struct {
	SetOf
	Version uint64 // grows with every change, also over restarts
	Words   int
}

// SetChange is what is to be done to a set. Remove comes first.
type SetChange struct {
	Clear  bool     // forget all words before
	Remove []string // words that are not there do no harm
	Add    []string // nor do those that are there already
}

// Sets are the shared state of all pipelines of a data directory: sets of words
// that people and programs change while pipelines run. A change is durable when
// it is told to anybody. A set that nobody has written to is empty.
type Sets struct {
	store *Store

	mu   sync.Mutex // held while a set is looked up, or read for the first time
	sets map[SetOf]*set
}

// set is what is known of one of them.
type set struct {
	change sync.Mutex // held by whoever writes it

	mu      sync.Mutex // protects the fields below
	now     shared.Value
	changed chan struct{} // closed when now is something else; then there is another one
}

var _ shared.Service = (*Sets)(nil)

// Sets is the shared state in this directory.
func (s *Store) Sets() *Sets { return s.sets }

// Read is what a set holds. The members are shared: they must not be changed.
func (s *Sets) Read(of SetOf) (shared.Value, error) {
	one, err := s.open(of)
	if err != nil {
		return shared.Value{}, err
	}
	now, _ := one.state()
	return now, nil
}

// Change changes a set and returns what it holds then, and how many words are
// new and how many are gone. Nothing has changed after an error, and nothing is
// written where nothing would.
func (s *Sets) Change(of SetOf, c SetChange) (now shared.Value, added, removed int, err error) {
	if err := c.check(); err != nil {
		return now, 0, 0, noSet{fmt.Errorf("change %s: %w", of, err)}
	}
	one, err := s.open(of)
	if err != nil {
		return now, 0, 0, err
	}
	one.change.Lock()
	defer one.change.Unlock()
	before, _ := one.state()
	next := c.apply(before.Members)
	if len(next) > MaxSetWords {
		return before, 0, 0, noSet{fmt.Errorf("change %s: it would have %d words, the most are %d", of, len(next), MaxSetWords)}
	}
	fresh, gone := difference(next, before.Members), difference(before.Members, next)
	if len(fresh)+len(gone) == 0 {
		return before, 0, 0, nil
	}
	after := shared.Value{Version: before.Version + 1, Members: next}
	if err := s.store.putSet(of, after, fresh, gone); err != nil {
		return before, 0, 0, fmt.Errorf("change %s: %w", of, explain(s.store.dir, err))
	}
	one.put(after)
	return after, len(fresh), len(gone), nil
}

// Watch implements shared.Service: the set is that of the pipeline of the step
// that asks.
func (s *Sets) Watch(ctx context.Context, q shared.Query, take func(shared.Value) error) error {
	pipeline := pipelineOf(q.Step)
	if pipeline == "" {
		return fmt.Errorf("watch set %q: who asks is no step of a pipeline", q.Key)
	}
	one, err := s.open(SetOf{pipeline, q.Key})
	if err != nil {
		return err
	}
	for {
		now, changed := one.state()
		if err := take(now); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// open finds a set and reads it when it is asked for first.
func (s *Sets) open(of SetOf) (*set, error) {
	if err := of.check(); err != nil {
		return nil, noSet{err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.sets[of]; one != nil {
		return one, nil
	}
	now, err := s.store.readSet(of)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", of, explain(s.store.dir, err))
	}
	one := &set{now: now, changed: make(chan struct{})}
	s.sets[of] = one
	return one, nil
}

// state is the set now, and a channel that is closed when it is not so any more.
func (s *set) state() (shared.Value, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.changed
}

func (s *set) put(v shared.Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = v
	close(s.changed)
	s.changed = make(chan struct{})
}

// check refuses what is no name of a set.
func (o SetOf) check() error {
	if o.Pipeline == "" {
		return errors.New("shared state belongs to a pipeline: name one")
	}
	if o.Key == "" || len(o.Key) > MaxSetKey {
		return fmt.Errorf("%q is no name of a set: it has from 1 to %d letters, digits, underscores, dots and hyphens", o.Key, MaxSetKey)
	}
	for _, c := range o.Key {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return fmt.Errorf("%q is no name of a set: %q is no letter, digit, underscore, dot or hyphen", o.Key, c)
		}
	}
	return nil
}

// check refuses words that cannot be kept.
func (c SetChange) check() error {
	for _, word := range slices.Concat(c.Remove, c.Add) {
		if err := CheckWord(word); err != nil {
			return err
		}
	}
	return nil
}

// CheckWord refuses what cannot be in a set: what is empty or long, or has
// spaces or what cannot be seen, so that a word is a line of a file.
func CheckWord(word string) error {
	switch {
	case word == "":
		return errors.New("a word of a set cannot be empty")
	case len(word) > MaxSetWord:
		return fmt.Errorf("the word %q… has %d bytes, the most are %d", word[:16], len(word), MaxSetWord)
	case !utf8.ValidString(word):
		return fmt.Errorf("the word %q is no text in UTF-8", word)
	}
	for _, c := range word {
		if unicode.IsSpace(c) || !unicode.IsPrint(c) {
			return fmt.Errorf("the word %q has a space, or something that cannot be seen", word)
		}
	}
	return nil
}

// apply is what becomes of sorted words; they are not changed.
func (c SetChange) apply(words []string) []string {
	remove, add := sorted(c.Remove), sorted(c.Add)
	if c.Clear {
		words = nil
	}
	return union(difference(words, remove), add)
}

// sorted has every word once.
func sorted(words []string) []string {
	words = slices.Clone(words)
	slices.Sort(words)
	return slices.Compact(words)
}

// difference is the words of a that are not in b. All are sorted.
func difference(a, b []string) []string {
	var out []string
	for _, word := range a {
		for len(b) > 0 && b[0] < word {
			b = b[1:]
		}
		if len(b) == 0 || b[0] != word {
			out = append(out, word)
		}
	}
	return out
}

// union is the words that are in a or b. All are sorted.
func union(a, b []string) []string {
	if len(b) == 0 {
		return a
	}
	out := make([]string, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		case a[0] > b[0]:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}
