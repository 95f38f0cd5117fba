// Command ready sees to it that there is a PostgreSQL server to test with: it
// looks for one and, where there is none, installs one with the system's
// package manager, or puts one that was built already into .tools/postgres.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	embedded "github.com/fergusstrange/embedded-postgres"

	"github.com/penstock-io/penstock/plugins/postgres/internal/server"
)

func main() {
	if err := ready(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ready tries one way after the other, until there is a server.
func ready(ctx context.Context) error {
	_, missing := server.Find(ctx)
	if missing == nil {
		return nil
	}
	tried := []error{missing}
	for _, way := range ways() {
		fmt.Println("there is no PostgreSQL server for the tests: " + way.name)
		err := way.install(ctx)
		if err == nil {
			_, err = server.Find(ctx)
		}
		if err == nil {
			return nil
		}
		tried = append(tried, fmt.Errorf("%s: %w", way.name, err))
	}
	return errors.Join(tried...)
}

// way is a way to come by a server.
type way struct {
	name    string
	install func(ctx context.Context) error
}

func ways() []way {
	var all []way
	if sudo, ok := privileged(); ok && has("apt-get") {
		all = append(all, way{"installing one with apt-get", func(ctx context.Context) error {
			return run(ctx, sudo, []string{"apt-get", "update"}, []string{"apt-get", "install", "-y", "--no-install-recommends", "postgresql"})
		}})
	}
	if runtime.GOOS == "darwin" && has("brew") {
		all = append(all, way{"installing one with brew", func(ctx context.Context) error {
			return run(ctx, nil, []string{"brew", "install", "postgresql"})
		}})
	}
	return append(all, way{"fetching one that is built already", fetch})
}

func has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// privileged is how a program is run as root: by root as it is, by others with
// sudo where that asks for no password.
func privileged() (prefix []string, ok bool) {
	if os.Geteuid() == 0 {
		return nil, true
	}
	prefix = []string{"sudo", "-n"}
	return prefix, exec.Command("sudo", "-n", "true").Run() == nil
}

func run(ctx context.Context, prefix []string, commands ...[]string) error {
	for _, words := range commands {
		words = append(slices.Clip(prefix), words...)
		cmd := exec.CommandContext(ctx, words[0], words[1:]...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(words, " "), err)
		}
	}
	return nil
}

// fetch puts a server into .tools/postgres. The library would start it too, which
// fails for root: what counts is that the programs are there.
func fetch(context.Context) error {
	own, err := server.Own()
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "penstock-pg-fetch-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // the system clears away what is left
	db := embedded.NewDatabase(embedded.DefaultConfig().
		Version(embedded.V17).Port(65431).Logger(io.Discard).
		CachePath(filepath.Join(work, "cache")).RuntimePath(filepath.Join(work, "run")).
		DataPath(filepath.Join(work, "data")).BinariesPath(own))
	err = db.Start()
	if err == nil {
		return db.Stop()
	}
	if _, missing := os.Stat(filepath.Join(own, "bin", "postgres")); missing != nil {
		return err
	}
	return nil
}
