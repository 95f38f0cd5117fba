package recorded

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/penstock-io/penstock/sdk/chain"
)

// pageSize is how many bytes of answers a file has before another one begins. It
// bounds what is held in memory, and what a loss of power takes away.
const pageSize = 4 << 20

// Writer writes answers into files of a directory, in the form that Open reads. A
// file is there whole or not at all. It is safe for concurrent use.
type Writer struct {
	dir  string
	most int64

	mu    sync.Mutex // protects the fields below
	known map[[16]byte]struct{}
	page  bytes.Buffer // the next file, without its end
	files int
	sums  Sums
	err   error // of a file that could not be written: nothing more is
}

// Sums is what was written.
type Sums struct {
	Answers uint64
	Bytes   int64 // of all files
}

// FullError tells that a recording has become as large as it may.
type FullError struct {
	Dir  string
	Most int64
}

func (e *FullError) Error() string {
	return fmt.Sprintf("the recording in %s has become as large as it may (%d bytes): what was recorded so far is there", e.Dir, e.Most)
}

// Create makes a directory for answers. One that has a recording already is added
// to; in one with anything else nothing is written. Its files will have about most
// bytes together.
func Create(dir string, most int64) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make a directory for answers: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look into the directory for answers: %w", err)
	}
	w := &Writer{dir: dir, most: most, known: map[[16]byte]struct{}{}}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, fmt.Errorf("look into the directory for answers: %w", err)
		}
		var number int
		if _, err := fmt.Sscanf(e.Name(), fileName, &number); err != nil || !info.Mode().IsRegular() {
			return nil, fmt.Errorf("record into %s: it has %s, which is no part of a recording: name another directory", dir, e.Name())
		}
		w.files = max(w.files, number)
		w.sums.Bytes += info.Size()
	}
	return w, nil
}

// fileName is that of a file, by its number.
const fileName = "answers-%06d.json"

// Add writes an answer to a call, unless the same call was answered before; with
// again the newer answer counts.
func (w *Writer) Add(method string, params, result []byte, again bool) error {
	return w.add(method, params, map[string]any{"result": json.RawMessage(result)}, again)
}

// AddError writes what a node says instead of an answer.
func (w *Writer) AddError(method string, params []byte, told *chain.RPCError) error {
	said := map[string]any{"code": told.Code, "message": told.Message}
	if len(told.Data) > 0 {
		said["data"] = told.Data
	}
	return w.add(method, params, map[string]any{"error": said}, false)
}

func (w *Writer) add(method string, params []byte, response any, again bool) error {
	key, args, err := keyOf(method, params)
	if err != nil {
		return nil // nobody can ask it
	}
	text, err := json.Marshal(map[string]any{"request": map[string]any{"method": method, "params": args}, "response": response})
	if err != nil {
		return fmt.Errorf("record the answer to %s: %w", chain.Describe(method, params), err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	at := [16]byte(fingerprint(key))
	if _, there := w.known[at]; there && !again || w.err != nil {
		return w.err
	}
	if w.sums.Bytes+int64(w.page.Len()+len(text)) > w.most {
		w.err = &FullError{Dir: w.dir, Most: w.most}
		return w.err
	}
	w.known[at] = struct{}{}
	between := ",\n"
	if w.page.Len() == 0 {
		between = "[\n"
	}
	w.page.WriteString(between)
	w.page.Write(text)
	w.sums.Answers++
	if w.page.Len() >= pageSize {
		w.err = w.turn()
	}
	return w.err
}

func fingerprint(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:16]
}

// turn writes the page as a file.
func (w *Writer) turn() error {
	w.page.WriteString("\n]\n")
	w.files++
	path := filepath.Join(w.dir, fmt.Sprintf(fileName, w.files))
	if err := writeWhole(path, w.page.Bytes()); err != nil {
		return fmt.Errorf("record answers: %w: free some space, or name another directory; what was recorded before is there", err)
	}
	w.sums.Bytes += int64(w.page.Len())
	w.page.Reset()
	return nil
}

// writeWhole makes a file that is there whole or not at all, also after a loss of
// power.
func writeWhole(path string, text []byte) error {
	beside := path + ".part"
	err := func() error {
		f, err := os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
		if err != nil {
			return err
		}
		if _, err = f.Write(text); err == nil {
			err = f.Sync()
		}
		return errors.Join(err, f.Close())
	}()
	if err == nil {
		err = os.Rename(beside, path)
	}
	if err != nil {
		if gone := os.Remove(beside); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// Written is what was written so far, and what waits to be.
func (w *Writer) Written() Sums {
	w.mu.Lock()
	defer w.mu.Unlock()
	sums := w.sums
	sums.Bytes += int64(w.page.Len())
	return sums
}

// Close writes what is left. The error is that of the first file that could not
// be written; a recording that is full is none.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	full := (*FullError)(nil)
	if w.err != nil && !errors.As(w.err, &full) {
		return w.err
	}
	if w.page.Len() == 0 {
		return nil
	}
	w.err = w.turn()
	return w.err
}
