package cli_test

import (
	"bytes"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // for query

	"github.com/penstock-io/penstock/host/internal/cli"
)

var update = flag.Bool("update", false, "write what commands print into the scripts that compare it")

// TestMain is also the penstock command, where it is called by that name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"penstock": func() { os.Exit(cli.Main("v0.0.0-test")) }})
}

// TestScripts runs the command with a plugin that needs nothing from outside.
func TestScripts(t *testing.T) {
	bin := install(t)
	build(t, filepath.Join(bin, "plugins", "toy"), "./testdata/toy")
	build(t, filepath.Join(bin, "next", "toy"), "-ldflags=-s -w", "./testdata/toy") // other bytes of the same
	build(t, filepath.Join(bin, "changed"), "./testdata/changed")
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		Setup:               inPath(bin),
		Cmds:                commands(),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
	})
}

// TestDevelopmentChain runs the command as people get it, with a chain and all
// plugins, on the pipelines that are theirs too.
func TestDevelopmentChain(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole Ethereum node is built and run")
	}
	const root = "../../.."
	bin := install(t)
	build(t, bin, root+"/examples/devchain")
	plugins, err := filepath.Glob(root + "/plugins/*") // not what lies below: that may be a program and no plugin
	if err != nil {
		t.Fatal(err)
	}
	build(t, filepath.Join(bin, "plugins")+"/", plugins...)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "chain"),
		Setup: func(env *testscript.Env) error {
			if err := inPath(bin)(env); err != nil {
				return err
			}
			return errors.Join(
				os.CopyFS(filepath.Join(env.WorkDir, "examples", "pipelines"), os.DirFS(root+"/examples/pipelines")),
				copyFile(filepath.Join(env.WorkDir, "pipelines.hcl"), root+"/pipelines.hcl"),
			)
		},
		Cmds:                commands(),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

func copyFile(to, from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}

// install makes a directory with the command as a person would have it.
func install(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	if err := os.Mkdir(filepath.Join(bin, "plugins"), 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("penstock")
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(bin, "penstock")
	if err := errors.Join(copyFile(to, program), os.Chmod(to, 0o755)); err != nil {
		t.Fatal(err)
	}
	return bin
}

// build builds a program, without what the test itself was built with.
func build(t *testing.T, to string, packages ...string) {
	t.Helper()
	args := append([]string{"build", "-race=false", "-o", to}, packages...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
}

// inPath has scripts find the programs of a directory, and knows it as BIN.
func inPath(bin string) func(*testscript.Env) error {
	return func(env *testscript.Env) error {
		env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
		env.Setenv("BIN", bin)
		return nil
	}
}

// patience is how long a script waits for something that must happen, also where the
// machine has much else to do.
const patience = 3 * time.Minute

func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits":  exits,
		"await":  await,
		"until":  until,
		"signal": signal,
		"gone":   gone,
		"large":  large,
		"count":  count,
		"query":  query,
	}
}

// exits CODE PROGRAM ARGS... runs a program that has to end with that code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// await FILE [TEXT] waits until a file is there, and holds a text.
func await(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.Join(args[1:], " ")
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		content, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && bytes.Contains(content, []byte(text)) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s %q is not there after %s", args[0], text, patience)
		}
	}
}

// until REGEXP PROGRAM ARGS... runs a program again and again until it prints
// that.
func until(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[0])
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%v does not print %q in %s", args[1:], args[0], patience)
		}
	}
}

// signal INT|TERM|KILL FILE sends a signal to the process whose ID a file holds.
func signal(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[1])))
	ts.Check(err)
	ts.Check(syscall.Kill(n, map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[args[0]]))
}

var pid = regexp.MustCompile(`pid=(\d+)`)

// gone LOG checks that no process is left of those that a log names.
func gone(ts *testscript.TestScript, _ bool, args []string) {
	found := pid.FindAllStringSubmatch(ts.ReadFile(args[0]), -1)
	if len(found) == 0 {
		ts.Fatalf("the log names no process")
	}
	for _, match := range found {
		n, err := strconv.Atoi(match[1])
		ts.Check(err)
		for deadline := time.Now().Add(patience); running(n); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				ts.Fatalf("process %d is still there", n)
			}
		}
	}
}

// running tells whether a process is there. One that has ended and waits for
// its parent to notice is not.
func running(n int) bool {
	if syscall.Kill(n, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n))
	if err != nil {
		return runtime.GOOS != "linux"
	}
	_, after, _ := bytes.Cut(stat, []byte(") "))
	return !bytes.HasPrefix(after, []byte("Z"))
}

// large FILE MEGABYTES LINE fills a file with a line.
func large(ts *testscript.TestScript, _ bool, args []string) {
	megabytes, err := strconv.Atoi(args[1])
	ts.Check(err)
	line := args[2] + "\n"
	content, err := os.ReadFile(ts.MkAbs(args[0]))
	if !errors.Is(err, os.ErrNotExist) {
		ts.Check(err)
	}
	content = append(content, strings.Repeat(line, (megabytes<<20)/len(line)+1)...)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), content, 0o600))
}

// count N FILE REGEXP counts what a file holds.
func count(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	found := regexp.MustCompile("(?m)"+args[2]).FindAllString(ts.ReadFile(args[1]), -1)
	if len(found) != want {
		ts.Fatalf("%s holds %d of %s, want %d", args[1], len(found), args[2], want)
	}
}

// query DATABASE SQL checks that something is true of an SQLite database.
func query(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	var holds sql.NullBool
	ts.Check(db.QueryRow(args[1]).Scan(&holds))
	if !holds.Bool {
		ts.Fatalf("%s: not so: %s", args[0], args[1])
	}
}
