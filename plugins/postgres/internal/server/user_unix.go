//go:build unix

package server

import (
	"errors"
	"fmt"
	"os"
	osuser "os/user"
	"strconv"
	"syscall"
)

// user is whom the server runs as: PostgreSQL refuses to run as root.
type user struct{ uid, gid uint32 }

// unprivileged is a user to run the server as; nil: the one we are.
func unprivileged() (*user, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		found, err := osuser.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(found.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(found.Gid, 10, 32)
		if errors.Join(errUID, errGID) == nil && uid != 0 {
			return &user{uint32(uid), uint32(gid)}, nil
		}
	}
	return nil, errors.New("run PostgreSQL for a test: it refuses to run as root, and there is no user postgres or nobody: add one, or run the tests as somebody else")
}

// give gives a directory to the user.
func (u *user) give(dir string) error {
	if u == nil {
		return nil
	}
	if err := os.Chown(dir, int(u.uid), int(u.gid)); err != nil {
		return fmt.Errorf("give the server its directory: %w", err)
	}
	return nil
}

// attributes start a process as the user, out of reach of the keyboard.
func (u *user) attributes() *syscall.SysProcAttr {
	attr := ownSession()
	if u != nil {
		attr.Credential = &syscall.Credential{Uid: u.uid, Gid: u.gid}
	}
	return attr
}

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
