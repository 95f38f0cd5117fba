package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
)

const (
	socketName = "control.sock"
	// pointerName is a file in the data directory that names a socket elsewhere.
	pointerName = "control.sock.path"
	// elsewhere begins the name of a directory for such a socket.
	elsewhere = "penstock-"

	// longestPath is what every system takes as the path of a unix socket.
	longestPath = 100
)

// listener is a control socket. Closing it removes what Listen has made.
type listener struct {
	*net.UnixListener
	made []string // in the order in which they are removed
}

// Listen makes the control socket of a data directory, whose lock the caller
// holds, so that a socket that is there already is that of a host that was
// killed, and is replaced. The socket is made in run, a directory of its own in
// the data directory that only this user can enter: at no time can anybody else
// connect to it. Where the path is too long for a socket it lies in a directory
// for temporary files, and a file in the data directory says where.
func Listen(dir, run string) (net.Listener, error) {
	l, err := listen(dir, run)
	if err != nil {
		return nil, fmt.Errorf("make the control socket of data directory %s: %w", dir, err)
	}
	return l, nil
}

func listen(dir, run string) (*listener, error) {
	if err := clean(dir); err != nil {
		return nil, err
	}
	path, err := canonical(dir)
	if err != nil {
		return nil, err
	}
	if err := checkPrivate(run); err != nil {
		return nil, err
	}
	if run, err = canonical(run); err != nil {
		return nil, err
	}
	path = filepath.Join(path, socketName)
	if len(path) > longestPath {
		return listenElsewhere(dir)
	}
	first := filepath.Join(run, "c") // no longer than the path that it gets
	l, err := bind(first)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(first, path); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &listener{UnixListener: l, made: []string{path}}, nil
}

// checkPrivate refuses a directory that somebody else has made, or may enter.
func checkPrivate(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no directory: remove it", dir)
	case !isOurs(info):
		return fmt.Errorf("%s was made by another user: remove it, or choose another data directory", dir)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("others may enter %s: run chmod 700 %s, or choose another data directory", dir, dir)
	}
	return nil
}

// listenElsewhere makes the socket where its path is short.
func listenElsewhere(dir string) (*listener, error) {
	short, err := os.MkdirTemp("", elsewhere) // for this user alone
	if err != nil {
		return nil, err
	}
	path := filepath.Join(short, socketName)
	if len(path) > longestPath {
		return nil, errors.Join(fmt.Errorf("%s is too long for a socket: set TMPDIR to a directory with a shorter name", path), os.Remove(short))
	}
	l, err := bind(path)
	if err != nil {
		return nil, errors.Join(err, os.Remove(short))
	}
	pointer := filepath.Join(dir, pointerName)
	out := &listener{UnixListener: l, made: []string{pointer, path, short}}
	if err := os.WriteFile(pointer, []byte(path+"\n"), 0o600); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out, nil
}

// bind makes a socket for this user alone, in a directory of which the same is
// true.
func bind(path string) (*net.UnixListener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it is about to have another name
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// clean removes the socket that a host has left that was killed.
func clean(dir string) error {
	path := filepath.Join(dir, socketName)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and is no socket: move it away", path)
	default:
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	pointer := filepath.Join(dir, pointerName)
	if old := pointed(dir); old != "" {
		if parent := filepath.Dir(old); filepath.Base(old) == socketName && strings.HasPrefix(filepath.Base(parent), elsewhere) {
			_, _ = os.Remove(old), os.Remove(parent) // what is left is a file in a directory that is tidied anyway
		}
	}
	if err := os.Remove(pointer); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Close stops listening and removes the socket. It may be called again.
func (l *listener) Close() error {
	err := l.UnixListener.Close()
	for _, path := range l.made {
		_ = os.Remove(path) // the next host replaces it
	}
	l.made = nil
	return err
}

// find is where the socket of a data directory is, whether or not it is there.
func find(dir string) (string, error) {
	if path := pointed(dir); path != "" {
		return path, nil
	}
	path, err := canonical(dir)
	if err != nil {
		return "", err
	}
	return filepath.Join(path, socketName), nil
}

// pointed is the socket that a data directory names, "" if it names none.
func pointed(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, pointerName))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// canonical is the one path of a directory that all who name it agree on, so
// that they also agree on whether it is too long.
func canonical(dir string) (string, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}
