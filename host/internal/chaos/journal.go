package chaos

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// journal is the log of all that was done to a run.
type journal struct {
	began time.Time

	mu     sync.Mutex
	file   *os.File
	counts map[string]int
}

func openJournal(dir string) (*journal, error) {
	f, err := os.Create(filepath.Join(dir, "faults.log"))
	if err != nil {
		return nil, fmt.Errorf("write down the faults: %w", err)
	}
	return &journal{began: time.Now(), file: f, counts: make(map[string]int)}, nil
}

// note writes a line: when, who, the number that follows from the seed, what.
// kind, if it is not empty, is counted.
func (j *journal) note(who string, number uint64, kind, format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if kind != "" {
		j.counts[kind]++
	}
	at := time.Since(j.began).Seconds()
	_, _ = fmt.Fprintf(j.file, "%9.3fs  %-13s %5d  %s\n", at, who, number, fmt.Sprintf(format, args...)) // the run goes on without it
}

// faults counts what was done.
func (j *journal) faults() map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.counts)
}

func (j *journal) close() { _ = j.file.Close() }
