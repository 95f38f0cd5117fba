package sdk

import (
	"net/url"
	"slices"
	"strconv"
)

// Keys names rows, for loaders that cannot take back what they have sent: a
// receiver that remembers keys keeps every row once, however often it comes.
// Begin is called in Start, Next for each row in Load, Commit in Commit once
// the rows are with their receiver.
//
// What it promises, where all three are called like that:
//
//   - A row that comes again after a crash, of this process or of its host, has
//     the key that it had before. Both go on from the newest checkpoint that is
//     recorded, and no row after a checkpoint is sent before it is.
//   - Two rows that are not the same have different keys, also those of two
//     steps or pipelines of one data directory. After a reorganisation other
//     rows may follow a checkpoint than before: their keys differ in Forks.
//
// What it does not: rows that a reorganisation has undone stay with the
// receiver, and where a host goes further back than to its newest checkpoint,
// rows come again under other keys. Loaders of final data see no
// reorganisations. A domain that is begun anew counts from the beginning again,
// so its receivers have to forget the keys that they know.
//
// The zero Keys is ready for Begin. It is for one goroutine at a time.
type Keys struct {
	last []Key // of each input; Sequence is 0 before its first row
}

// Begin counts from the checkpoint that a process begins at.
func (k *Keys) Begin(start Start) {
	k.last = make([]Key, len(start.Inputs))
	for i, in := range start.Inputs {
		k.last[i] = Key{
			Domain: start.Domain, Step: start.Step, Checkpoint: start.Checkpoint, Forks: start.Forks, Input: in.Name,
		}
	}
}

// Next is the key of the next row of an input, which indexes Start.Inputs. It
// has to be called once for every row, also for those that are left out.
func (k *Keys) Next(input int) Key {
	k.last[input].Sequence++
	return k.last[input]
}

// Commit counts from a checkpoint on. Commits that are not part of one change
// nothing.
func (k *Keys) Commit(c Commit) {
	if c.Checkpoint == 0 {
		return
	}
	for i := range k.last {
		k.last[i].Checkpoint, k.last[i].Sequence = c.Checkpoint, 0
	}
}

// Key names one row. Keys can be compared.
type Key struct {
	Domain, Step string
	Checkpoint   uint64 // the last one before the row; 0: none
	Forks        uint64 // how often the domain had been taken back by a reorganisation
	Input        string
	Sequence     uint64 // of the rows of the input since the checkpoint, from 1
}

// String is the key in printable ASCII without spaces, as headers and columns
// take it: domain/step/checkpoint/forks/input/sequence. Names are escaped as in
// a URL, so that no two keys have the same text.
func (k Key) String() string {
	return string(k.Append(make([]byte, 0, 64)))
}

// Append appends the text of the key to dst.
func (k Key) Append(dst []byte) []byte {
	dst = slices.Grow(dst, len(k.Domain)+len(k.Step)+len(k.Input)+24)
	dst = append(append(dst, url.PathEscape(k.Domain)...), '/')
	dst = append(append(dst, url.PathEscape(k.Step)...), '/')
	dst = append(strconv.AppendUint(dst, k.Checkpoint, 10), '/')
	dst = append(strconv.AppendUint(dst, k.Forks, 10), '/')
	dst = append(append(dst, url.PathEscape(k.Input)...), '/')
	return strconv.AppendUint(dst, k.Sequence, 10)
}
