package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/penstock-io/penstock/plugins/postgres/internal/server"
)

// heldEnv makes this program start a server, say where, and wait to be killed.
const heldEnv = "PENSTOCK_TEST_HOLD_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(heldEnv) != "" {
		s, err := server.Start(context.Background())
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.Dir())
		select {}
	}
	os.Exit(m.Run())
}

func one(t *testing.T, url, question string) (answer string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(t.Context(), question).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestAServerComesAndGoes(t *testing.T) {
	s, err := server.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(s.Dir()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("its directory: got %v, want that it is gone", err)
		}
	}()
	name, err := s.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{s.URL(name), s.SocketURL(name)} {
		if got := one(t, url, "SELECT current_database()::text"); got != name {
			t.Errorf("got %s, want %s", got, name)
		}
	}
	for _, end := range []func() error{s.Stop, s.Kill} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if conn, err := pgx.Connect(t.Context(), s.URL(name)); err == nil {
			_ = conn.Close(t.Context())
			t.Error("a server that was ended answers")
		}
		if err := s.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := one(t, s.URL(name), "SELECT current_database()::text"); got != name {
			t.Errorf("got %s, want %s", got, name)
		}
	}
	if err := s.Drop(t.Context(), name); err != nil {
		t.Error(err)
	}
}

// Tests are killed by impatient people and by timeouts.
func TestNothingIsLeftOfAServerWhoseTestWasKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	held := exec.CommandContext(t.Context(), self)
	held.Env = append(os.Environ(), heldEnv+"=1")
	out, err := held.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Start(); err != nil {
		t.Fatal(err)
	}
	dir, err := bufio.NewReader(out).ReadString('\n')
	dir = strings.TrimSpace(dir)
	if err != nil || !filepath.IsAbs(dir) {
		t.Fatalf("it says %q: %v", dir, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = held.Wait() // it was killed
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		alive := syscall.Kill(pid, 0) == nil
		_, err := os.Stat(dir)
		if !alive && errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("server %d lives: %t; its directory: %v", pid, alive, err)
		}
	}
}
