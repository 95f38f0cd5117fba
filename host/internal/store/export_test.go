package store

import "go.etcd.io/bbolt"

// Around puts a test between the writer and the database.
func (s *Store) Around(f func(update func(func(*bbolt.Tx) error) error, apply func(*bbolt.Tx) error) error) {
	update := s.writer.update
	s.writer.update = func(apply func(*bbolt.Tx) error) error { return f(update, apply) }
}

// Waiting tells how many changes wait for the one that is being written.
func (s *Store) Waiting() int {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	return len(s.writer.waiting)
}
