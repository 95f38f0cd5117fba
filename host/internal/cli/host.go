package cli

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/project"
)

// host is the flags that say which running host is meant, and how long to wait
// for it.
type host struct {
	dataDir string
	file    string
	timeout time.Duration
	json    bool
}

func (h *host) flags(cmd *cobra.Command, timeout time.Duration) {
	cmd.Flags().StringVar(&h.dataDir, "data-dir", "", "`directory` of the host's state (default .penstock, or data_dir of the host block of the file)")
	cmd.Flags().StringVarP(&h.file, "file", "f", "", "pipeline `file or directory` whose host block names the data directory (default pipelines.hcl, if it is there)")
	if timeout > 0 {
		cmd.Flags().DurationVar(&h.timeout, "timeout", timeout, "how long to wait for the host")
	}
	jsonFlag(cmd, &h.json)
}

// dir is the data directory of the host that is meant. What else is wrong with
// a file does not matter here: its host runs, or not, all the same.
func (h *host) dir() (string, error) {
	if h.dataDir != "" {
		return h.dataDir, nil
	}
	path := first(h.file, defaultFile)
	read, diags := config.Read(path)
	if diags.HasErrors() {
		if h.file != "" {
			return "", diags
		}
		return project.DefaultDataDir, nil
	}
	file, _ := config.Parse(read, config.Options{Env: os.LookupEnv, BaseDir: project.BaseDir(path)})
	return first(file.Host.DataDir, project.DefaultDataDir), nil
}

// dial finds the host.
func (h *host) dial(ctx context.Context) (*api.Client, error) {
	dir, err := h.dir()
	if err != nil {
		return nil, err
	}
	return api.Dial(ctx, dir)
}

// ask asks the host something that has to be answered in time.
func (h *host) ask(ctx context.Context, what func(ctx context.Context, c *api.Client) error) error {
	if h.timeout <= 0 {
		return usagef("--timeout %s: it is a time above 0, such as 30s or 5m", h.timeout)
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	c, err := h.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return what(ctx, c)
}

// pipelineNames completes the names of pipelines that run.
func (h *host) pipelineNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	if c, err := h.dial(ctx); err == nil {
		defer c.Close()
		_, paths, _ := c.Status(ctx, "") // a host that does not answer has no names
		for _, p := range paths {
			names = append(names, p.Pipeline)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// pathDocument is a path as JSON.
type pathDocument struct {
	Name string `json:"name"` // unique in the host
	engine.PathStatus
}

func pathDocuments(paths []engine.PathStatus) []pathDocument {
	out := make([]pathDocument, 0, len(paths))
	for _, p := range paths {
		out = append(out, pathDocument{Name: api.PathName(p), PathStatus: p})
	}
	return out
}

// toResume is what to type to let a pipeline of a host run again.
func toResume(pipeline, dir string) string {
	text := "penstock resume " + pipeline
	if dir == project.DefaultDataDir {
		return text
	}
	if strings.ContainsAny(dir, " \t'\"\\$&;|<>()*?`") {
		dir = strconv.Quote(dir)
	}
	return text + " --data-dir " + dir
}
