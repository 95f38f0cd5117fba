package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// acquire waits until no other process writes for the step. A process outlives
// a host that was killed by moments.
func (s *shelf) acquire(ctx context.Context, patience time.Duration) error {
	const pause = 10 * time.Millisecond
	path := s.path("lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return explain("write", path, err)
	}
	s.lock = f
	for end := time.Now().Add(patience); ; {
		ok, err := tryLock(f)
		if err != nil {
			return explain("lock", path, err)
		}
		if ok {
			return s.sign()
		}
		if time.Now().After(end) {
			return fmt.Errorf("lock %s: another process has been writing these files for %s%s: end it", path, patience, s.holder())
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), fmt.Errorf("lock %s: another process writes these files%s", path, s.holder()))
		case <-time.After(pause):
		}
	}
}

// sign says in the lock who holds it, for people.
func (s *shelf) sign() error {
	err := s.lock.Truncate(0)
	if err == nil {
		_, err = s.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return explain("write", s.lock.Name(), err)
	}
	return nil
}

func (s *shelf) holder() string {
	text := make([]byte, 20)
	n, _ := s.lock.ReadAt(text, 0) // what cannot be read is not told
	if pid := strings.TrimSpace(string(text[:n])); pid != "" {
		return " (process " + pid + ")"
	}
	return ""
}

// unlock lets the next process write.
func (s *shelf) unlock() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}
