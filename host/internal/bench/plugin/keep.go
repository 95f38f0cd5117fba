package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/penstock-io/penstock/host/internal/bench/mark"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/eth"
)

// keep is a loader that commits: how far it came is on the disk when Commit
// returns. It tells the benchmark what it was given and what it has committed.
type keep struct {
	Path string `hcl:"path,optional,writes" doc:"the file in which it keeps how far it came; \"\": none"`
	Tell string `hcl:"tell,optional" doc:"the socket of the benchmark"`

	generation uint64
	rows       uint64
	block      uint64 // of the newest row
	file       *os.File
	teller     mark.Teller
}

func (k *keep) Start(_ context.Context, start sdk.Start) (err error) {
	k.generation = start.Generation
	if k.teller, err = mark.Dial(k.Tell); err != nil {
		return err
	}
	if k.Path == "" {
		return nil
	}
	if k.file, err = os.OpenFile(k.Path, os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		return fmt.Errorf("open the file of rows: %w", err)
	}
	return nil
}

func (k *keep) Load(_ context.Context, rows []eth.Log) error {
	k.rows += uint64(len(rows))
	k.block = rows[len(rows)-1].BlockNumber
	return k.teller.Tell(mark.Loaded, k.generation, k.block)
}

func (k *keep) Commit(_ context.Context, c sdk.Commit) error {
	if k.file != nil {
		account := binary.BigEndian.AppendUint64(nil, c.Checkpoint)
		account = binary.BigEndian.AppendUint64(account, k.rows)
		account = binary.BigEndian.AppendUint64(account, k.block)
		if _, err := k.file.WriteAt(account, 0); err != nil {
			return fmt.Errorf("write how many rows came: %w", err)
		}
		if err := k.file.Sync(); err != nil {
			return fmt.Errorf("write how many rows came: %w", err)
		}
	}
	return k.teller.Tell(mark.Committed, k.generation, k.block)
}

func (k *keep) Close() error {
	err := k.teller.Close()
	if k.file != nil {
		err = errors.Join(err, k.file.Close())
	}
	return err
}
