package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// mistake is an error that names its remedy already, and that another try will not mend.
type mistake struct{ error }

func (m mistake) Unwrap() error { return m.error }

// mistakef is a mistake in words.
func mistakef(format string, args ...any) error { return mistake{fmt.Errorf(format, args...)} }

// codeOf is PostgreSQL's code of an error; "": it is not PostgreSQL's.
func codeOf(err error) string {
	if failed := (*pgconn.PgError)(nil); errors.As(err, &failed) {
		return failed.Code
	}
	return ""
}

// passes tells errors that another try may mend: what other programs, the server and the network do for a while.
func passes(err error) bool {
	if m := (mistake{}); errors.As(err, &m) {
		return false
	}
	if c := (*tls.CertificateVerificationError)(nil); errors.As(err, &c) {
		return false
	}
	code := codeOf(err)
	if code == "" {
		return true // the connection's: what a server says has a code
	}
	if code == "53400" {
		return false // a bound of the server's configuration
	}
	if slices.Contains([]string{"40001", "40P01", "55P03", "25006", "57014", "58030", "57P01", "57P02", "57P03", "57P05"}, code) {
		return true
	}
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53")
}

// explain says which database an error is about, and what to do.
func (d *database) explain(doing string, err error) error {
	err = oneLine{err}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %s: %w", d, doing, err)
	}
	if remedy := d.remedy(err); remedy != "" {
		return fmt.Errorf("%s: %s: %w: %s", d, doing, err, remedy)
	}
	return fmt.Errorf("%s: %s: %w", d, doing, err)
}

// oneLine is an error of which each line is told once, and all on one: of a host that was tried with and without TLS there are two alike.
// What shows a table keeps its lines.
type oneLine struct{ error }

func (o oneLine) Unwrap() error { return o.error }

func (o oneLine) Error() string {
	if _, ok := errors.AsType[*pgconn.ConnectError](o.error); !ok {
		return o.error.Error()
	}
	var lines []string
	for line := range strings.Lines(o.error.Error()) {
		if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}

// remedy is what to do about an error; "" if its text says it, or nobody knows.
func (d *database) remedy(err error) string {
	code := codeOf(err)
	if code == "" {
		if _, isMistake := errors.AsType[mistake](err); isMistake {
			return ""
		}
		if _, isConnect := errors.AsType[*pgconn.ConnectError](err); isConnect {
			return "see that the server runs and can be reached from here; the plugin's block needs network = true"
		}
		return "the connection broke"
	}
	user := d.config.User
	switch code {
	case "28P01":
		return fmt.Sprintf("the password of user %q is another one: correct dsn, or PGPASSWORD in env of the plugin's block", user)
	case "28000":
		return fmt.Sprintf("the server does not let user %q in from here: see its pg_hba.conf, and sslmode in dsn", user)
	case "3D000":
		return fmt.Sprintf("make it: CREATE DATABASE %s OWNER %s, or correct dsn", quote(d.name()), quote(user))
	case "3F000":
		return "make the schema, or correct schema"
	case "42501":
		return fmt.Sprintf("user %q may not do that: GRANT USAGE, CREATE ON SCHEMA ... TO %s, and TEMPORARY on the database where key is set; "+
			"tables that another user has made need SELECT, INSERT, UPDATE, DELETE and TRUNCATE, or ALTER TABLE ... OWNER TO %s", user, quote(user), quote(user))
	case "42P01":
		return "the table was dropped while rows were written to it: begin anew with penstock run --fresh"
	case "42P16", "42P17":
		return "its partitions were not made by this plugin, or with another size: drop those that overlap, or put size back"
	case "57014":
		return "somebody has cancelled it, or a timeout that is set for the user or the database has"
	}
	return strings.TrimSpace(passing(code) + breaking(code))
}

// passing is what to do about an error that may pass.
func passing(code string) string {
	switch code {
	case "53100":
		return "the server's disk is full: make room (rows that nobody needs, old logs, archived WAL that is not fetched); it is tried again"
	case "53200":
		return "the server has run out of memory: give it more, or lower what other programs take (work_mem, max_connections); it is tried again"
	case "53300":
		return "the server has as many connections as it takes: end some (SELECT * FROM pg_stat_activity), raise max_connections, or put a pooler before it; it is tried again"
	case "25006":
		return "it may only be read: it is a standby, or default_transaction_read_only is set: name the primary in dsn, or all servers with target_session_attrs=read-write"
	case "40001", "40P01":
		return "another program writes to the same rows; it is tried again"
	case "55P03":
		return "another program has locked the table or the step: SELECT * FROM pg_stat_activity WHERE wait_event_type = 'Lock' tells which; it is tried again"
	case "57P01", "57P02", "57P03", "57P05":
		return "the server is being stopped or started; it is tried again"
	case "58030":
		return "the server's disk does not do what it should: look whether it is full, gone or broken"
	}
	return ""
}

// breaking is what to do about rows that a table does not take.
func breaking(code string) string {
	switch code {
	case "23505":
		return "a row with that key is there already: another program writes to the table, or the rows are not unique by a rule that it has: " +
			"let others write to tables of their own, set key, or drop the rule"
	case "23502", "23503", "23514", "23P01", "P0001":
		return "the table has a rule that these rows break: drop the rule, or give the step another table with tables"
	case "22P03", "22P04", "08P01":
		return "the table was changed while rows were written to it: run the pipeline again"
	case "22003":
		return "a number does not fit its column: give the column another type with types"
	case "53400":
		return "a bound that the server is configured with: raise it for the user or the database"
	case "54000":
		return "a row is larger than PostgreSQL takes: leave the column out before it comes here"
	}
	return ""
}

// quote writes a name as SQL has it.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal writes text as SQL has it, whatever the server takes backslashes for.
func literal(text string) string {
	return `E'` + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + `'`
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}
	return strings.Join(quoted, ", ")
}
