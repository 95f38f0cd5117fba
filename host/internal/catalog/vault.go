package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/penstock-io/penstock/sdk/remote"
)

// digestDir is where files are named by their digests.
const digestDir = "sha256"

// vault holds the bytes of plugins under their digests: sealed, for as long as
// this process lives, and in files below a data directory, for rollbacks.
type vault struct {
	dir     string                              // "<data directory>/plugins/sha256"; "": no files
	private string                              // where private copies are made
	memory  func(name string) (*os.File, error) // makes a file that can be sealed

	files sync.RWMutex // held for reading by who writes a file, for writing by who removes some

	mu     sync.Mutex
	sealed map[string]*sealed // by digest
	closed bool
}

func newVault(dataDir, private string) *vault {
	v := &vault{private: private, memory: newMemory, sealed: map[string]*sealed{}}
	if dataDir != "" {
		v.dir = filepath.Join(dataDir, "plugins", digestDir)
	}
	return v
}

// take returns sealed bytes for use until give is called. It is nil if there are
// none of that digest.
func (v *vault) take(digest string) *sealed {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.sealed[digest]
	if s != nil {
		s.users++
	}
	return s
}

// give ends a use.
func (v *vault) give(s *sealed) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s.users--
	v.closeIdle(s)
}

func (v *vault) closeIdle(s *sealed) {
	if s.dropped && s.users == 0 {
		s.close()
	}
}

// enter adds sealed bytes and takes them. Where somebody else has just sealed
// the same, those are shared.
func (v *vault) enter(s *sealed) *sealed {
	v.mu.Lock()
	defer v.mu.Unlock()
	if there := v.sealed[s.digest]; there != nil {
		s.close()
		s = there
	} else if v.closed {
		s.dropped = true
	} else {
		v.sealed[s.digest] = s
	}
	s.users++
	return s
}

// forget closes all sealed bytes but those to keep, each when its last use ends.
func (v *vault) forget(keep func(digest string) bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for digest, s := range v.sealed {
		if !keep(digest) {
			delete(v.sealed, digest)
			s.dropped = true
			v.closeIdle(s)
		}
	}
}

func (v *vault) close() {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.forget(func(string) bool { return false })
}

// tornTries is how often a file is read that changes meanwhile.
const tornTries = 5

// read seals what lies at a path, as it was at one moment. The caller gives it
// back.
func (v *vault) read(ctx context.Context, plugin, path string) (*sealed, error) {
	for range tornTries {
		s, torn, err := v.readOnce(ctx, plugin, path)
		if err != nil || !torn {
			return s, err
		}
	}
	return nil, fmt.Errorf("start plugin %s: %s is still being written: start it when the copy has ended", plugin, path)
}

// readOnce is read, but for a file that was written to meanwhile: then torn is
// true.
func (v *vault) readOnce(ctx context.Context, plugin, path string) (s *sealed, torn bool, err error) {
	if err := remote.CheckFile(remote.Config{Name: plugin, Path: path}); err != nil {
		return nil, false, err
	}
	file, err := openRegular(path)
	if err != nil {
		return nil, false, fmt.Errorf("read plugin %s: %w: correct its permissions", plugin, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	before, err := file.Stat()
	if err != nil {
		return nil, false, fmt.Errorf("read plugin %s: %w", plugin, err)
	}
	s, err = seal(ctx, plugin, file, v.private, v.memory)
	if err != nil {
		return nil, false, fmt.Errorf("read plugin %s at %s: %w", plugin, path, err)
	}
	after, err := file.Stat()
	if err != nil || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) || after.Size() != s.size {
		s.close()
		return nil, true, nil // a file that is gone was changed
	}
	return v.enter(s), false, nil
}

// openRegular opens a file that must be one: anything else could keep the reader
// for ever.
func openRegular(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// path is the file that holds the bytes of a digest.
func (v *vault) path(digest string) string {
	return filepath.Join(v.dir, strings.TrimPrefix(digest, digestPrefix))
}

// load seals what the file of a digest holds, if it holds what it should. The
// caller gives it back. Without a file the error is fs.ErrNotExist.
func (v *vault) load(ctx context.Context, plugin, digest string) (*sealed, error) {
	if v.dir == "" {
		return nil, fs.ErrNotExist
	}
	path := v.path(digest)
	file, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	s, err := seal(ctx, plugin, file, v.private, v.memory)
	if err != nil {
		return nil, err
	}
	if s.digest != digest {
		s.close()
		return nil, &damagedError{path: path, want: digest, got: s.digest}
	}
	return v.enter(s), nil
}

// damagedError tells that a file of the vault does not hold what its name says.
type damagedError struct{ path, want, got string }

func (e *damagedError) Error() string {
	return fmt.Sprintf("%s is damaged: its bytes are %s: remove it, and swap to the binary again from where it was built", e.path, e.got)
}

// put writes sealed bytes to a file, unless an intact one is there.
func (v *vault) put(ctx context.Context, s *sealed) error {
	if v.dir == "" {
		return nil
	}
	v.files.RLock()
	defer v.files.RUnlock()
	if err := makePrivate(v.dir); err != nil {
		return err
	}
	path := v.path(s.digest)
	if there, err := openRegular(path); err == nil {
		digest, _, err := hashOf(ctx, there)
		_ = there.Close() // it was only read
		if err == nil && digest == s.digest {
			return nil
		}
	}
	return writeFile(path, 0o500, func(to *os.File) error { return copyAll(ctx, to, s.file) })
}

// makePrivate makes a directory and those above it. The last two, which are the
// vault's, are for this user alone.
func makePrivate(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return errors.Join(os.Chmod(filepath.Dir(dir), 0o700), os.Chmod(dir, 0o700))
}

// unfinished is what the names of files begin with that are being written.
const unfinished = ".new-"

// writeFile makes a file at once or not at all, also if the power fails.
func writeFile(path string, mode os.FileMode, write func(*os.File) error) (err error) {
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, unfinished)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	err = write(file)
	if err == nil {
		err = errors.Join(file.Chmod(mode), file.Sync())
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err = os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// WriteFile gives a file new content at once or not at all, also if the power
// fails.
func WriteFile(path string, content []byte, mode os.FileMode) error {
	return writeFile(path, mode, func(to *os.File) error {
		_, err := to.Write(content)
		return err
	})
}

// syncDir has the names in a directory outlive a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()                                 // it was only read
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) { // not every file system can
		return err
	}
	return nil
}

// sweep removes every file that is not to be kept, and what was never finished.
func (v *vault) sweep(keep func(digest string) bool) error {
	if v.dir == "" {
		return nil
	}
	v.files.Lock()
	defer v.files.Unlock()
	entries, err := os.ReadDir(v.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		hex, _, _ := strings.Cut(e.Name(), ".")
		if strings.HasPrefix(e.Name(), unfinished) || isHex(hex) && !keep(digestPrefix+hex) {
			errs = append(errs, os.Remove(filepath.Join(v.dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// isHex tells whether a name is that of a digest. Others are left alone.
func isHex(name string) bool {
	return len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
}
