package store

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// DeadLetter is a row that a step could not work on.
type DeadLetter struct {
	ID         string // short, and the same for the same row of the same input
	Domain     string
	Pipeline   string
	Step       string
	Input      string
	Edge       string // its name in Checkpoint.Counts; empty where that is Input
	Register   string
	TypeName   string
	Schema     []byte
	Row        uint64 // its number on its edge since the beginning
	Body       []byte // a record batch of this one row
	Cause      string
	Stack      string
	Attempts   uint32
	Generation uint64
	Cursor     Place // of the checkpoint before the row
	First      time.Time
	Last       time.Time
	State      string
}

// What a dead letter is waiting for.
const (
	LetterDead      = "dead"
	LetterReplaying = "replaying"
)

// How much one domain keeps of dead letters.
const (
	MaxDeadLetters     = 10_000
	MaxDeadLetterBytes = 64 << 20
)

var (
	// ErrLettersFull tells that a domain keeps as many dead letters as it may.
	ErrLettersFull = errors.New("no more dead letters are kept")

	// ErrNoLetter tells that there is no dead letter with an ID.
	ErrNoLetter = errors.New("there is no such dead letter")
)

var (
	lettersBucket = []byte("letters")
	bodiesBucket  = []byte("letter-bodies")
)

// letterText is a dead letter as it stands in the file: its bytes stand beside.
type letterText struct {
	Pipeline   string    `json:"pipeline"`
	Step       string    `json:"step"`
	Input      string    `json:"input"`
	Edge       string    `json:"edge,omitempty"`
	Register   string    `json:"register,omitempty"`
	TypeName   string    `json:"type,omitempty"`
	Row        uint64    `json:"row"`
	Cause      string    `json:"cause"`
	Stack      string    `json:"stack,omitempty"`
	Attempts   uint32    `json:"attempts"`
	Generation uint64    `json:"generation"`
	Cursor     Place     `json:"cursor"`
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	State      string    `json:"state"`

	SchemaSize int    `json:"schema_size"`
	BodySize   int    `json:"body_size"`
	Sum        uint32 `json:"crc32c"` // of the schema and the body
}

func (l *DeadLetter) text() letterText {
	return letterText{
		Pipeline: l.Pipeline, Step: l.Step, Input: l.Input, Edge: l.Edge, Register: l.Register, TypeName: l.TypeName, Row: l.Row,
		Cause: l.Cause, Stack: l.Stack, Attempts: l.Attempts, Generation: l.Generation, Cursor: l.Cursor,
		First: l.First.Round(0), Last: l.Last.Round(0), State: cmp.Or(l.State, LetterDead),
		SchemaSize: len(l.Schema), BodySize: len(l.Body), Sum: sumOf(l.Schema, l.Body),
	}
}

func (t *letterText) letter(domain, id string) DeadLetter {
	return DeadLetter{
		ID: id, Domain: domain, Pipeline: t.Pipeline, Step: t.Step, Input: t.Input, Edge: t.Edge, Register: t.Register, TypeName: t.TypeName,
		Row: t.Row, Cause: t.Cause, Stack: t.Stack, Attempts: t.Attempts, Generation: t.Generation, Cursor: t.Cursor,
		First: t.First, Last: t.Last, State: t.State,
	}
}

// size is what a letter counts for.
func (t *letterText) size() int64 {
	return int64(t.SchemaSize + t.BodySize + len(t.Cause) + len(t.Stack))
}

func (t *letterText) edge() string { return cmp.Or(t.Edge, t.Input) }

// idAlphabet has no letters that are taken for each other.
var idAlphabet = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// idLen makes it unlikely that two letters among ten thousand get the same ID.
const idLen = 10

// letterID is a digest of what makes a row the same row.
func letterID(l *DeadLetter) string {
	h := sha256.New()
	for _, part := range []string{l.Domain, l.Pipeline, l.Step, l.Input} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write([]byte(part))
	}
	h.Write(binary.BigEndian.AppendUint64(nil, l.Row))
	return idAlphabet.EncodeToString(h.Sum(nil))[:idLen]
}

