package store

import (
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"
)

// schema is the version of the file's layout that this host writes. It is
// raised when an older host could no longer make sense of the file.
const schema = 1

var (
	metaBucket = []byte("penstock")
	schemaKey  = []byte("schema")
)

var errForeign = fmt.Errorf("%s is a database of another program; move it away, or choose another directory with --data-dir", fileName)

// layOut makes what a file must have in one that is empty, and does nothing to
// any other.
func layOut(tx *bbolt.Tx) error {
	if name, _ := tx.Cursor().First(); name != nil {
		return nil
	}
	meta, err := tx.CreateBucket(metaBucket)
	if err != nil {
		return err
	}
	if err := meta.Put(schemaKey, []byte(strconv.Itoa(schema))); err != nil {
		return err
	}
	_, err = tx.CreateBucket(numbersBucket)
	return err
}

// read checks that a file is ours and of a layout that is known, and reads what
// is asked for often.
func read(tx *bbolt.Tx, into *numbers) error {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		return errForeign
	}
	version, err := strconv.Atoi(string(meta.Get(schemaKey)))
	if err != nil || version < 1 {
		return errForeign
	}
	if version > schema {
		return fmt.Errorf("it was written by a newer penstock (layout %d, this one knows up to %d); run that version, or choose another directory with --data-dir",
			version, schema)
	}
	return into.load(tx)
}
