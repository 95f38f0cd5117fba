// Package server runs a PostgreSQL server of its own for tests: it finds the
// programs, makes a cluster in a temporary directory, and starts it on a free
// port of the loopback interface and on a unix socket. Nothing is left of it,
// also where the test's process is killed.
package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// startWithin is how long a server may take to start or to end.
const startWithin = time.Minute

// Server is a running server. It is used by one goroutine at a time, but for
// Database.
type Server struct {
	bin  string // where the programs are
	dir  string // everything of it
	port int
	more []string // settings that were asked for
	as   *user    // nil: whoever runs the test

	postmaster *exec.Cmd     // nil: it is stopped
	ended      chan struct{} // closed when postmaster has ended
	guard      *guard
	databases  atomic.Int64
}

// Start makes a cluster and starts its server, with more settings if there are
// any, such as "wal_level=logical". Where there is no PostgreSQL, the error says
// what to install.
func Start(ctx context.Context, settings ...string) (*Server, error) {
	bin, err := Find(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, more: settings}
	if s.as, err = unprivileged(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp(shortTemp(), "penstock-pg-"); err != nil {
		return nil, fmt.Errorf("make a directory for a server: %w", err)
	}
	if err := s.make(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// shortTemp is a directory for temporary files whose name leaves room for a
// socket's, of which no more than some hundred characters are allowed.
func shortTemp() string {
	if dir := os.TempDir(); len(dir) < 40 {
		return dir
	}
	return "/tmp"
}

// make makes the cluster and starts the server.
func (s *Server) make(ctx context.Context) error {
	if err := s.as.give(s.dir); err != nil {
		return err
	}
	var err error
	if s.guard, err = newGuard(ctx, s.dir); err != nil {
		return err
	}
	initdb := s.command(ctx, "initdb", "--pgdata", s.data(), "--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("make a cluster with %s: %w: %s", initdb.Path, err, out)
	}
	if s.port, err = freePort(ctx); err != nil {
		return err
	}
	return s.Resume(ctx)
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// command is one of the server's programs, run as the server's user.
func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+s.dir)
	cmd.SysProcAttr = s.as.attributes()
	return cmd
}

// Resume starts a server that was stopped or killed, on the port that it had.
func (s *Server) Resume(ctx context.Context) error {
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	defer log.Close()
	settings := []string{
		"listen_addresses=127.0.0.1", "unix_socket_directories=" + s.dir, "port=" + strconv.Itoa(s.port), "fsync=off",
		"max_connections=60", "shared_buffers=64MB", "max_wal_size=2GB", "deadlock_timeout=100ms", "log_min_messages=warning",
	}
	args := []string{"-D", s.data()}
	for _, setting := range append(settings, s.more...) {
		args = append(args, "-c", setting)
	}
	// The server lives longer than this call: it is not ended by its context.
	cmd := s.command(context.WithoutCancel(ctx), "postgres", args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	ended := make(chan struct{})
	s.postmaster, s.ended = cmd, ended
	go func() {
		_ = cmd.Wait() // however it ended, it has
		close(ended)
	}()
	return s.await(ctx)
}

// await waits until the server answers.
func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.ended:
			return fmt.Errorf("the server has ended: %s", s.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w: %s", err, s.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) log() string { return filepath.Join(s.dir, "log") }

func (s *Server) lastWords() string {
	text, _ := os.ReadFile(s.log()) // it has none if it cannot be read
	return strings.TrimSpace(string(text[max(len(text)-2000, 0):]))
}

// Stop ends the server as its owner does: connections are cut, nothing that was
// committed is lost.
func (s *Server) Stop() error { return s.end(syscall.SIGINT) }

// Kill ends the server as losing the machine would, but for the disk. Its
// processes die with it.
func (s *Server) Kill() error { return s.end(syscall.SIGQUIT) }

func (s *Server) end(signal syscall.Signal) error {
	if s.postmaster == nil {
		return nil
	}
	if err := s.postmaster.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end the server: %w", err)
	}
	select {
	case <-s.ended:
	case <-time.After(startWithin):
		_ = s.postmaster.Process.Kill() // it has had its time
		<-s.ended
	}
	s.postmaster = nil
	return nil
}

// Close ends the server and removes all that it has.
func (s *Server) Close() error {
	err := s.Kill()
	if s.guard != nil {
		err = errors.Join(err, s.guard.release())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// Lend lets the server write into a directory of the test's.
func (s *Server) Lend(dir string) error { return s.as.give(dir) }

// Passwords makes the server ask users for one who come by TCP. It is for good.
func (s *Server) Passwords(ctx context.Context, users ...string) error {
	path := filepath.Join(s.data(), "pg_hba.conf")
	rules, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read who may connect: %w", err)
	}
	for _, user := range users {
		rules = append([]byte("host all "+user+" all scram-sha-256\n"), rules...)
	}
	if err := os.WriteFile(path, rules, 0o600); err != nil {
		return fmt.Errorf("say who may connect: %w", err)
	}
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("say who may connect: %w", err)
	}
	defer goodbye(ctx, conn)
	_, err = conn.Exec(ctx, "SELECT pg_reload_conf()")
	return err
}

// Dir is the directory of the server, in which its socket lies too.
func (s *Server) Dir() string { return s.dir }

// Port is the port that it listens on.
func (s *Server) Port() int { return s.port }

// URL names a database of the server, for the superuser.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// SocketURL is URL by way of the unix socket.
func (s *Server) SocketURL(database string) string {
	return fmt.Sprintf("host=%s port=%d user=postgres dbname=%s", s.dir, s.port, database)
}

// Database makes an empty database and returns its name. It may be called by
// several goroutines at once.
func (s *Server) Database(ctx context.Context) (string, error) {
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return "", fmt.Errorf("make a database: %w", err)
	}
	defer goodbye(ctx, conn)
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		return "", fmt.Errorf("make a database: %w", err)
	}
	return name, nil
}

// Drop removes a database, whoever is connected to it.
func (s *Server) Drop(ctx context.Context, database string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("remove a database: %w", err)
	}
	defer goodbye(ctx, conn)
	_, err = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+database+" WITH (FORCE)")
	return err
}

// goodbye closes a connection. A server notices in any case.
func goodbye(ctx context.Context, conn *pgx.Conn) { _ = conn.Close(ctx) }

// freePort is a port that nobody listens on.
func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
