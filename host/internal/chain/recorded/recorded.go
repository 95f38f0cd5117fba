// Package recorded answers JSON-RPC calls from answers that were recorded: a
// directory of what nodes once said, to read a chain without one, or to do the
// same again and again.
//
// A directory holds, at any depth, files of two forms that others use too: JSON,
// an object {"request": …, "response": …} or a list of them; and .io, where a
// line that begins with ">>" is a request and the line with "<<" after it the
// response. Of what is there answers to other calls follow: the head, a block by
// its hash or without its transactions, receipts by the hash of their block, logs
// of ranges whose receipts are all there, and of ranges that lie in those that
// were asked for with the same filter, fees of other stretches of blocks, and
// what was asked about a block by its hash, by its number, and the other way.
//
// A Recorder writes such files.
package recorded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/penstock-io/penstock/sdk/chain"
)

// Answers is a directory of recorded answers. It is safe for concurrent use.
type Answers struct {
	dir      string
	byCall   map[string]answer // by method and canonical parameters
	byNumber map[string]answer // the same of calls that had a hash of a block, with its number
	blocks   map[uint64]block
	heights  map[string]uint64 // by the hash of a block, in lower case
	receipts map[uint64]json.RawMessage
	lists    map[string][]list          // of logs, by what was chosen
	fees     map[string]map[uint64]fees // of blocks, by the percentiles that were asked for
	last     uint64                     // the head
}

type answer struct {
	Result json.RawMessage `json:"result"`
	Error  *chain.RPCError `json:"error"`
}

// block is a block as it was recorded.
type block struct {
	raw  json.RawMessage
	hash string
	full bool // with its transactions
}

type call struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

type pair struct {
	Request  *call   `json:"request"`
	Response *answer `json:"response"`
}

// Open reads all answers of a directory.
func Open(dir string) (*Answers, error) {
	a := &Answers{
		dir: dir, byCall: map[string]answer{}, blocks: map[uint64]block{}, heights: map[string]uint64{}, receipts: map[uint64]json.RawMessage{},
		lists: map[string][]list{}, fees: map[string]map[uint64]fees{},
	}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		var pairs []pair
		switch filepath.Ext(path) {
		case ".json":
			pairs, err = readJSON(path)
		case ".io":
			pairs, err = readLines(path)
		}
		for _, p := range pairs {
			if strange := a.add(p); strange != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", path, strange))
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read recorded answers: %w", err)
	}
	if len(a.byCall) == 0 {
		return nil, fmt.Errorf("directory %s has no recorded answers: they are .json files of {\"request\": …, \"response\": …}, or .io files; penstock rpc record makes them", dir)
	}
	a.settle()
	return a, nil
}

// readJSON reads one pair or a list of them; JSON of another form is left alone.
func readJSON(path string) ([]pair, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimSpace(text)
	if len(text) > 0 && text[0] == '{' {
		text = append(append([]byte("["), text...), ']')
	}
	var pairs []pair
	if err := json.Unmarshal(text, &pairs); err != nil {
		var other any
		if json.Unmarshal(text, &other) == nil {
			return nil, nil // it is about something else
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return pairs, nil
}

func readLines(path string) ([]pair, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var (
		pairs []pair
		open  *call
		at    int
	)
	for line := range strings.Lines(string(text)) {
		at++
		if body, ok := strings.CutPrefix(line, ">>"); ok {
			open = &call{}
			err = json.Unmarshal([]byte(body), open)
		} else if body, ok := strings.CutPrefix(line, "<<"); ok && open != nil {
			p := pair{Request: open, Response: &answer{}}
			err = json.Unmarshal([]byte(body), p.Response)
			pairs, open = append(pairs, p), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, at, err)
		}
	}
	return pairs, nil
}

// add remembers an answer, and what follows from it. It refuses answers of
// another chain than those before.
func (a *Answers) add(p pair) error {
	if p.Request == nil || p.Response == nil || p.Request.Method == "" {
		return nil
	}
	key, args, err := keyOf(p.Request.Method, p.Request.Params)
	if err != nil {
		return nil //nolint:nilerr // nobody can ask it
	}
	was, known := a.byCall[key]
	if p.Request.Method == "eth_chainId" && known && !bytes.EqualFold(was.Result, p.Response.Result) {
		return fmt.Errorf("it was recorded of chain %s, and others in the directory of chain %s: keep them in directories of their own", p.Response.Result, was.Result)
	}
	if p.Request.Method == "eth_blockNumber" && known && quantity(was.Result) > quantity(p.Response.Result) {
		return nil // the later of two recordings may be of older blocks
	}
	a.byCall[key] = *p.Response
	if p.Response.Error == nil && !isNull(p.Response.Result) {
		a.derives(p, args)
	}
	return nil
}

// derives remembers what answers to other calls follow from.
func (a *Answers) derives(p pair, args []any) {
	switch p.Request.Method {
	case "eth_getBlockByNumber", "eth_getBlockByHash":
		a.addBlock(p.Response.Result)
	case "eth_getBlockReceipts":
		if number, ok := heightOf(args); ok {
			a.receipts[number] = p.Response.Result
		}
	case "eth_feeHistory":
		a.addFees(args, p.Response.Result)
	}
}

// settle finds what follows from all answers together.
func (a *Answers) settle() {
	a.findHead()
	a.renumber()
}

// findHead finds the head: the one that was recorded if its block is there, and the
// last block otherwise.
func (a *Answers) findHead() {
	said, ok := a.byCall["eth_blockNumber[]"]
	if !ok || said.Error != nil {
		return
	}
	if _, there := a.blocks[quantity(said.Result)]; there {
		a.last = quantity(said.Result)
	}
}

// quantity is a number in JSON; 0 if it is none.
func quantity(raw []byte) uint64 {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return 0
	}
	number, _ := heightOf([]any{text})
	return number
}

