package main

import (
	"bufio"
	"errors"
	"os"
	"runtime"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"
)

// piece is a row group that is being made, in memory: encoded and compressed
// page by page, so that it takes about the room that it will take on the disk.
type piece struct {
	kept   *kept
	writer *parquet.GenericWriter[any]
	out    target
	rows   int64
}

// target is where a row group goes when it is whole.
type target struct{ file *bufio.Writer }

func (t *target) Write(b []byte) (int, error) { return t.file.Write(b) }

// dictionaryBytes is how large the dictionary of a column in a row group may
// become; values beyond it stand for themselves.
const dictionaryBytes = 2 << 20

// newPiece begins a row group whose rows are like those of a batch.
func newPiece(set *settings, k *kept, sorting []parquet.SortingColumn, like arrow.RecordBatch) (*piece, error) {
	worth := make([]bool, len(k.leaves))
	for i, l := range k.leaves {
		if !l.bytes {
			continue
		}
		var err error
		if worth[i], err = l.repeats(like); err != nil {
			return nil, err
		}
	}
	p := &piece{kept: k}
	options := []parquet.WriterOption{
		k.schema(func(l *leaf) bool { return worth[l.index] }),
		parquet.Compression(set.codec()),
		parquet.DictionaryMaxBytes(dictionaryBytes),
		parquet.DataPageStatistics(set.Statistics),
		parquet.CreatedBy("penstock", "parquet", "1"),
		parquet.SortingWriterConfig(parquet.SortingColumns(sorting...)),
	}
	var filters []parquet.BloomFilterColumn
	for _, l := range k.leaves {
		if !set.Statistics {
			options = append(options, parquet.SkipPageBounds(l.names()...))
		}
		if set.filters(l.path[0].name) {
			filters = append(filters, parquet.SplitBlockFilter(10, l.names()...))
		}
	}
	options = append(options, parquet.BloomFilters(filters...))
	p.writer = parquet.NewGenericWriter[any](&p.out, options...)
	return p, nil
}

// names is the path of a column in a Parquet schema.
func (l *leaf) names() []string {
	var names []string
	for _, t := range l.path {
		names = append(names, t.name)
		if t.element != nil {
			names = append(names, "list")
		}
	}
	return names
}

// few is for how many rows other goroutines are not worth waking.
const few = 256

// add encodes the rows of a batch, several columns at a time.
func (p *piece) add(record arrow.RecordBatch) error {
	columns := p.writer.ColumnWriters()
	p.rows += record.NumRows()
	if record.NumRows() < few {
		for i := range columns {
			if err := p.column(columns[i], i, record); err != nil {
				return err
			}
		}
		return nil
	}
	var next atomic.Int64
	var g errgroup.Group
	for range min(runtime.GOMAXPROCS(0), len(columns), 4) {
		g.Go(func() error {
			for i := int(next.Add(1)) - 1; i < len(columns); i = int(next.Add(1)) - 1 {
				if err := p.column(columns[i], i, record); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (p *piece) column(w *parquet.ColumnWriter, i int, record arrow.RecordBatch) error {
	values, err := p.kept.leaves[i].encode(record)
	if err != nil {
		return err
	}
	if _, err := w.WriteRowValues(values); err != nil {
		return stopf("encode column %s: %w", p.kept.leaves[i].path[0].name, err)
	}
	return nil
}

// write writes the row group as a Parquet file of its own, and returns it open:
// it is not on the disk yet.
func (p *piece) write(path string) (file *os.File, size int64, err error) {
	file, err = os.Create(path)
	if err != nil {
		return nil, 0, explain("make", path, err)
	}
	p.out.file = bufio.NewWriterSize(file, 256<<10)
	err = p.writer.Close()
	if err == nil {
		err = p.out.file.Flush()
	}
	if err == nil {
		var info os.FileInfo
		if info, err = file.Stat(); err == nil {
			return file, info.Size(), nil
		}
	}
	return nil, 0, errors.Join(explain("write", path, err), file.Close(), os.Remove(path))
}
