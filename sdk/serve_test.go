package sdk_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/remote"
	"github.com/penstock-io/penstock/sdk/transit"
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

` + "`penstock plugin describe whale`" + ` tells its settings and types. With --attach it takes its own place in a
host that runs, until it ends: so it can be run in a debugger.
`
	if stdout.String() != want || stderr.Len() > 0 {
		t.Errorf("printed:\n%s\nwant:\n%s\nand to standard error:\n%s", stdout.String(), want, stderr.String())
	}
}

func TestFirstPluginIsShort(t *testing.T) {
	source, err := os.ReadFile("testdata/whale/main.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(source)) {
		if strings.TrimSpace(line) != "" {
			lines++
		}
	}
	if lines >= 20 {
		t.Errorf("the smallest useful plugin has %d lines, want fewer than 20", lines)
	}
}

func TestFirstPluginUnderAHost(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	p, err := remote.Start(ctx, remote.Config{Path: build(t, "whale")})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	described, err := p.Describe(ctx)
	if err != nil || described.Registers[0].Name != "whale.alert" || described.SDKVersion != sdk.Version {
		t.Fatalf("describe: got %+v, %v", described, err)
	}
	typ, err := transit.TypeOf[value]()
	if err != nil {
		t.Fatal(err)
	}
	stream, err := p.Open(ctx, remote.Open{
		Register: "whale.alert", Step: "whales", Generation: 1, Settings: []byte(`{"above": 5}`),
		Inputs: []remote.Input{{Name: "transfers", Port: "input", Type: typ}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Cancel()
	rows := batchOf(t, value{Value: 5}, value{Value: 6}, value{Value: 7})
	rows.Generation = 1
	end := &remote.Frame{Kind: remote.KindEnded, Generation: 1}
	if err := errors.Join(stream.Send(rows), stream.Send(end)); err != nil {
		t.Fatal(err)
	}
	got := 0
	for {
		f, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if f.Kind == remote.KindEnded {
			break
		}
		got += int(f.Rows)
		f.Free()
	}
	if got != 2 {
		t.Errorf("got %d rows, want 2", got)
	}
}
