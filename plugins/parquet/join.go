package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// join makes one Parquet file of pieces, each of which is one: their row groups
// are copied as they are, and only what says where they lie is written anew.
type join struct {
	out   *bufio.Writer
	at    int64 // bytes so far
	meta  format.FileMetaData
	index []format.ColumnIndex // of all columns of all row groups
	pages []format.OffsetIndex
}

var magic = []byte("PAR1")

// joined is a file that was made of pieces.
type joined struct {
	rows, bytes int64
	sha256      string
}

// joinPieces writes the file to a path, and waits for the disk. The labels stand
// in it.
func joinPieces(path string, pieces []string, labels [][2]string) (joined, error) {
	f, err := os.Create(path)
	if err != nil {
		return joined{}, explain("make", path, err)
	}
	sum := sha256.New()
	j := &join{out: bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<20)}
	for _, l := range labels {
		j.meta.KeyValueMetadata = append(j.meta.KeyValueMetadata, format.KeyValue{Key: l[0], Value: l[1]})
	}
	if err := j.write(path, pieces); err != nil {
		return joined{}, errors.Join(err, f.Close(), os.Remove(path))
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return joined{}, errors.Join(explain("write", path, err), os.Remove(path))
	}
	return joined{rows: j.meta.NumRows, bytes: j.at, sha256: hex.EncodeToString(sum.Sum(nil))}, nil
}

func (j *join) write(path string, pieces []string) error {
	if err := j.put(magic); err != nil {
		return explain("write", path, err)
	}
	for _, piece := range pieces {
		if err := j.take(path, piece); err != nil {
			return err
		}
	}
	if err := j.finish(); err != nil {
		return explain("write", path, err)
	}
	return nil
}

func (j *join) put(b []byte) error {
	n, err := j.out.Write(b)
	j.at += int64(n)
	return err
}

// take copies the row groups of a piece.
func (j *join) take(path, piece string) error {
	f, err := os.Open(piece)
	if err != nil {
		return explain("read", piece, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return explain("read", piece, err)
	}
	p, err := parquet.OpenFile(f, info.Size(), parquet.SkipBloomFilters(true))
	if err != nil {
		return damaged(piece, err)
	}
	meta := p.Metadata()
	end := j.data(meta)
	if end < int64(len(magic)) || end > info.Size() {
		return damaged(piece, errors.New("its row groups lie outside of it"))
	}
	shift := j.at - int64(len(magic))
	n, err := io.Copy(j.out, io.NewSectionReader(f, int64(len(magic)), end-int64(len(magic))))
	j.at += n
	if err != nil {
		return explain("write", path, err)
	}
	j.note(meta, shift)
	index, pages := p.ColumnIndexes(), p.OffsetIndexes()
	for i := range pages {
		for k := range pages[i].PageLocations {
			pages[i].PageLocations[k].Offset += shift
		}
	}
	j.index, j.pages = append(j.index, index...), append(j.pages, pages...)
	return nil
}

// data is where the row groups of a piece end and the indexes begin.
func (j *join) data(meta *format.FileMetaData) int64 {
	end := int64(0)
	for _, g := range meta.RowGroups {
		for _, c := range g.Columns {
			if end == 0 || c.ColumnIndexOffset > 0 && c.ColumnIndexOffset < end {
				end = c.ColumnIndexOffset
			}
		}
	}
	return end
}

// note adds what a piece says of its row groups, which lie elsewhere now.
func (j *join) note(meta *format.FileMetaData, shift int64) {
	if j.meta.Schema == nil {
		j.meta.Version, j.meta.Schema, j.meta.CreatedBy, j.meta.ColumnOrders = meta.Version, meta.Schema, meta.CreatedBy, meta.ColumnOrders
	}
	j.meta.NumRows += meta.NumRows
	for _, g := range meta.RowGroups {
		g.Ordinal = int16(len(j.meta.RowGroups))
		move(&g.FileOffset, shift)
		for i := range g.Columns {
			c := &g.Columns[i]
			move(&c.FileOffset, shift)
			move(&c.MetaData.DataPageOffset, shift)
			move(&c.MetaData.DictionaryPageOffset, shift)
			move(&c.MetaData.IndexPageOffset, shift)
			move(&c.MetaData.BloomFilterOffset, shift)
		}
		j.meta.RowGroups = append(j.meta.RowGroups, g)
	}
}

// move moves an offset; 0: there is nothing.
func move(offset *int64, by int64) {
	if *offset > 0 {
		*offset += by
	}
}

// finish writes indexes and the footer.
func (j *join) finish() error {
	protocol := new(thrift.CompactProtocol)
	each := func(write func(c *format.ColumnChunk, n int) error) error {
		n := 0
		for g := range j.meta.RowGroups {
			for i := range j.meta.RowGroups[g].Columns {
				if err := write(&j.meta.RowGroups[g].Columns[i], n); err != nil {
					return err
				}
				n++
			}
		}
		return nil
	}
	put := func(v any) (offset int64, length int32, err error) {
		b, err := thrift.Marshal(protocol, v)
		if err != nil {
			return 0, 0, err
		}
		offset = j.at
		return offset, int32(len(b)), j.put(b)
	}
	err := each(func(c *format.ColumnChunk, n int) (err error) {
		c.ColumnIndexOffset, c.ColumnIndexLength, err = put(&j.index[n])
		return err
	})
	if err == nil {
		err = each(func(c *format.ColumnChunk, n int) (err error) {
			c.OffsetIndexOffset, c.OffsetIndexLength, err = put(&j.pages[n])
			return err
		})
	}
	if err != nil {
		return err
	}
	_, length, err := put(&j.meta)
	if err != nil {
		return err
	}
	if err := j.put(append(binary.LittleEndian.AppendUint32(nil, uint32(length)), magic...)); err != nil {
		return err
	}
	return j.out.Flush()
}
