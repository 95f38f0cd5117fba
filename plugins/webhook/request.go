package main

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/gather"
)

// request is rows of one input that follow each other, while they are gathered.
type request struct {
	input    int
	gathered gather.Batch
	body     []byte // without its end
	first    sdk.Key
	digests  hash.Hash // of the digests of its rows
}

func (r *request) add(index int, head string, key sdk.Key, line []byte, now time.Time) {
	if r.gathered.Rows == 0 {
		r.input, r.first, r.digests = index, key, sha256.New()
		r.body = append(r.body, head...)
	} else {
		r.body = append(r.body, ',')
	}
	r.body = append(r.body, line...)
	r.digests.Write(key.Digest[:])
	r.gathered.Add(len(line), now)
}

// parcel is a request as it is sent, however often.
type parcel struct {
	key   string // names exactly its rows
	input string // the step that they come from
	first uint64 // number of the first
	rows  int
	body  []byte
}

// parcel is what was gathered. Its key is that of the first row, with a digest of
// all, and their number.
func (r *request) parcel() parcel {
	if r.gathered.Rows == 0 {
		return parcel{}
	}
	key := r.first
	copy(key.Digest[:], r.digests.Sum(nil))
	return parcel{
		key: fmt.Sprintf("%s/%d", key, r.gathered.Rows), input: key.Input, first: key.Row, rows: r.gathered.Rows,
		body: append(r.body, "]}\n"...),
	}
}
