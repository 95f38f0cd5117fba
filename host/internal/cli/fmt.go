package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/project"
)

func (a *app) fmtCommand() *cobra.Command {
	var check, stdin bool
	cmd := &cobra.Command{
		Use:   "fmt [FILE|DIR...]",
		Short: "Lay out pipeline files in the usual way",
		Long: `Fmt changes nothing but space. It rewrites every FILE, and every .hcl file of a
DIR (the current directory if nothing is named), and prints the names of those
that it has changed.`,
		Example: `  penstock fmt
  penstock fmt --check examples/pipelines
  penstock fmt --stdin < pipelines.hcl`,
		RunE: func(_ *cobra.Command, args []string) error {
			if stdin {
				if len(args) > 0 {
					return usagef("--stdin takes no files")
				}
				return a.formatStdin(check)
			}
			if len(args) == 0 {
				args = []string{"."}
			}
			return a.formatFiles(args, check)
		},
		Args: cobra.ArbitraryArgs,
	}
	cmd.Flags().BoolVar(&check, "check", false, "change nothing; fail if something would change")
	cmd.Flags().BoolVar(&stdin, "stdin", false, "lay out standard input onto standard output")
	return cmd
}

func (a *app) formatStdin(check bool) error {
	text, err := io.ReadAll(io.LimitReader(a.stdin, config.MaxSize+1))
	if err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	formatted, err := a.format(config.Source{Name: "standard input", Bytes: text})
	if err != nil {
		return err
	}
	if !check {
		_, err = a.stdout.Write(formatted)
		return err
	}
	if !bytes.Equal(text, formatted) {
		return errors.New("standard input is not laid out in the usual way")
	}
	return nil
}

// formatFiles goes on after a file that cannot be formatted.
func (a *app) formatFiles(paths []string, check bool) error {
	var errs []error
	changed := 0
	for _, path := range paths {
		sources, diags := config.Read(path)
		if diags.HasErrors() {
			errs = append(errs, a.complain(config.Explain(), diags, path))
			continue
		}
		for _, source := range sources {
			did, err := a.formatFile(source, check)
			if err != nil {
				errs = append(errs, err)
			}
			if did {
				changed++
			}
		}
	}
	if check && changed > 0 {
		errs = append(errs, fmt.Errorf("%s not laid out in the usual way: run penstock fmt", are(changed, "file")))
	}
	return errors.Join(errs...)
}

// formatFile tells whether a file was changed, or would be.
func (a *app) formatFile(source config.Source, check bool) (bool, error) {
	formatted, err := a.format(source)
	if err != nil || bytes.Equal(source.Bytes, formatted) {
		return false, err
	}
	if _, err := fmt.Fprintln(a.stdout, source.Name); err != nil {
		return false, err
	}
	if check {
		return true, nil
	}
	return true, replace(filepath.FromSlash(source.Name), formatted)
}

// format lays out a source, or writes why it cannot be read.
func (a *app) format(source config.Source) ([]byte, error) {
	formatted, diags := config.Format(source)
	if diags.HasErrors() {
		return nil, a.complain(config.Explain(source), diags, source.Name)
	}
	return formatted, nil
}

// complain writes diagnostics and returns an error that counts them.
func (a *app) complain(file *config.File, diags config.Diagnostics, path string) error {
	return a.report(&project.Project{File: file, Diags: diags}, path)
}

// replace gives a file new content at once or not at all, and keeps its mode.
func replace(path string, content []byte) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".penstock-fmt-")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	if _, err := file.Write(content); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := errors.Join(file.Chmod(info.Mode().Perm()), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// are counts things that are something.
func are(n int, thing string) string {
	if n == 1 {
		return plural(n, thing) + " is"
	}
	return plural(n, thing) + " are"
}
