package remote_test

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk/remote"
)

// What is wrong with a program is seen before it runs, however it is cut.
func TestCheckProgram(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks at ELF files")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(foreign(t))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		program []byte
		says    string // "": it is right
	}{
		{"whole", whole, ""},
		{"script", []byte("#!/bin/sh\n"), ""},
		{"empty", nil, "it is empty"},
		{"text", []byte("hello"), `it begins with "hello"`},
		{"other processor", foreign, "this machine is " + runtime.GOARCH},
		{"nothing but the magic", whole[:4], "is cut off"},
		{"half a header", whole[:40], "is cut off"},
		{"a header", whole[:64], "is cut off"},
		{"half", whole[:len(whole)/2], "is cut off"},
		{"all but a page", whole[:len(whole)-4096], "is cut off"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := remote.CheckProgram(remote.Config{Name: "tested", Path: "/some/where"}, bytes.NewReader(test.program), int64(len(test.program)))
			switch {
			case test.says == "" && err != nil:
				t.Errorf("got %v, want nothing wrong", err)
			case test.says != "" && !errors.Is(err, remote.ErrNotProgram):
				t.Errorf("got %v, want %v", err, remote.ErrNotProgram)
			case test.says != "" && (!strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "start plugin tested: /some/where ")):
				t.Errorf("%q does not say %q", err, test.says)
			}
		})
	}
}

// What runs is what the open file holds, whatever lies at the path.
func TestSealedBytesRun(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("runs an open file")
	}
	c := config(t, "good")
	sealed, err := os.Open(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sealed.Close() }()
	for name, path := range map[string]string{"another program": "/bin/false", "nothing": "/no/such/plugin"} {
		t.Run(name, func(t *testing.T) {
			c.Path, c.Sealed = path, sealed
			p := start(t, c)
			if got := ask(t, p, "arguments"); len(got) != 1 || got[0] != path {
				t.Errorf("the plugin sees itself as %v, want %s", got, path)
			}
		})
	}
}

// A script runs from an open file too, although only its interpreter reads it.
func TestSealedScriptRuns(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("runs an open file")
	}
	c := config(t, "good")
	script, err := os.Open(write(t, "#!/bin/sh\nexec "+c.Path+"\n", 0o755))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = script.Close() }()
	c.Path, c.Sealed = "/no/such/plugin", script
	start(t, c)
}

// What is wrong with sealed bytes is told under the name that people know.
func TestSealedStartErrors(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("runs an open file")
	}
	for name, test := range map[string]struct {
		content, says string
		reason        error
	}{
		"text":           {"hello there", `it begins with "hello there"`, remote.ErrNotProgram},
		"no interpreter": {"#!/no/such/interpreter\n", "interpreter", remote.ErrNotProgram},
		"no plugin":      {"#!/bin/sh\nexit 3\n", "exited with code 3", remote.ErrExited},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, "good")
			file, err := os.Open(write(t, test.content, 0o755))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = file.Close() }()
			c.Path, c.Sealed = "/plugins/tested", file
			p, err := remote.Start(t.Context(), c)
			if err == nil {
				p.Kill()
				t.Fatal("it started")
			}
			if text := err.Error(); !errors.Is(err, test.reason) || !strings.Contains(text, "/plugins/tested") || !strings.Contains(text, test.says) {
				t.Errorf("got %v, want one of %v that says %q", err, test.reason, test.says)
			}
		})
	}
}
