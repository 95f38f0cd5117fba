package sdk_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build builds a program of testdata.
func build(t *testing.T, name string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./testdata/"+name).CombinedOutput()
	if err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return program
}

func TestPluginRunByHandExplainsItself(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), build(t, "whale"))
	cmd.Env = []string{"HOME=" + os.TempDir()}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("run: got %v, want exit code 1", err)
	}
	want := `whale is a Penstock plugin. It is not run by hand: put it into your plugin_dir, name one of its
registers in a pipeline file, and start ` + "`penstock run FILE`" + `. It serves:

  subscriber  whale.alert              

` + "`penstock plugin describe whale`" + ` tells its settings and types.
`
	if stdout.String() != want || stderr.Len() > 0 {
		t.Errorf("printed:\n%s\nwant:\n%s\nand to standard error:\n%s", stdout.String(), want, stderr.String())
	}
}
