package change

import (
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
	"strconv"
	"time"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/store/disk"
)

// mostKept is how many configurations are kept: the newest, and the one that
// runs.
const mostKept = 10

// configuration is what a host was told to run, with the files as they were.
type configuration struct {
	Number   uint64            `json:"number"`             // grows with each
	Previous uint64            `json:"previous,omitempty"` // what ran before it; 0: nothing that is known
	Time     time.Time         `json:"time"`
	Path     string            `json:"path"`     // where the files lay
	BaseDir  string            `json:"base_dir"` // what relative paths in them begin at
	Vars     map[string]string `json:"vars,omitempty"`
	Digest   string            `json:"digest"` // of the files and the variables
	Files    []keptFile        `json:"files"`
	Failed   []string          `json:"failed,omitempty"` // pipelines that stayed what they were
}

// keptFile is a file of a configuration. Its content lies beside.
type keptFile struct {
	Name string `json:"name"` // as it stands in mistakes
	Kept string `json:"kept"` // in the directory of the configuration

	content []byte
}

// newConfiguration has neither a number nor a predecessor yet.
func newConfiguration(path, baseDir string, vars map[string]string, sources []config.Source) configuration {
	c := configuration{Time: time.Now(), Path: path, BaseDir: baseDir, Vars: vars, Digest: digestOf(vars, sources)}
	for i, s := range sources {
		c.Files = append(c.Files, keptFile{Name: s.Name, Kept: fmt.Sprintf("%03d-%s", i, filepath.Base(s.Name)), content: s.Bytes})
	}
	return c
}

// sources are the files as they were.
func (c configuration) sources() []config.Source {
	out := make([]config.Source, 0, len(c.Files))
	for _, f := range c.Files {
		out = append(out, config.Source{Name: f.Name, Bytes: f.content})
	}
	return out
}

// digestOf tells configurations apart. Where the files lie does not matter.
func digestOf(vars map[string]string, sources []config.Source) string {
	h := sha256.New()
	for _, s := range sources {
		_, _ = fmt.Fprintf(h, "file %q %d\n", filepath.Base(s.Name), len(s.Bytes))
		_, _ = h.Write(s.Bytes)
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		_, _ = fmt.Fprintf(h, "var %q %q\n", name, vars[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// archive keeps configurations in a directory, each in one named by its number.
// The file "current" has the number of what was told to run last.
type archive struct{ dir string }

const (
	currentName       = "current"
	configurationName = "configuration.json"
)

// current is what was told to run last; Number 0: nothing is known of it.
func (a archive) current() (configuration, error) {
	text, err := os.ReadFile(filepath.Join(a.dir, currentName))
	if errors.Is(err, fs.ErrNotExist) {
		return configuration{}, nil
	}
	if err != nil {
		return configuration{}, a.failed(err)
	}
	var number uint64
	if _, err := fmt.Sscan(string(text), &number); err != nil {
		return configuration{}, a.failed(fmt.Errorf("%s holds no number: remove it to begin anew", currentName))
	}
	return a.read(number)
}

// read finds a configuration that is kept, with its files.
func (a archive) read(number uint64) (c configuration, err error) {
	dir := filepath.Join(a.dir, strconv.FormatUint(number, 10))
	text, err := os.ReadFile(filepath.Join(dir, configurationName))
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("configuration %d is not kept any more: only the newest %d are", number, mostKept)
	}
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	for i := range c.Files {
		if err == nil {
			c.Files[i].content, err = os.ReadFile(filepath.Join(dir, filepath.Base(c.Files[i].Kept)))
		}
	}
	if err == nil && (c.Number != number || digestOf(c.Vars, c.sources()) != c.Digest) {
		err = fmt.Errorf("configuration %d was changed after it was kept", number)
	}
	if err != nil {
		return configuration{}, a.failed(err)
	}
	return c, nil
}

// next is a number that no configuration has had.
func (a archive) next() uint64 {
	numbers := a.numbers()
	if len(numbers) == 0 {
		return 1
	}
	return numbers[len(numbers)-1] + 1
}

func (a archive) numbers() []uint64 {
	entries, _ := os.ReadDir(a.dir) // what is not there holds none
	var out []uint64
	for _, e := range entries {
		if n, err := strconv.ParseUint(e.Name(), 10, 64); err == nil && e.IsDir() {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// keep keeps a configuration, all of it or nothing, and forgets the oldest.
func (a archive) keep(c configuration) error {
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return a.failed(err)
	}
	dir, err := os.MkdirTemp(a.dir, ".new-")
	if err != nil {
		return a.failed(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left of it after a mistake
	text, err := json.MarshalIndent(c, "", "  ")
	if err == nil {
		err = writeFile(filepath.Join(dir, configurationName), append(text, '\n'))
	}
	for _, f := range c.Files {
		err = errors.Join(err, writeFile(filepath.Join(dir, f.Kept), f.content))
	}
	if err == nil {
		err = errors.Join(disk.SyncDir(dir), os.Rename(dir, filepath.Join(a.dir, strconv.FormatUint(c.Number, 10))))
	}
	if err == nil {
		err = a.point(c.Number)
	}
	if err != nil {
		return a.failed(err)
	}
	return a.prune(c)
}

// point makes a configuration that is kept the current one.
func (a archive) point(number uint64) error {
	path := filepath.Join(a.dir, currentName)
	if err := writeFile(path+".new", fmt.Appendln(nil, number)); err != nil {
		return a.failed(err)
	}
	if err := errors.Join(os.Rename(path+".new", path), disk.SyncDir(a.dir)); err != nil {
		return a.failed(err)
	}
	return nil
}

// prune forgets the oldest configurations, but not the one that runs.
func (a archive) prune(runs configuration) error {
	numbers := slices.DeleteFunc(a.numbers(), func(n uint64) bool { return n == runs.Number })
	var errs []error
	for len(numbers) >= mostKept {
		errs = append(errs, os.RemoveAll(filepath.Join(a.dir, strconv.FormatUint(numbers[0], 10))))
		numbers = numbers[1:]
	}
	if err := errors.Join(errs...); err != nil {
		return a.failed(err)
	}
	return nil
}

func (a archive) failed(err error) error {
	if advice := disk.Advice(err); advice != "" {
		return fmt.Errorf("configurations in %s: %w; %s", a.dir, err, advice)
	}
	return fmt.Errorf("configurations in %s: %w", a.dir, err)
}

// writeFile writes a file for this user alone, to the disk.
func writeFile(path string, content []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Sync()
}
