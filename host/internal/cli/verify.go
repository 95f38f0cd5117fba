package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/catalog"
)

func (a *app) pluginVerifyCommand() *cobra.Command {
	var o supply
	cmd := &cobra.Command{
		Use:   "verify [FILE|DIR]",
		Short: "Compare plugins with the lock file and their signatures",
		Long: `Verify says of every plugin that is there, or in penstock.lock.hcl, whether it
may run, without running it:

  ok                   its bytes are locked
  changed              other bytes of it are
  not locked           none of it are
  other platform only  it is locked, but not for this machine
  missing              it is locked, but not there
  dev                  it may run unlocked, as its block says

SIGNATURE is the key that has signed it. Where the host block has trusted_keys,
it must be one of them. The exit code is 1 if anything is wrong.`,
		Example: `  penstock plugin verify
  penstock plugin verify examples/pipelines/backtest.hcl --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.path = args[0]
			}
			return interruptible(cmd.Context(), func(ctx context.Context) error { return a.verifyPlugins(ctx, o) })
		},
	}
	o.flags(cmd)
	return cmd
}

func (a *app) verifyPlugins(ctx context.Context, o supply) error {
	c, err := a.catalog(o, false)
	if err != nil {
		return err
	}
	defer c.Close()
	verdicts, err := c.Verify(ctx)
	if err != nil {
		return a.lockError(err, c.LockFile())
	}
	wrong := slices.DeleteFunc(slices.Clone(verdicts), func(v catalog.Verdict) bool { return v.Err == nil })
	switch {
	case o.json:
		err = printJSON(a.stdout, verdictDocument(c.LockFile(), verdicts))
	default:
		err = a.tellVerdicts(verdicts)
	}
	switch {
	case err != nil || len(wrong) == 0:
		return err
	case o.json:
		return errSaid
	}
	for _, v := range wrong {
		for _, err := range each(v.Err) {
			a.say(err)
		}
	}
	return fmt.Errorf("%d of %s may not run", len(wrong), plural(len(verdicts), "plugin"))
}

// verdictLine is how a plugin stands as machines read it.
type verdictLine struct {
	Name      string   `json:"name"`
	Version   string   `json:"version,omitempty"`
	State     string   `json:"state"`
	Path      string   `json:"path,omitempty"`
	SHA256    string   `json:"sha256,omitempty"`
	Locked    []string `json:"locked,omitempty"`
	Signature string   `json:"signature,omitempty"`
	Error     string   `json:"error,omitempty"`
}

func verdictDocument(path string, verdicts []catalog.Verdict) any {
	list := []verdictLine{}
	for _, v := range verdicts {
		doc := verdictLine{
			Name: v.Plugin, Version: v.Version, State: string(v.State), Path: v.Path, SHA256: strings.TrimPrefix(v.Digest, "sha256:"),
			Locked: hashes(v.Locked), Signature: v.Signer,
		}
		if v.Err != nil {
			doc.Error = v.Err.Error()
		}
		list = append(list, doc)
	}
	return struct {
		File     string        `json:"file"`
		Platform string        `json:"platform"`
		Plugins  []verdictLine `json:"plugins"`
	}{path, catalog.Platform(), list}
}

func (a *app) tellVerdicts(verdicts []catalog.Verdict) error {
	return aligned(a.stdout, func(w *bytes.Buffer) {
		fmt.Fprintln(w, "PLUGIN\tVERSION\tSTATE\tSHA-256\tLOCKED\tSIGNATURE")
		for _, v := range verdicts {
			hash := "-"
			if v.Digest != "" {
				hash = shortHashes([]string{v.Digest})
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Plugin, cmp.Or(v.Version, "-"), v.State, hash, shortHashes(v.Locked), cmp.Or(v.Signer, "-"))
		}
	})
}
