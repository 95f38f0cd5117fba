package sdk

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
)

// Keys names rows, for loaders that cannot take back what they have sent: a
// receiver that remembers keys keeps every row once, however often it comes.
// Begin is called in Start, and Next for each row in Load.
//
// A key has the number of the row on its input, counted since the domain began,
// and a digest of what is in the row. What that promises:
//
//   - A row that comes again after a crash, of this process or of its host, has
//     the key that it had before, whatever happened in between: crashes,
//     checkpoints at other places, a chain that reorganised.
//   - Two rows of one data directory that have the same key are the same: they
//     have the same content and the same place on the same input of the same
//     step. Rows that are equal and follow each other have different keys.
//   - After a reorganisation, and also in a domain that was begun anew, rows
//     that are the same at the same place have the same keys, and all others
//     different ones. A reorganisation that nobody noticed, because it happened
//     between a crash and what came after it, makes no difference.
//
// What it does not: rows that a reorganisation has undone stay with the
// receiver, unless it takes them out itself: where a row comes with the number
// of one that is not the same, that one and all with greater numbers on the same
// input are undone. It has to forget their keys with them, for what still holds
// of them comes again. Loaders of final data see no reorganisations.
//
// Where a row is left out because it breaks a process, this one or one before it,
// the rows after it may have other numbers when they come again: they have other
// keys then, and a receiver keeps them twice.
//
// The zero Keys is ready for Begin. It is for one goroutine at a time.
type Keys struct {
	next []Key // of each input, without a digest
}

// Begin counts from the checkpoint that a process begins at.
func (k *Keys) Begin(start Start) {
	k.next = make([]Key, len(start.Inputs))
	for i, in := range start.Inputs {
		k.next[i] = Key{Domain: start.Domain, Step: start.Step, Input: in.Name, Row: in.Rows}
	}
}

// Next is the key of the next row of an input, which indexes Start.Inputs. It
// has to be called once for every row in order, also for those that the loader
// leaves out. The content is any bytes that are the same for the same rows and
// for no others, such as what the loader makes of the row; a later version of
// it that makes something else of rows gives them other keys. Next does not
// keep it.
func (k *Keys) Next(input int, content []byte) Key {
	key := k.next[input]
	k.next[input].Row++
	sum := sha256.Sum256(content)
	copy(key.Digest[:], sum[:])
	return key
}

// Key names one row. Keys can be compared.
type Key struct {
	Domain, Step string
	Input        string
	Row          uint64   // its number on the input since the domain began, from 0
	Digest       [16]byte // of its content: the first half of the SHA-256
}

// String is the key in printable ASCII without spaces, as headers and columns
// take it: domain/step/input/row/digest. Names are escaped as in a URL, so that
// no two keys have the same text; the digest is in hexadecimal.
func (k Key) String() string {
	return string(k.Append(make([]byte, 0, 96)))
}

// Append appends the text of the key to dst.
func (k Key) Append(dst []byte) []byte {
	dst = slices.Grow(dst, len(k.Domain)+len(k.Step)+len(k.Input)+2*len(k.Digest)+24)
	for _, name := range [...]string{k.Domain, k.Step, k.Input} {
		dst = append(append(dst, url.PathEscape(name)...), '/')
	}
	dst = append(strconv.AppendUint(dst, k.Row, 10), '/')
	return hex.AppendEncode(dst, k.Digest[:])
}
