package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrMissing is that there is no server on this machine.
var ErrMissing = errors.New("find a PostgreSQL server for the tests: there is none in PATH, where pg_config points, in /usr/lib/postgresql, of Homebrew or in .tools/postgres: " +
	"run make postgres, or install one (Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql)")

// Oldest is the oldest version that the loader is for.
const Oldest = 13

// Find is the directory that has the programs of a server: the newest of
// several.
func Find(ctx context.Context) (string, error) {
	best, newest := "", 0
	for _, dir := range places(ctx) {
		if version := versionIn(ctx, dir); version > newest {
			best, newest = dir, version
		}
	}
	if newest >= Oldest {
		return best, nil
	}
	if best != "" {
		return "", fmt.Errorf("find a PostgreSQL server for the tests: the newest here is version %d in %s, and the loader needs %d: install a newer one", newest, best, Oldest)
	}
	return "", ErrMissing
}

// places are where the programs may be.
func places(ctx context.Context) []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
	} {
		found, _ := filepath.Glob(pattern) // the patterns are right
		dirs = append(dirs, found...)
	}
	if own, err := Own(); err == nil {
		dirs = append(dirs, filepath.Join(own, "bin"))
	}
	return slices.Compact(dirs)
}

// Own is the directory that a server is put into where the system has none:
// .tools/postgres of the module.
func Own() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".tools", "postgres"), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("find the module's directory: there is no go.mod here or above")
		}
		dir = up
	}
}

// versionIn is the major version of the server in a directory; 0: there is none.
func versionIn(ctx context.Context, dir string) int {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return 0
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output() // postgres (PostgreSQL) 15.4
	if err != nil {
		return 0
	}
	_, text, _ := strings.Cut(string(out), ") ")
	digits := strings.TrimLeft(text, " ")
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	version, _ := strconv.Atoi(digits) // 0 if it is no number
	return version
}
