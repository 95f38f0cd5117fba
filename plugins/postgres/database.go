package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/penstock-io/penstock/sdk"
)

const (
	// connectWithin is how long a server may take to let somebody in, where the dsn says nothing.
	connectWithin = 5 * time.Second
	// closeWithin is how long a connection may take to say goodbye.
	closeWithin = 2 * time.Second
	// tellEvery bounds how often it is told that a server is away.
	tellEvery = 10 * time.Second
	// lockWithin is how long a predecessor may take to end by itself.
	lockWithin = 2 * time.Second
)

// database is the one connection to a server, which comes again when it breaks. Its errors say which database they are about and what
// to do, and never a password.
type database struct {
	config   *pgx.ConnConfig
	patience time.Duration // how long a server that is away is tried; 0: not at all

	conn  *pgx.Conn // nil: there is none
	began bool      // a transaction is open
	more  string    // statements that every transaction begins with besides
}

// open reads where the database is. It does not connect.
func open(dsn, application string, patience time.Duration) (*database, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read dsn: %w: write \"postgres://user:password@host:5432/database\" or \"host=... dbname=... user=...\"", withoutSecret(err))
	}
	// Poolers such as PgBouncer know nothing of statements that were prepared on another connection.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectWithin
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = application
	}
	config.DialFunc = dialer().DialContext
	return &database{config: config, patience: patience}, nil
}

// withoutSecret is what is wrong with a dsn, without the dsn.
func withoutSecret(err error) error {
	if wrong := (*pgconn.ParseConfigError)(nil); errors.As(err, &wrong) {
		text := wrong.Error()
		if i := strings.LastIndex(text, "`: "); i >= 0 {
			return errors.New(text[i+len("`: "):])
		}
	}
	return errors.New("it is not understood")
}

// String names the database, and the server and user with it.
func (d *database) String() string {
	hosts := []string{hostPort(d.config.Host, d.config.Port)}
	for _, f := range d.config.Fallbacks {
		if h := hostPort(f.Host, f.Port); h != hosts[len(hosts)-1] {
			hosts = append(hosts, h)
		}
	}
	return fmt.Sprintf("database %s at %s", d.name(), strings.Join(hosts, ", "))
}

func (d *database) name() string {
	if d.config.Database == "" {
		return d.config.User // as PostgreSQL takes it
	}
	return d.config.Database
}

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// connect connects, unless it is.
func (d *database) connect(ctx context.Context) error {
	if d.conn != nil {
		return nil
	}
	conn, err := pgx.ConnectConfig(ctx, d.config)
	if err != nil {
		return err
	}
	d.conn = conn
	return nil
}

// drop gives up the connection, and with it an open transaction.
func (d *database) drop(ctx context.Context) {
	if d.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	_ = d.conn.Close(ctx) // the server notices in any case
	d.conn, d.began = nil, false
}

// begin begins a transaction that has the step for itself until it ends. A backend that holds the step, and goes on to, is that of a process
// which is dead or should be, unless turn fails, which says that it is ours that should.
func (d *database) begin(ctx context.Context, lock int64, turn func() error) error {
	if err := d.connect(ctx); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := d.tryBegin(ctx, lock)
		if codeOf(err) != "55P03" || attempt == 3 { // the lock was not to be had
			return err
		}
		if _, err := d.conn.Exec(ctx, "ROLLBACK"); err != nil {
			return err
		}
		if err := turn(); err != nil {
			return err
		}
		if err := d.evict(ctx, lock); err != nil {
			return err
		}
	}
}

// tryBegin sets what poolers would carry from one transaction to others, for this transaction only.
func (d *database) tryBegin(ctx context.Context, lock int64) error {
	err := d.exec(ctx, fmt.Sprintf(`BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL lock_timeout = %d; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL TimeZone = 'UTC'; SET LOCAL extra_float_digits = 1; SET LOCAL client_min_messages = warning;
SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
SELECT pg_advisory_xact_lock(%d);
SET LOCAL lock_timeout = 0;%s`, lockWithin.Milliseconds(), lock, d.more))
	d.began = err == nil
	return err
}

