// Package era answers JSON-RPC calls from era1 files: the history of a chain
// before its merge, in files of 8,192 blocks with receipts that anybody can keep
// and verify, whatever nodes have pruned (EIP-4444).
//
// It knows what can be read off such files: blocks, receipts and logs. A file's
// headers are checked against its accumulator root when it is first used;
// everything else follows from the headers' roots, which readers verify as they
// do with every answer.
package era

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
)

// Files is a directory of era1 files. It is safe for concurrent use.
type Files struct {
	dir    string
	config *params.ChainConfig
	files  []*checked // in the order of their blocks, without gaps

	mu     sync.Mutex // protects the fields below
	byHash map[common.Hash]uint64
	order  []common.Hash // of byHash, the oldest first
}

// checked is a file that is verified once, when it is first used.
type checked struct {
	*file
	once sync.Once
	err  error
}

// Open opens the era1 files of a directory, which have to be of one network and
// follow one another.
func Open(dir string) (*Files, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for era1 files: %w", err)
	}
	f := &Files{dir: dir, byHash: map[common.Hash]uint64{}}
	network := ""
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".era1")
		if !ok || e.IsDir() {
			continue
		}
		opened, err := openFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		f.files = append(f.files, &checked{file: opened})
		of, _, _ := strings.Cut(name, "-")
		if network != "" && of != network {
			return nil, errors.Join(fmt.Errorf("directory %s has era1 files of %s and of %s: give each network a directory of its own", dir, network, of), f.Close())
		}
		network = of
	}
	if len(f.files) == 0 {
		return nil, fmt.Errorf("directory %s has no era1 files: they are named like mainnet-00000-5ec1ffb8.era1", dir)
	}
	if err := f.inOrder(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	f.config = configOf(network)
	return f, nil
}

func (f *Files) inOrder() error {
	slices.SortFunc(f.files, func(a, b *checked) int {
		if a.first < b.first {
			return -1
		}
		return 1
	})
	for i := 1; i < len(f.files); i++ {
		if before := f.files[i-1]; before.last()+1 != f.files[i].first {
			return fmt.Errorf("era1 files of %s: %s ends with block %d and %s begins with block %d: put the files between them there too",
				f.dir, before.name, before.last(), f.files[i].name, f.files[i].first)
		}
	}
	return nil
}

// configOf is the rules of a network, by which senders and prices are derived.
func configOf(network string) *params.ChainConfig {
	switch network {
	case "mainnet":
		return params.MainnetChainConfig
	case "sepolia":
		return params.SepoliaChainConfig
	default:
		return params.AllDevChainProtocolChanges
	}
}

// Close closes the files.
func (f *Files) Close() error {
	var errs []error
	for _, file := range f.files {
		errs = append(errs, file.from.Close())
	}
	return errors.Join(errs...)
}

// First and Last are the first block that the files have and the last.
func (f *Files) First() uint64 { return f.files[0].first }

// Last is the last block that the files have.
func (f *Files) Last() uint64 { return f.files[len(f.files)-1].last() }

// find is the file that has a block, nil if none does.
func (f *Files) find(number uint64) (*file, error) {
	for _, c := range f.files {
		if number >= c.first && number <= c.last() {
			c.once.Do(func() { c.err = c.verify() })
			return c.file, c.err
		}
	}
	return nil, nil
}

// remember keeps the hash of a block that was asked for: what follows may ask for
// it by hash.
func (f *Files) remember(hash common.Hash, number uint64) {
	const most = 1 << 16
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.byHash[hash]; known {
		return
	}
	if len(f.order) >= most {
		delete(f.byHash, f.order[0])
		f.order = f.order[1:]
	}
	f.byHash[hash] = number
	f.order = append(f.order, hash)
}

func (f *Files) numberOf(hash common.Hash) (uint64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := f.byHash[hash]
	return n, ok
}
