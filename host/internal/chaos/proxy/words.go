package proxy

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// rpcError is an error as JSON-RPC has it.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// What providers say when they do not want to right now.
var refusals = []rpcError{
	{-32005, "daily request count exceeded, request rate limited"},
	{429, "Your app has exceeded its compute units per second capacity. If you have retries enabled, you can safely ignore this message."},
	{-32007, "50/second request limit reached - reduce calls per second"},
	{-32000, "header not found"},
	{-32000, "request timed out"},
	{-32603, "internal error"},
	{-32603, "upstream connect error or disconnect/reset before headers"},
	{-32090, "Too many requests, reason: call rate limit exhausted, retry in 10s"},
}

// What providers say when they want a smaller range without saying how small.
var surfeits = []rpcError{
	{-32005, "query returned more than 10000 results"},
	{-32000, "query timeout exceeded. Consider reducing your block range."},
	{-32000, "logs matched by query exceeds limit of 10000"},
	{-32602, "block range is too wide"},
	{-32000, "backend response too large"},
	{-32011, "no backend is currently healthy to serve traffic"},
	{-32614, "eth_getLogs: response is too big, range threshold exceeded"},
}

// How providers say how many blocks one eth_getLogs may be about. N, R, FROM,
// TO and LAST stand for numbers: the limit, the range that was asked for and a
// range that would do.
var wordings = []rpcError{
	{-32602, "exceed maximum block range N"},
	{-32000, "eth_getLogs is limited to a N block range"},
	{-32000, "please limit the query to at most N blocks"},
	{-32602, "range R exceeds limit of N"},
	{-32000, "Maximum allowed number of requested blocks is N"},
	{-32005, "query returned more than 10000 results. Try with this block range [FROM, LAST]."},
	{-32602, "Log response size exceeded. You can make eth_getLogs requests with up to a N block range and no limit on the response size. " +
		"Based on your parameters, this block range should work: [FROM, LAST]"},
	{-32000, "block range too large, maximum allowed is N blocks"},
}

// limit is how many blocks one eth_getLogs may be about.
type limit struct {
	blocks uint64
	words  rpcError
}

// limits are the ranges that a node may take; 0 is any.
var limits = []uint64{0, 0, 3, 10, 50}

// drawLimit is the limit of a seed, nil if it has none.
func drawLimit(seed uint64) *limit {
	rng := rand.New(rand.NewPCG(seed, 0))
	l := limit{blocks: limits[rng.IntN(len(limits))], words: wordings[rng.IntN(len(wordings))]}
	if l.blocks == 0 {
		return nil
	}
	return &l
}

// refuse is what a node with the limit says of a range, nil if it takes it.
func (l *limit) refuse(from, to uint64) *rpcError {
	if l == nil || to < from || to-from < l.blocks {
		return nil
	}
	words := strings.NewReplacer(
		"FROM", fmt.Sprintf("%#x", from), "LAST", fmt.Sprintf("%#x", from+l.blocks-1),
		" N", fmt.Sprintf(" %d", l.blocks), " R ", fmt.Sprintf(" %d ", to-from+1),
	)
	return &rpcError{l.words.Code, words.Replace(l.words.Message)}
}