// evict ends the backends that hold a lock of ours.
func (d *database) evict(ctx context.Context, lock int64) error {
	rows, err := d.conn.Query(ctx, `SELECT pid, pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid <> pg_backend_pid()
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid::bigint = $1 AND objid::bigint = $2`, int64(uint64(lock)>>32), int64(uint32(lock)))
	if err != nil {
		return err
	}
	var pid int32
	var ended bool
	_, err = pgx.ForEachRow(rows, []any{&pid, &ended}, func() error {
		sdk.Logger(ctx).Warn("ended the connection of a process that has lost its turn, and kept the step locked", "backend", pid, "ended", ended)
		return nil
	})
	return err
}

// exec runs statements that have no parameters, in one round trip.
func (d *database) exec(ctx context.Context, statements string) error {
	_, err := d.conn.PgConn().Exec(ctx, statements).ReadAll()
	return err
}

// lockOf is the number by which a step is locked.
func lockOf(names ...string) int64 {
	h := fnv.New64a()
	for _, name := range names {
		_, _ = fmt.Fprintf(h, "%d %s ", len(name), name) // it cannot fail
	}
	return int64(h.Sum64())
}

// insist tries until it is done, ctx ends, an error will not pass, or it was tried long enough. Each time it begins with a new
// connection. lost tells that another try would not have all that the transaction had; nil: it would.
func (d *database) insist(ctx context.Context, doing string, lost func() bool, try func() error) error {
	t := tries{db: d, doing: doing, lost: lost, began: time.Now(), pause: backoff.NewExponentialBackOff(), over: func() {}}
	defer func() { t.over() }()
	t.pause.InitialInterval, t.pause.MaxInterval = 50*time.Millisecond, 5*time.Second
	for {
		t.count++
		err := try()
		if err == nil {
			t.done(ctx)
			return nil
		}
		d.drop(ctx)
		if err := t.again(ctx, err); err != nil {
			return err
		}
	}
}

// tries is something that is tried until it works.
type tries struct {
	db    *database
	doing string
	lost  func() bool
	began time.Time
	count int
	told  time.Time // when somebody was told that it does not work
	over  func()    // tells the host that it is not waited any more
	said  string    // what the host knows that is waited for
	pause *backoff.ExponentialBackOff
}

// again waits until it is time for the next try, or returns why there is none.
func (t *tries) again(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %s: %w", t.db, t.doing, errors.Join(ctx.Err(), err))
	}
	explained := t.db.explain(t.doing, err)
	if !passes(err) {
		return sdk.Stop(explained)
	}
	if t.lost != nil && t.lost() {
		return fmt.Errorf("%w; the rows since the last commit were too many to be kept for another try (buffer): they are read again", explained)
	}
	wait := t.pause.NextBackOff()
	if time.Since(t.began)+wait > t.db.patience {
		return fmt.Errorf("%w; given up after %d attempts in %s (patience)", explained, t.count, time.Since(t.began).Round(time.Millisecond))
	}
	if time.Since(t.told) > tellEvery {
		t.told = time.Now()
		sdk.Logger(ctx).Warn("it did not work and is tried again", "cause", explained.Error(), "attempt", t.count, "for", t.db.patience.String())
	}
	t.waits(ctx, explained.Error())
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s: %s: %w", t.db, t.doing, errors.Join(ctx.Err(), err))
	case <-time.After(wait):
		return nil
	}
}

// waits tells the host that the server is waited for, and why.
func (t *tries) waits(ctx context.Context, why string) {
	if why == t.said {
		return
	}
	over := sdk.WaitsFor(ctx, why)
	t.over()
	t.over, t.said = over, why
}

// done tells those who were told that it did not work.
func (t *tries) done(ctx context.Context) {
	if t.count > 1 {
		sdk.Logger(ctx).Info("it works again", "database", t.db.String(), "attempts", t.count, "after", time.Since(t.began).Round(time.Millisecond).String())
	}
}

// commit ends the transaction.
func (d *database) commit(ctx context.Context) error {
	if err := d.exec(ctx, "COMMIT"); err != nil {
		return err
	}
	d.began = false
	return nil
}
