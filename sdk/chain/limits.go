package chain

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// Limit is what a node said about how many blocks it lets one eth_getLogs span. At most one half is set.
type Limit struct {
	Blocks   uint64 // it takes at most so many
	From, To uint64 // it takes this range, both inclusive; To is 0 if it did not say
}

// LimitOf finds the limit that an error states; the zero Limit if it states none.
func LimitOf(err error) Limit {
	told, ok := errors.AsType[*RPCError](err)
	if !ok {
		return Limit{}
	}
	text := told.Message
	if strings.Contains(string(told.Data), " ") {
		text += " " + string(told.Data) // some say it there
	}
	for _, re := range suggestions {
		if m := re.FindStringSubmatch(text); m != nil {
			return suggestion(m[1], m[2])
		}
	}
	for _, s := range statements {
		m := s.text.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		if blocks, ok := count(m[1]); ok {
			return Limit{Blocks: max(1, blocks-min(blocks, s.less))}
		}
	}
	return Limit{}
}

// Suggestions of a range that would work, in the words of Alchemy; of Infura, thirdweb and Tenderly; of drpc and others.
var suggestions = []*regexp.Regexp{
	regexp.MustCompile(`(?i)this block range should work: \[(0x[0-9a-f]+), ?(0x[0-9a-f]+)\]`),
	regexp.MustCompile(`(?i)try with this block range \[(0x[0-9a-f]+), ?(0x[0-9a-f]+)\]`),
	regexp.MustCompile(`(?i)retry with the range (\d+)-(\d+)`),
}

// Statements of a limit. Where a provider counts the distance and not the blocks, or may, one less is asked for.
var statements = []struct {
	text *regexp.Regexp
	less uint64
}{
	{regexp.MustCompile(`(?i)up to a ([\d,]+k?) block range`), 0},                   // Alchemy, Aurora
	{regexp.MustCompile(`(?i)requested too many blocks .*set to ([\d,]+k?)`), 1},    // Avalanche
	{regexp.MustCompile(`(?i)max range: ([\d,]+k?)`), 1},                            // Cloudflare
	{regexp.MustCompile(`(?i)number of requested blocks is ([\d,]+k?)`), 0},         // thirdweb
	{regexp.MustCompile(`(?i)limited to (?:a )?([\d,]+k?) blocks?`), 0},             // QuickNode, 1RPC, BlockPI
	{regexp.MustCompile(`(?i)range allowed for your plan \(\d+ > ([\d,]+k?)\)`), 0}, // Blast
	{regexp.MustCompile(`(?i)limit the query to at most ([\d,]+k?) blocks`), 0},     // Coinbase
	{regexp.MustCompile(`(?i)maximum block range: ([\d,]+k?)`), 0},                  // publicnode
	{regexp.MustCompile(`(?i)exceeds max block range ([\d,]+k?)`), 0},               // Hyperliquid
	{regexp.MustCompile(`(?i)block range greater than ([\d,]+k?) max`), 0},          // Swell
	{regexp.MustCompile(`(?i)block range exceeds ([\d,]+k?)`), 0},                   // Somnia
	{regexp.MustCompile(`(?i)block range is too wide \(maximum ([\d,]+k?)\)`), 0},   // Moonriver
	{regexp.MustCompile(`(?i)must be smaller than size ([\d,]+k?)`), 1},             // Harmony
	{regexp.MustCompile(`(?i)\[from, to\] blocks distance: ([\d,]+k?)`), 0},         // Ankr
	{regexp.MustCompile(`(?i)exceed maximum block range:? ([\d,]+k?)`), 0},          // go-ethereum
	{regexp.MustCompile(`(?i)exceed max block range:? ([\d,]+k?)`), 0},              // Tron
	{regexp.MustCompile(`(?i)range \d+ exceeds limit of ([\d,]+k?)`), 0},            // Infura
	{regexp.MustCompile(`(?i)range is too large, max is ([\d,]+k?)`), 0},            // Merkle
	{regexp.MustCompile(`(?i)maximum allowed is ([\d,]+k?) blocks`), 0},             // Base, Monad
	{regexp.MustCompile(`(?i)ranges over ([\d,]+k?) blocks are not supported`), 0},  // dRPC
}

// suggestion reads the two ends of a range, which some providers give the wrong way round.
func suggestion(a, b string) Limit {
	from, err := strconv.ParseUint(a, 0, 64)
	if err != nil {
		return Limit{}
	}
	to, err := strconv.ParseUint(b, 0, 64)
	if err != nil {
		return Limit{}
	}
	return Limit{From: min(from, to), To: max(from, to)}
}

// count reads 2000, 10,000 and 10k.
func count(text string) (uint64, bool) {
	text = strings.ReplaceAll(strings.ToLower(text), ",", "")
	digits, thousands := strings.CutSuffix(text, "k")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n == 0 {
		return 0, false
	}
	if thousands {
		n *= 1000
	}
	return n, true
}
