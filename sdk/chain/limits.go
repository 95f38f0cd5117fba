package chain

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// Limit is what a node said about how many blocks it lets one eth_getLogs span. At
// most one half is set.
type Limit struct {
	Blocks   uint64 // it takes at most so many
	From, To uint64 // it takes this range, both inclusive; To is 0 if it did not say
}

// LimitOf finds the limit that an error states, or that its provider is known to
// mean; the zero Limit if there is none.
func LimitOf(err error) Limit {
	return LimitBelow(err, 1<<63)
}

// LimitBelow is LimitOf where a range of so many blocks was asked for: a limit that
// the range keeps to says nothing, so then it is the zero Limit.
func LimitBelow(err error, asked uint64) Limit {
	told, ok := errors.AsType[*RPCError](err)
	if !ok {
		return Limit{}
	}
	text := told.text()
	if l := suggested(text, told.Data); l.To > 0 {
		if l.To-l.From < asked-min(asked, 1) {
			return l
		}
		return Limit{}
	}
	if blocks := stated(text); blocks > 0 {
		if blocks < asked {
			return Limit{Blocks: blocks}
		}
		return Limit{}
	}
	for _, u := range unstated {
		if !u.text.MatchString(text) {
			continue
		}
		for _, blocks := range u.blocks {
			if blocks < asked {
				return Limit{Blocks: blocks}
			}
		}
	}
	return Limit{}
}

// text is all that the node wrote: some say what counts in the data.
func (e *RPCError) text() string {
	const most = 16 << 10 // what is longer repeats the request or holds a page
	text := e.Message[:min(len(e.Message), most)]
	data := bytes.TrimSpace(e.Data)
	if len(data) > 0 && (data[0] == '"' || data[0] == '{') && bytes.ContainsAny(data[:min(len(data), most)], " ") {
		text += " " + string(data[:min(len(data), most)])
	}
	return text
}

// block is the number of one, as providers write it in a suggestion.
const block = `(0x[0-9a-f]+|\d+)`

// Suggestions of a range that would work, in the words of Alchemy; of Infura,
// zkSync, thirdweb and Tenderly; of reth, drpc and others.
var suggestions = []*regexp.Regexp{
	regexp.MustCompile(`(?i)this block range should work:?\s*\[\s*` + block + `\s*,\s*` + block + `\s*\]`),
	regexp.MustCompile(`(?i)try with this block range:?\s*\[\s*` + block + `\s*,\s*` + block + `\s*\]`),
	regexp.MustCompile(`(?i)retry with (?:the |this )?(?:block )?range:?\s*` + block + `\s*(?:-|to|\.\.)\s*` + block),
}

func suggested(text string, data []byte) Limit {
	for _, re := range suggestions {
		if m := re.FindStringSubmatch(text); m != nil {
			return suggestion(m[1], m[2])
		}
	}
	var ends struct{ From, To string }
	if bytes.HasPrefix(data, []byte("{")) && json.Unmarshal(data, &ends) == nil && ends.From != "" && ends.To != "" && tooMuch.MatchString(text) {
		return suggestion(ends.From, ends.To) // Infura has it there too
	}
	return Limit{}
}

// number is a count of blocks: 2000, 10,000, 10_000, 10'000, 10k.
const number = `(\d[\d,_']*(?: ?k\b)?)`

// Statements of a limit. Where a provider counts the distance and not the blocks,
// or may, one less is asked for.
var statements = []struct {
	text *regexp.Regexp
	less uint64
}{
	{statement(`up to an? N[- ]block range`), 0},                                                        // Alchemy, Aurora
	{statement(`requested too many blocks .*set to N`), 1},                                              // Avalanche
	{statement(`max(?:imum)? range:? N`), 1},                                                            // Cloudflare
	{statement(`number of requested blocks is N`), 0},                                                   // thirdweb
	{statement(`limited to (?:an? )?N[- ](?:blocks?|range)`), 0},                                        // QuickNode, 1RPC, Blast, BlockPI
	{statement(`range allowed for your plan \(\d[\d,_']* > N\)`), 0},                                    // Blast
	{statement(`limit the query to at most N blocks`), 0},                                               // Coinbase
	{statement(`max(?:imum)? (?:allowed )?block range(?: is)?:? N`), 0},                                 // publicnode, Hyperliquid, reth, go-ethereum, Tron, BNB
	{statement(`block range greater than N`), 0},                                                        // Swell
	{statement(`block range (?:limit )?exceed(?:s|ed):? (?:limit (?:of )?)?N`), 0},                      // Somnia
	{statement(`block range (?:is )?too (?:wide|large|big)[^\d]*\(?max(?:imum)?[^\d]*N`), 0},            // Moonriver, Merkle, Base, Monad
	{statement(`must be smaller than size N`), 1},                                                       // Harmony
	{statement(`\[from, ?to\] blocks distance:? N`), 0},                                                 // Ankr on TAC, Cronos
	{statement(`range (?:of )?\d[\d,_']* (?:blocks )?exceeds (?:the )?(?:limit|maximum) (?:of )?N`), 0}, // Infura
	{statement(`range is too large, max is N`), 0},                                                      // Merkle
	{statement(`maximum allowed is N blocks`), 0},                                                       // Base, Monad
	{statement(`ranges? over N blocks (?:are|is) not supported`), 0},                                    // dRPC
}

func statement(text string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)` + strings.ReplaceAll(text, "N", number))
}

func stated(text string) uint64 {
	for _, s := range statements {
		m := s.text.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		if blocks, ok := count(m[1]); ok {
			return max(1, blocks-min(blocks, s.less))
		}
	}
	return 0
}

// Limits that providers have and do not state, the widest first.
var unstated = []struct {
	text   *regexp.Regexp
	blocks []uint64
}{
	{regexp.MustCompile(`(?i)block range limit exceeded`), []uint64{10_000, 100}}, // Chainstack, by plan
	{regexp.MustCompile(`(?i)block range is too wide`), []uint64{3000}},           // Ankr
	{regexp.MustCompile(`(?i)block range too large`), []uint64{2000}},             // Base, Monad
}

// suggestion reads the two ends of a range, which some providers give the wrong
// way round.
func suggestion(a, b string) Limit {
	from, err := strconv.ParseUint(strings.ToLower(a), 0, 64)
	if err != nil {
		return Limit{}
	}
	to, err := strconv.ParseUint(strings.ToLower(b), 0, 64)
	if err != nil {
		return Limit{}
	}
	return Limit{From: min(from, to), To: max(from, to)}
}

// count reads 2000, 10,000 and 10k.
func count(text string) (uint64, bool) {
	digits, thousands := strings.CutSuffix(separators.Replace(strings.ToLower(text)), "k")
	n, err := strconv.ParseUint(digits, 10, 48)
	if err != nil || n == 0 {
		return 0, false
	}
	if thousands {
		n *= 1000
	}
	return n, true
}

var separators = strings.NewReplacer(",", "", "_", "", "'", "", " ", "")
