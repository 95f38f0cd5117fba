// Command postgres keeps rows in a PostgreSQL database, one table for each step that it reads.
//
// Rows are sent as they come, in one transaction from the first row to the commit that the host asks for at safe points, so that whoever
// reads the tables sees whole blocks only. They go from Arrow's columns straight into PostgreSQL's binary COPY.
//
// Every row is there once, whatever dies. The first column of a table, penstock_row, numbers its rows from 1 in the order they came. At a
// checkpoint the number of the last row is kept in the same transaction as the rows, and a pipeline that goes on from there removes the
// rows after it first, as they come again. With key, a row replaces the one that has the same key; what it replaces is kept in penstock_undo
// until no checkpoint can be gone back to at which it was there, and a rewind puts it back. A commit whose answer was lost is looked for
// in the books when the connection is there again.
//
// The tables penstock_steps, penstock_tables, penstock_checkpoints and penstock_undo keep account of that. A table has one writer, the rows
// of a step come from one chain, and of several processes that write a step only the one that was opened last can: it ends the connection of
// one that does not know yet that it is dead.
//
// docs/postgres.md says which types columns have, and what happens when something goes wrong.
package main

import "github.com/penstock-io/penstock/sdk"

func main() { sdk.Serve(register(defaults())) }

func register(settings settings) sdk.Register {
	return sdk.BatchLoader("postgres", &loader{settings: settings}).
		Doc("Keeps rows in a PostgreSQL database, one table for each step it reads; with TimescaleDB where it is there.").
		Truncates().
		Network()
}
