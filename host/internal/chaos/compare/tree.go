package compare

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// tree is what a directory holds.
type tree struct {
	sheets    map[string]sheet
	databases []*database
}

func open(dir string) (*tree, error) {
	t := &tree{sheets: make(map[string]sheet)}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || bookkeeping(entry.Name()) {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return t.add(filepath.ToSlash(name), path)
	})
	if err != nil {
		t.close()
		return nil, fmt.Errorf("look into %s: %w", dir, err)
	}
	return t, nil
}

// bookkeeping tells files that are no rows: what SQLite keeps beside a database
// and what loaders note for themselves.
func bookkeeping(name string) bool {
	for _, end := range []string{"-wal", "-shm", "-journal", ".penstock"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return strings.Contains(name, ".penstock-") || strings.Contains(name, ".penstock.")
}

// magic is how an SQLite file begins.
const magic = "SQLite format 3\x00"

func (t *tree) add(name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(f, head); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if string(head) != magic {
		// That a file may still change says nothing of its rows.
		if whole, ok := strings.CutSuffix(name, ".part"); ok && t.sheets[whole] == nil {
			name = whole
		}
		t.sheets[name] = text{path}
		return nil
	}
	db, err := openDatabase(path)
	if err != nil {
		return err
	}
	t.databases = append(t.databases, db)
	tables, err := db.tables()
	if err != nil {
		return fmt.Errorf("read the tables of %s: %w", name, err)
	}
	for _, table := range tables {
		t.sheets[name+":"+table.name] = table
	}
	return nil
}

func (t *tree) names() []string {
	names := make([]string, 0, len(t.sheets))
	for name := range t.sheets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (t *tree) close() {
	for _, db := range t.databases {
		db.close()
	}
}

// text is a file of lines. A last line without its end is another than one with
// it.
type text struct{ path string }

func (t text) columns() ([]string, error) { return nil, nil }

func (t text) rows() (rows, error) {
	f, err := os.Open(t.path)
	if err != nil {
		return nil, err
	}
	return &lines{file: f, in: bufio.NewReader(f)}, nil
}

type lines struct {
	file *os.File
	in   *bufio.Reader
}

func (l *lines) next() ([]string, bool, error) {
	line, err := l.in.ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if line == "" || err != nil {
		return nil, false, err
	}
	return []string{line}, true, nil
}

func (l *lines) close() { _ = l.file.Close() }
