package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/penstock-io/penstock/sdk"
)

// entry is a file of the outbox. Its name tells whose rows are in it, so that it
// can be dropped unread: after a loss of power it may be empty.
type entry struct {
	name       string
	number     uint64 // in the order they came
	first      uint64 // number of the first row
	input      string // nameOf the step that the rows come from
	size       int64
	unfinished bool // whoever wrote it has died
}

// unfinished is the ending of a file that is being written.
const unfinished = ".tmp"

// nameOf is a step's name as part of a file's, whatever it has in it.
func nameOf(step string) string {
	sum := sha256.Sum256([]byte(step))
	return hex.EncodeToString(sum[:8])
}

// plainName is a step's name as part of a directory's, for people.
func plainName(step string) string {
	name := strings.Join(strings.FieldsFunc(step, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-", r)
	}), "-")
	return strings.TrimLeft(name, ".")
}

func newEntry(number uint64, p parcel) entry {
	e := entry{number: number, first: p.first, input: nameOf(p.input)}
	e.name = fmt.Sprintf("%016d-%d-%s.request", e.number, e.first, e.input)
	return e
}

var entryNames = regexp.MustCompile(`^([0-9]{16})-([0-9]{1,20})-([0-9a-f]{16})\.request(\.tmp)?$`)

func parseEntry(name string) (e entry, ok bool) {
	parts := entryNames.FindStringSubmatch(name)
	if parts == nil {
		return e, false
	}
	number, err := strconv.ParseUint(parts[1], 10, 64)
	first, err2 := strconv.ParseUint(parts[2], 10, 64)
	return entry{name: name, number: number, first: first, input: parts[3], unfinished: parts[4] != ""}, err == nil && err2 == nil
}

// label is the first line of a file: what is known of the body after it.
type label struct {
	Key   string `json:"key"`
	Input string `json:"input"`
	Rows  int    `json:"rows"`
	Sum   string `json:"sha256"`
}

// text is the content of a file.
func (entry) text(p parcel) []byte {
	sum := sha256.Sum256(p.body)
	head, err := json.Marshal(label{Key: p.key, Input: p.input, Rows: p.rows, Sum: hex.EncodeToString(sum[:])})
	if err != nil {
		panic(err) // unreachable: strings and numbers can be written
	}
	return append(append(head, '\n'), p.body...)
}

// read reads a request back.
func (o *outbox) read(e entry) (parcel, error) {
	path := filepath.Join(o.dir, e.name)
	text, err := os.ReadFile(path)
	if err != nil {
		return parcel{}, explain("read", path, err)
	}
	head, body, _ := bytes.Cut(text, []byte("\n"))
	var l label
	sum := sha256.Sum256(body)
	if err := json.Unmarshal(head, &l); err != nil || l.Sum != hex.EncodeToString(sum[:]) {
		return parcel{}, sdk.Stop(fmt.Errorf("read %s: it is damaged: remove it, and its rows are not sent; or begin anew with `penstock run --fresh`, and all are sent again", path))
	}
	return parcel{key: l.Key, input: l.Input, first: e.first, rows: l.Rows, body: body}, nil
}

// acquire waits until no other process sends what is in the outbox. A process
// outlives a host that was killed by moments.
func (o *outbox) acquire(ctx context.Context) error {
	const patience, pause = 5 * time.Second, 10 * time.Millisecond
	path := filepath.Join(o.dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return explain("write", path, err)
	}
	for end := time.Now().Add(patience); ; {
		ok, err := tryLock(f)
		switch {
		case err != nil:
			return explain("lock", path, errors.Join(err, f.Close()))
		case ok:
			o.lock = f
			return nil
		case time.Now().After(end):
			return errors.Join(fmt.Errorf("lock %s: another process has been sending what is in this outbox for %s: end it", path, patience), f.Close())
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), f.Close())
		case <-time.After(pause):
		}
	}
}

// explain says which file an error is about, and what to do.
func explain(doing, path string, err error) error {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err // its path is ours
	}
	told := func(remedy string) error { return fmt.Errorf("%s %s: %w: %s", doing, path, err, remedy) }
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return told("the disk is full: make room; it will be tried again")
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS):
		return sdk.Stop(told("see that the outbox can be written to, or change its path"))
	case errors.Is(err, os.ErrNotExist):
		return sdk.Stop(told("somebody has removed it, or the directory that it lies in is not there: put it back, or change the outbox's path and begin anew with `penstock run --fresh`"))
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, os.ErrExist):
		return sdk.Stop(told("change the outbox's path"))
	}
	return told("it will be tried again")
}
