package process

import (
	"fmt"
	"sync"

	"github.com/penstock-io/penstock/sdk/internal/wire"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// LargestBody is what a message can hold beside a frame's header.
const LargestBody = wire.MaxMessage - 64<<10

// Sender numbers frames and puts them on the stream, one at a time. It is safe
// for concurrent use.
type Sender struct {
	mu         sync.Mutex // held while the stream blocks
	stream     wire.Stream
	generation uint64
	sequence   uint64
}

// Send sends a frame, which stays the caller's to free. It blocks while the
// host does not read.
func (s *Sender) Send(f *wire.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Generation = s.generation
	if f.Kind == pluginv1.Kind_KIND_BATCH {
		s.sequence++
		f.Sequence = s.sequence
	}
	if err := s.stream.Send(f); err != nil {
		return fmt.Errorf("send to the host: %w", err)
	}
	return nil
}

// Generation is the one that frames are sent under.
func (s *Sender) Generation() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation
}

// restart begins a new generation.
func (s *Sender) restart(generation uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation, s.sequence = generation, 0
}

// fail tells the host what went wrong. Where the host cannot be told, the
// error comes back and ends the stream.
func (s *Sender) fail(err error, at *fault) error {
	if s.Send(failedFrame(err, at)) != nil {
		return err
	}
	return nil
}