func (a *Answers) addBlock(raw json.RawMessage) {
	var b struct {
		Number, Hash string
		Transactions []json.RawMessage
	}
	if json.Unmarshal(raw, &b) != nil {
		return
	}
	number, err := strconv.ParseUint(b.Number, 0, 64)
	if err != nil || b.Hash == "" {
		return
	}
	full := len(b.Transactions) == 0 || bytes.HasPrefix(b.Transactions[0], []byte("{"))
	if known, ok := a.blocks[number]; !ok || full || !known.full { // what was asked for again is better
		a.blocks[number] = block{raw: raw, hash: b.Hash, full: full}
	}
	a.heights[strings.ToLower(b.Hash)] = number
	a.last = max(a.last, number)
}

// keyOf is a call in one form, however its JSON is laid out.
func keyOf(method string, params []byte) (string, []any, error) {
	args := []any{}
	if len(bytes.TrimSpace(params)) > 0 {
		if err := json.Unmarshal(params, &args); err != nil {
			return "", nil, err
		}
	}
	if args == nil {
		args = []any{} // null stands for none
	}
	text, err := json.Marshal(args)
	return method + strings.ToLower(string(text)), args, err
}

func heightOf(args []any) (uint64, bool) {
	if len(args) == 0 {
		return 0, false
	}
	text, _ := args[0].(string)
	number, err := strconv.ParseUint(text, 0, 64)
	return number, err == nil && strings.HasPrefix(text, "0x") && len(text) < 20
}

func isNull(raw json.RawMessage) bool {
	text := string(bytes.TrimSpace(raw))
	return text == "" || text == "null"
}

// Answer answers one call with what was recorded for it. An error that a node
// answered, or that says that nothing was recorded, is a *chain.RPCError. The
// latter has the code of what a node no longer has: another endpoint may, and
// asking here again would not help.
func (a *Answers) Answer(_ context.Context, method string, params []byte) ([]byte, error) {
	key, args, err := keyOf(method, params)
	if err != nil {
		return nil, &chain.RPCError{Code: -32602, Message: fmt.Sprintf("the parameters are no array: %v", err)}
	}
	if known, ok := a.known(key, method, args); ok {
		if known.Error != nil {
			return nil, known.Error
		}
		return bytes.Clone(known.Result), nil
	}
	got, err := a.derive(method, args)
	if errors.Is(err, errNotThere) {
		return nil, &chain.RPCError{Code: 4444, Message: fmt.Sprintf("no answer to %s was recorded in %s", chain.Describe(method, params), a.dir)}
	}
	return got, err
}

// known finds what was answered to a call, or to the same call about the same
// block by its hash.
func (a *Answers) known(key, method string, args []any) (answer, bool) {
	if known, ok := a.byCall[key]; ok {
		return known, true
	}
	if known, ok := a.byNumber[key]; ok {
		return known, true
	}
	other, ok := a.byItsNumber(method, args)
	if !ok {
		return answer{}, false
	}
	known, ok := a.byNumber[other]
	if !ok {
		known, ok = a.byCall[other]
	}
	return known, ok
}

// Last is the newest block that was recorded.
func (a *Answers) Last() uint64 { return a.last }
