package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-io/penstock/plugins/postgres/internal/server"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// eventsStart is where a step of events begins.
func eventsStart(tb testing.TB) sdk.Start {
	tb.Helper()
	return sdk.Start{Domain: "pairs", Step: "store", Generation: 1, Inputs: []sdk.Input{plugintest.WireFrom[event](tb, "events", "input")}}
}

// A server that goes away for a while costs nothing but the time.
func TestAServerThatComesBack(t *testing.T) {
	own, err := server.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	name, err := own.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dsn := own.URL(name)
	l := started(t, with(dsn, func(s *settings) { s.Patience = time.Minute; s.Batch = 1 }), eventsStart(t))
	load(t, l, 0, eventsOf(1)...)
	mark(t, l, 1)
	load(t, l, 0, eventsOf(2)...) // is in an open transaction
	if err := own.Stop(); err != nil {
		t.Fatal(err)
	}
	var back sync.WaitGroup
	back.Go(func() {
		time.Sleep(700 * time.Millisecond) // which is how long it is away
		if err := own.Resume(t.Context()); err != nil {
			t.Error(err)
		}
	})
	load(t, l, 0, eventsOf(3, 4)...)
	mark(t, l, 2)
	back.Wait()
	load(t, l, 0, eventsOf(5)...)
	mark(t, l, 3)
	if got := blocksIn(t, dsn, "events"); got != "1 2 3 4 5" {
		t.Errorf("got blocks %s, want each once", got)
	}

	// And one that does not come back is told of.
	s := l.settings
	s.DSN = strings.Replace(dsn, "postgres@", "postgres:sesame@", 1)
	l = started(t, s, sdk.Start{Domain: "pairs", Step: "other", Inputs: []sdk.Input{plugintest.WireFrom[event](t, "others", "input")}})
	l.db.patience = 300 * time.Millisecond
	if err := own.Stop(); err != nil {
		t.Fatal(err)
	}
	load(t, l, 0, eventsOf(6)...)
	err = l.Commit(t.Context(), sdk.Commit{Checkpoint: 4})
	says(t, err, "database "+name+" at 127.0.0.1:"+fmt.Sprint(own.Port()), "given up after", "attempts", "patience")
	_, err = tried(t, with(s.DSN, func(s *settings) { s.Patience = 0 }), eventsStart(t))
	says(t, err, name, "connection refused", "network = true", "given up after 1 attempts")

	// Nobody waits longer than is asked for.
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	waiting := &loader{settings: with(s.DSN, func(s *settings) { s.Patience = time.Hour })}
	defer waiting.Close()
	began := time.Now()
	if err := waiting.Start(ctx, eventsStart(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that it ends with its context", err)
	}
	if took := time.Since(began); took > 2*time.Minute {
		t.Errorf("it took %s to end", took)
	}
}

// proxy stands between a loader and its server, and breaks the connection at a word.
type proxy struct {
	listener net.Listener
	target   string
	after    bool         // the server gets the word, and answers it: only the answer is lost
	armed    atomic.Int32 // how often it breaks
	work     sync.WaitGroup
}

func newProxy(t *testing.T, dsn string, after bool) (p *proxy, through string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p = &proxy{listener: l, target: u.Host, after: after}
	p.work.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.work.Go(func() { p.pass(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.work.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

// pass carries what both sides say, until one ends or the word comes.
func (p *proxy) pass(client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	var deaf atomic.Bool
	answered := make(chan struct{}, 1)
	p.work.Go(func() {
		defer client.Close()
		buf := make([]byte, 1<<16)
		for {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			if deaf.Load() {
				answered <- struct{}{}
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	})
	buf := make([]byte, 1<<16)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if bytes.Contains(buf[:n], []byte("COMMIT\x00")) && p.armed.Add(-1) >= 0 {
			if p.after {
				deaf.Store(true)
				_, _ = server.Write(buf[:n]) // what comes of it is seen in the table
				<-answered
			}
			return
		}
		if _, err := io.Copy(server, bytes.NewReader(buf[:n])); err != nil {
			return
		}
	}
}

// Whether a commit has come through whose answer was lost is looked for.
func TestCommitsWhoseAnswerIsLost(t *testing.T) {
	for _, after := range []bool{true, false} {
		for _, key := range [][]string{nil, {"block_number"}} {
			t.Run(fmt.Sprintf("it came through: %t, key %v", after, key), func(t *testing.T) {
				dsn := newDatabase(t)
				p, through := newProxy(t, dsn, after)
				l := started(t, with(through, func(s *settings) { s.Batch, s.Key = 2, key }), eventsStart(t))
				var want []string
				for n := range uint64(12) {
					p.armed.Store(int32(n % 3))
					load(t, l, 0, eventsOf(2*n, 2*n+1)...)
					mark(t, l, n%2*(n/2+1)) // every other one is a checkpoint
					want = append(want, fmt.Sprint(2*n, " ", 2*n+1))
				}
				if got, want := blocksIn(t, dsn, "events"), strings.Join(want, " "); got != want {
					t.Errorf("got blocks %s, want %s", got, want)
				}
				if got := query(t, dsn, "SELECT string_agg(checkpoint || ' ' || last_row, ', ' ORDER BY checkpoint) FROM penstock_checkpoints"); got != "1 4, 2 8, 3 12, 4 16, 5 20, 6 24" {
					t.Errorf("got the checkpoints %s", got)
				}
			})
		}
	}
}

// What cannot be kept for another try is read again by the host: the error is no final one.
func TestMoreThanIsKeptForAnotherTry(t *testing.T) {
	dsn := newDatabase(t)
	l := started(t, with(dsn, func(s *settings) { s.Batch, s.Buffer = 1, 200 }), eventsStart(t))
	for n := range uint64(50) {
		load(t, l, 0, eventsOf(n)...)
	}
	if err := l.land(t.Context()); err != nil {
		t.Fatal(err)
	}
	query(t, dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'penstock%'")
	err := l.Commit(t.Context(), sdk.Commit{Checkpoint: 1})
	says(t, err, "too many to be kept", "buffer", "read again")
}

// Somebody else's transaction and the loader's wait for each other: PostgreSQL ends one of them.
func TestADeadlockIsTriedAgain(t *testing.T) {
	dsn := newDatabase(t)
	l := started(t, with(dsn, func(s *settings) { s.Batch, s.Key = 1, []string{"block_number"} }), eventsStart(t))
	load(t, l, 0, eventsOf(1)...)
	mark(t, l, 1)
	load(t, l, 0, eventsOf(2)...)
	if err := l.land(t.Context()); err != nil { // the loader has its lock
		t.Fatal(err)
	}
	other := connected(t, dsn)
	if _, err := other.Exec(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(t.Context(), "UPDATE events SET name = 'theirs'"); err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		if _, err := other.Exec(t.Context(), fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", l.ledger.lock())); err != nil {
			t.Error(err)
		}
		if _, err := other.Exec(t.Context(), "COMMIT"); err != nil {
			t.Error(err)
		}
	})
	until(t, "the other one waits, and has looked for a deadlock", func() bool {
		return query(t, dsn, "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND NOT granted AND clock_timestamp() - state_change > '300 ms'") == "1"
	})
	load(t, l, 0, event{BlockNumber: 1, Name: "ours"})
	mark(t, l, 2)
	work.Wait()
	if got := query(t, dsn, "SELECT block_number, name FROM events ORDER BY 1"); got != "1|ours\n2|a" {
		t.Errorf("got %q, want that the loader's row is the last", got)
	}
}

// What stands in the way is named, with what to do, and without the password.
func TestFailuresAreExplained(t *testing.T) {
	s := serverOf(t)
	dsn := newDatabase(t)
	name := dsn[strings.LastIndex(dsn, "/")+1 : strings.Index(dsn, "?")]
	execute(t, dsn, `CREATE ROLE locked LOGIN PASSWORD 'open'; CREATE ROLE poor LOGIN; CREATE ROLE crowded LOGIN CONNECTION LIMIT 0; CREATE ROLE reader LOGIN;
ALTER ROLE reader SET default_transaction_read_only = on; GRANT ALL ON DATABASE `+name+` TO reader; REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE SCHEMA theirs`)
	defer func() { execute(t, dsn, "DROP OWNED BY reader, poor; DROP ROLE locked, poor, crowded, reader") }()
	if err := s.Passwords(t.Context(), "locked"); err != nil {
		t.Fatal(err)
	}
	as := func(user, database string) string {
		return fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=sesame dbname=%s sslmode=disable", s.Port(), user, database)
	}
	p := plugintest.Run(t, register(quick()))
	for name, test := range map[string]struct {
		dsn   string
		extra map[string]any
		class string
		words []string
	}{
		"wrong password":       {dsn: as("locked", name), class: "stop", words: []string{"28P01", `the password of user "locked"`, "PGPASSWORD"}},
		"no such database":     {dsn: as("postgres", "nowhere"), class: "stop", words: []string{"database nowhere", "3D000", `CREATE DATABASE "nowhere" OWNER "postgres"`}},
		"no such user":         {dsn: as("nobody_here", name), class: "stop", words: []string{"28000", "nobody_here"}},
		"may not":              {dsn: as("poor", name), class: "stop", words: []string{"42501", `GRANT USAGE, CREATE ON SCHEMA ... TO "poor"`}},
		"may not in theirs":    {dsn: as("poor", name), extra: map[string]any{"schema": "theirs"}, class: "stop", words: []string{"42501"}},
		"too many connections": {dsn: as("crowded", name), class: "retry", words: []string{"53300", "max_connections", "given up after"}},
		"may only be read":     {dsn: as("reader", name), class: "retry", words: []string{"25006", "standby", "target_session_attrs=read-write"}},
		"nobody there":         {dsn: "postgres://u:sesame@127.0.0.1:1/x?connect_timeout=1", class: "retry", words: []string{"127.0.0.1:1", "connection refused"}},
		"no socket":            {dsn: "host=/nowhere user=u password=sesame", class: "retry", words: []string{"/nowhere", "no such file"}},
		"no TLS":               {dsn: strings.Replace(as("postgres", name), "disable", "require", 1), class: "retry", words: []string{"TLS"}},
	} {
		t.Run(name, func(t *testing.T) {
			settings := map[string]any{"dsn": test.dsn, "patience": "200ms"}
			maps.Copy(settings, test.extra)
			_, failure := plugintest.TryOpen(t, p, plugintest.Step{Register: "postgres", Settings: settings, Start: eventsStart(t)})
			wants(t, failure, test.class, test.words...)
		})
	}
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	for words, change := range map[string]func(s *settings){
		"dsn is no URL":         func(s *settings) { s.DSN = "postgres://u:sesame@host:port/x" },
		"dsn is neither":        func(s *settings) { s.DSN = "sesame" },
		"bytes is \"base64\"":   func(s *settings) { s.Bytes = "base64" },
		"lists is":              func(s *settings) { s.Lists = "rows" },
		"bad_text is":           func(s *settings) { s.BadText = "drop" },
		"batch is 0":            func(s *settings) { s.Batch = 0 },
		"not below zero":        func(s *settings) { s.Patience = -1 },
		"buffer are sizes":      func(s *settings) { s.Buffer = 0 },
		"table and tables":      func(s *settings) { s.Table, s.Tables = "a", map[string]string{"b": "c"} },
		"64 bytes":              func(s *settings) { s.Table = strings.Repeat("x", 64) },
		"penstock_steps":        func(s *settings) { s.Tables = map[string]string{"events": "penstock_steps"} },
		"begin with pg_":        func(s *settings) { s.Schema = "pg_mine" },
		"twice":                 func(s *settings) { s.Key = []string{"a", "a"} },
		"method is \"fast\"":    func(s *settings) { s.Indexes = []index{{Columns: []string{"a"}, Method: "fast"}} },
		"columns is empty":      func(s *settings) { s.Indexes = []index{{}} },
		"partitions: size is 0": func(s *settings) { s.Partitions = &partitions{} },
		"has no query":          func(s *settings) { s.Timescale = &timescale{Aggregates: []aggregate{{Name: "a"}}} },
		"which says how often": func(s *settings) {
			s.Timescale = &timescale{Aggregates: []aggregate{{Name: "a", Query: "SELECT", End: "1 h"}}}
		},
		"an aggregate has no name:": func(s *settings) { s.Timescale = &timescale{Aggregates: []aggregate{{Query: "SELECT"}}} },
	} {
		s := with("", change)
		says(t, s.Validate(), words)
	}
	s := defaults()
	if err := s.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for text, want := range map[string]int64{"64MiB": 64 << 20, "500 kB": 500_000, "1GiB": 1 << 30} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err != nil || int64(got) != want {
			t.Errorf("%s: got %d (%v), want %d", text, got, err, want)
		}
	}
	var none size
	for _, text := range []string{"64", "-1MiB", "x", "99999999GiB"} {
		says(t, none.UnmarshalText([]byte(text)), "is no size")
	}
}

// What is wrong with a dsn is told when it is used, without the dsn.
func TestAddressesThatAreWrong(t *testing.T) {
	for dsn, words := range map[string]string{
		"host=x password=sesame sslmode=perhaps":                           "sslmode is invalid",
		"host=x password=sesame port=none":                                 "invalid port",
		"postgres://u:sesame@x/y?sslmode=verify-full&sslrootcert=/nowhere": "CA file",
	} {
		_, err := tried(t, with(dsn, nil), eventsStart(t))
		says(t, err, "read dsn", words)
	}
}
