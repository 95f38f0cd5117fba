package store

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

// castagnoli is the polynomial of every checksum in the file.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumLen is the length of a checksum before what it covers, in hex, and a space.
const sumLen = 9

// seal encodes a value as JSON behind a checksum, which also covers the key: a
// record in the wrong place is as good as a damaged one.
func seal(key []byte, value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, 0, sumLen+len(text))
	return append(append(sealed, sealSum(key, text)...), text...), nil
}

// unseal decodes what seal has encoded under the same key.
func unseal(key, sealed []byte, into any) error {
	if len(sealed) < sumLen {
		return errors.New("it is cut short")
	}
	sum, text := string(sealed[:sumLen]), sealed[sumLen:]
	if want := sealSum(key, text); sum != want {
		return fmt.Errorf("its checksum is %s instead of %s", sum[:sumLen-1], want[:sumLen-1])
	}
	return json.Unmarshal(text, into)
}

func sealSum(key, text []byte) string {
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, text)
	return hex.EncodeToString(binary.BigEndian.AppendUint32(nil, sum)) + " "
}

// DamageError tells that something in the data directory is not what was once
// written there.
type DamageError struct {
	Dir   string
	What  string // such as: checkpoint 7 of domain "main"
	Cause error
	Way   string // out of it; empty where nothing is left but to begin anew
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("data directory %s: %s in %s is damaged (%v); %s",
		e.Dir, e.What, fileName, e.Cause, cmp.Or(e.Way, "begin anew with --fresh, or put a copy of the file back"))
}

func (e *DamageError) Unwrap() error { return e.Cause }
