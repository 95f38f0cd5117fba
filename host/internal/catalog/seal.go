package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// sealed is the bytes of a program, open to be run and out of everybody's reach.
// They were hashed after they had been put there.
type sealed struct {
	file   *os.File // read-only
	digest string
	size   int64
	fixed  bool   // the kernel lets nobody change them; otherwise they are hashed before each start
	dir    string // private, goes with the file; "": there is none

	users   int  // starts under way and others; guarded by the vault's mutex
	dropped bool // to be closed with the last user
}

// errNoMemory tells that the system has no memory that can be sealed and run.
var errNoMemory = errors.New("there is no memory that can be sealed")

// seal copies what file holds to where nobody can change it: to memory that the
// kernel seals, or to a private copy below dir where it has none.
func seal(ctx context.Context, name string, file *os.File, dir string, memory func(name string) (*os.File, error)) (*sealed, error) {
	s, err := sealMemory(ctx, name, file, memory)
	if errors.Is(err, errNoMemory) && ctx.Err() == nil {
		s, err = privateCopy(ctx, name, file, dir)
	}
	if err != nil {
		return nil, err
	}
	hash := hashOf
	if s.fixed {
		hash = hashSealed
	}
	s.digest, s.size, err = hash(ctx, s.file)
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// privateCopy copies a file to where only this user can get at it. On Linux an
// open file runs without a name, so nothing is left of it however the host ends.
func privateCopy(ctx context.Context, name string, from *os.File, below string) (_ *sealed, err error) {
	if below != "" {
		if err := os.MkdirAll(below, 0o700); err != nil {
			return nil, err
		}
	}
	s := &sealed{}
	if s.dir, err = os.MkdirTemp(below, "penstock-plugin-"); err != nil { // 0700
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	path := filepath.Join(s.dir, name)
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o500)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(copyAll(ctx, to, from), to.Close()); err != nil {
		return nil, err
	}
	if s.file, err = os.Open(path); err != nil {
		return nil, err
	}
	if runtime.GOOS == "linux" {
		err = os.RemoveAll(s.dir)
		s.dir = ""
	}
	return s, err
}

// intact reports bytes that have changed although nobody should have been able to.
func (s *sealed) intact(ctx context.Context) error {
	if s.fixed {
		return nil
	}
	digest, _, err := hashOf(ctx, s.file)
	if err == nil && digest != s.digest {
		err = fmt.Errorf("its private copy has changed, from %s to %s: find out who runs programs as this user", s.digest, digest)
	}
	return err
}

func (s *sealed) close() {
	if s.file != nil {
		_ = s.file.Close() // it was only read
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir) // it is private and temporary
	}
}

// hashOf reads all that an open file holds, whoever else reads it.
func hashOf(ctx context.Context, file *os.File) (digest string, size int64, err error) {
	hash := sha256.New()
	size, err = io.CopyBuffer(hash, &patient{ctx.Err, whole(file)}, make([]byte, 256<<10))
	return digestPrefix + hex.EncodeToString(hash.Sum(nil)), size, err
}

const digestPrefix = "sha256:"

func copyAll(ctx context.Context, to io.Writer, from *os.File) error {
	_, err := io.CopyBuffer(to, &patient{ctx.Err, whole(from)}, make([]byte, 1<<20))
	return err
}

// whole reads a file from its beginning to its end, without moving its offset.
func whole(file *os.File) io.Reader { return io.NewSectionReader(file, 0, 1<<62) }

// patient reads until something has ended.
type patient struct {
	ended func() error
	from  io.Reader
}

func (p *patient) Read(b []byte) (int, error) {
	if err := p.ended(); err != nil {
		return 0, err
	}
	return p.from.Read(b)
}
