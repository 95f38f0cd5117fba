package remote_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// recorder is a logger whose lines can be looked at.
type recorder struct {
	logger hclog.Logger

	mu    sync.Mutex
	lines bytes.Buffer
}

func newRecorder() *recorder {
	r := &recorder{}
	r.logger = hclog.New(&hclog.LoggerOptions{Name: "host", Level: hclog.Trace, Output: r, JSONFormat: true})
	return r
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines.Write(b)
}

// find waits for a line whose message begins with message.
func (r *recorder) find(t *testing.T, message string) (entry map[string]any) {
	t.Helper()
	eventually(t, "no line begins with "+message, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for line := range bytes.Lines(r.lines.Bytes()) {
			entry = nil
			if err := json.Unmarshal(line, &entry); err != nil {
				t.Fatal(err)
			}
			if text, _ := entry["@message"].(string); strings.HasPrefix(text, message) {
				return true
			}
		}
		return false
	})
	return entry
}
