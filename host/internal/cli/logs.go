package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
)

// logging is the flags that say what is logged and how.
type logging struct {
	level string
	json  bool
}

func (l *logging) flags(cmd *cobra.Command, level string) {
	cmd.Flags().StringVar(&l.level, "log-level", level, "least `level` that is logged: trace, debug, info, warn, error or off")
	cmd.Flags().BoolVar(&l.json, "log-json", false, "log JSON, one object a line")
}

// open makes a logger that writes to out.
func (l *logging) open(out io.Writer, color bool) (hclog.InterceptLogger, error) {
	if err := oneOf("log-level", l.level, []string{"trace", "debug", "info", "warn", "error", "off"}); err != nil {
		return nil, err
	}
	options := &hclog.LoggerOptions{Name: "penstock", Output: out, Level: hclog.LevelFromString(l.level), JSONFormat: l.json}
	if color && !l.json {
		options.Color = hclog.ForceColor
		options.ColorHeaderOnly = true
	}
	return hclog.NewInterceptLogger(options), nil
}

// muted is a writer that can be switched off while a picture stands in its
// place.
type muted struct {
	mu  sync.Mutex
	out io.Writer
	off bool
}

func (m *muted) Write(text []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.off {
		return len(text), nil
	}
	return m.out.Write(text)
}

func (m *muted) mute(off bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.off = off
}

// warnings passes on what a person must act on, a line each.
type warnings struct{ to func(line string) }

// Accept takes what a logger logs, from any goroutine.
func (w *warnings) Accept(name string, level hclog.Level, message string, args ...any) {
	if level < hclog.Warn {
		return
	}
	var line strings.Builder
	fmt.Fprintf(&line, "%s %-5s %s: %s", time.Now().Format(time.TimeOnly), level, strings.TrimPrefix(name, "penstock."), message)
	for i := 0; i+1 < len(args); i += 2 {
		fmt.Fprintf(&line, " %v=%v", args[i], args[i+1])
	}
	w.to(strings.Join(strings.Fields(line.String()), " "))
}
