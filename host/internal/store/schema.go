package store

import (
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"
)

// schema is the version of the file's layout that this host writes. It is
// raised when an older host could no longer make sense of the file.
//
//	1  the numbers of registers
//	2  and domains, each with checkpoints, snapshots, notes and dead letters; and the shared state of pipelines, which older hosts leave alone
const schema = 2

var (
	metaBucket = []byte("penstock")
	schemaKey  = []byte("schema")
)

var errForeign = fmt.Errorf("%s is a database of another program; move it away, or choose another directory with --data-dir", fileName)

// layOut makes what a file must have in one that is empty, and does nothing to
// any other.
func layOut(tx *bbolt.Tx) error {
	if !isEmpty(tx) {
		return nil
	}
	meta, err := tx.CreateBucket(metaBucket)
	if err != nil {
		return err
	}
	if err := meta.Put(schemaKey, []byte(strconv.Itoa(schema))); err != nil {
		return err
	}
	for _, name := range [][]byte{numbersBucket, domainsBucket} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return nil
}

// isEmpty tells whether nothing was ever laid out.
func isEmpty(tx *bbolt.Tx) bool {
	name, _ := tx.Cursor().First()
	return name == nil
}

// read checks that a file is ours and of a layout that is known, and reads what
// is asked for often.
func read(tx *bbolt.Tx, into *numbers) (version int, err error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		return 0, errForeign
	}
	version, err = strconv.Atoi(string(meta.Get(schemaKey)))
	if err != nil || version < 1 {
		return 0, errForeign
	}
	if version > schema {
		return version, fmt.Errorf("it was written by a newer penstock (layout %d, this one knows up to %d); run that version, or choose another directory with --data-dir",
			version, schema)
	}
	if version > 1 && tx.Bucket(domainsBucket) == nil {
		return version, errForeign
	}
	return version, into.load(tx)
}

// migrate brings a file that an older host wrote to the layout of this one,
// within the transaction that found it.
func migrate(tx *bbolt.Tx, version int) error {
	if version == schema {
		return nil
	}
	if _, err := tx.CreateBucket(domainsBucket); err != nil {
		return err
	}
	return tx.Bucket(metaBucket).Put(schemaKey, []byte(strconv.Itoa(schema)))
}