// DeadLetters tells the dead letters of a domain, or of all if it is empty,
// without schemas and bodies, in the order in which they came. Those that are
// damaged are missing; then the error is a *DamageError and the others are good.
func (s *Store) DeadLetters(domain string) ([]DeadLetter, error) {
	var letters []DeadLetter
	var damage []error
	err := s.view(func(tx *bbolt.Tx) error {
		letters, damage = nil, nil
		return eachDomain(tx, domain, func(name string, bucket *bbolt.Bucket) error {
			return forEach(bucket.Bucket(lettersBucket), func(key, value []byte) error {
				text, err := s.readLetter(name, key, value)
				if err != nil {
					damage = append(damage, err)
				} else {
					letters = append(letters, text.letter(name, string(key)))
				}
				return nil
			})
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the dead letters: %w", explain(s.dir, err))
	}
	slices.SortFunc(letters, func(a, b DeadLetter) int {
		return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Row, b.Row), cmp.Compare(a.ID, b.ID))
	})
	return letters, errors.Join(damage...)
}

// DeadLetter reads one dead letter with its schema and body. If there is none
// the error is ErrNoLetter.
func (s *Store) DeadLetter(id string) (letter DeadLetter, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		name, bucket, err := findLetter(tx, id)
		if err != nil {
			return err
		}
		letter, err = s.wholeLetter(name, id, bucket)
		return err
	})
	if err != nil {
		return DeadLetter{}, s.letterError("read dead letter", id, err)
	}
	return letter, nil
}

func (s *Store) wholeLetter(domain, id string, bucket *bbolt.Bucket) (DeadLetter, error) {
	key := []byte(id)
	text, err := s.readLetter(domain, key, bucket.Bucket(lettersBucket).Get(key))
	if err != nil {
		return DeadLetter{}, err
	}
	var bytes []byte
	if bodies := bucket.Bucket(bodiesBucket); bodies != nil {
		bytes = bodies.Get(key)
	}
	if len(bytes) != text.SchemaSize+text.BodySize || sumOf(bytes) != text.Sum {
		return DeadLetter{}, s.damagedLetter(domain, key, errors.New("its row is not what was written"))
	}
	letter := text.letter(domain, id)
	bytes = append(make([]byte, 0, len(bytes)), bytes...)
	letter.Schema, letter.Body = bytes[:text.SchemaSize:text.SchemaSize], bytes[text.SchemaSize:]
	return letter, nil
}

func (s *Store) readLetter(domain string, key, value []byte) (*letterText, error) {
	text := new(letterText)
	if err := unseal(key, value, text); err != nil {
		return nil, s.damagedLetter(domain, key, err)
	}
	return text, nil
}

func (s *Store) damagedLetter(domain string, key []byte, cause error) error {
	return &DamageError{
		Dir: s.dir, What: fmt.Sprintf("dead letter %s of domain %q", key, domain), Cause: cause,
		Way: "discard it, or put a copy of the file back",
	}
}

// letterError leaves alone what has nothing to do with the directory.
func (s *Store) letterError(what, id string, err error) error {
	if !errors.Is(err, ErrNoLetter) {
		err = explain(s.dir, err)
	}
	return fmt.Errorf("%s %s: %w", what, id, err)
}

// eachDomain goes through the domains with a name, or all if it is empty.
func eachDomain(tx *bbolt.Tx, domain string, f func(name string, bucket *bbolt.Bucket) error) error {
	domains := tx.Bucket(domainsBucket)
	if domain != "" {
		if bucket := domains.Bucket([]byte(domain)); bucket != nil {
			return f(domain, bucket)
		}
		return nil
	}
	return domains.ForEachBucket(func(name []byte) error { return f(string(name), domains.Bucket(name)) })
}

// findLetter tells which domain has a letter.
func findLetter(tx *bbolt.Tx, id string) (domain string, in *bbolt.Bucket, err error) {
	err = eachDomain(tx, "", func(name string, bucket *bbolt.Bucket) error {
		if letters := bucket.Bucket(lettersBucket); letters != nil && id != "" && letters.Get([]byte(id)) != nil {
			domain, in = name, bucket
		}
		return nil
	})
	if err == nil && in == nil {
		err = ErrNoLetter
	}
	return domain, in, err
}
