package config

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/penstock-io/penstock/host/internal/registry"
)

// Mark is a place on a chain whose number only the chain can tell, as it was
// written: blocks before the head, a time, or, as an end, a number of blocks from
// a beginning that is a mark too. "" is none.
type Mark string

// Place is what a mark means. One of its fields is set.
type Place struct {
	Behind uint64    // so many blocks before the head
	Time   time.Time // the first block from then on; as an end, the last one before
	Blocks uint64    // as an end: the range has so many blocks
}

// Place is what the mark means, the zero Place if there is none.
func (m Mark) Place() Place {
	if m == "" {
		return Place{}
	}
	h, err := parseEnd(string(m))
	if err != nil {
		return Place{} // unreachable: marks come from what was read so
	}
	return h.place
}

const (
	heightForm = `a block such as 19000000 or 15.5M, "latest", blocks before the head such as "-1000", or a date such as "2024-01-31"`
	endForm    = `a block such as 19000000 or 15.5M, a number of blocks such as "+1000", blocks before the head such as "-100", or a date such as "2024-01-31"`
	rangeForm  = `two ends with a colon between, such as "15.5M:15.6M", "15M:+1000", "-1000:" or "2024-01-01:2024-02-01"; both blocks belong to it`
)

// heights reads from and to, or the two in one as range. Both are inclusive.
func (p *pipeline) heights(body *hclsyntax.Body) {
	p.PathType = registry.Live
	e := p.eval
	if body.Attributes["range"] == nil {
		if begin := parsed(e, body, "from", heightForm, parseBegin); begin != nil {
			p.begins(*begin)
		}
		if end := parsed(e, body, "to", endForm, parseEnd); end != nil {
			p.endsAt(body, "to", *end)
		}
		return
	}
	for _, name := range []string{"from", "to"} {
		if at := rangeOf(body, name); body.Attributes[name] != nil {
			e.errorf(&at, "Wrong range", "range says already where the pipeline begins and ends: leave out %s.", name)
		}
	}
	both := parsed(e, body, "range", rangeForm, parseRange)
	if both == nil {
		return
	}
	p.begins(both[0])
	if both[1] != (height{}) {
		p.endsAt(body, "range", both[1])
	}
}

// height is where a range begins or ends, as it was written.
type height struct {
	latest bool
	block  *uint64
	mark   Mark // with place
	place  Place
}

func (p *pipeline) begins(h height) {
	p.FromLatest, p.Begin = h.latest, h.mark
	if h.block != nil {
		p.From = *h.block
	}
}

func (p *pipeline) endsAt(body *hclsyntax.Body, name string, h height) {
	p.PathType = registry.Backtest
	at := rangeOf(body, name)
	switch {
	case p.FromLatest:
		p.eval.errorf(&at, "Wrong range", `A pipeline that begins at "latest" follows the head and has no end: leave out to, or write a number for from.`)
	case h.place.Blocks > 0 && p.Begin == "":
		p.To = new(p.From + h.place.Blocks - 1)
	case h.block == nil:
		p.End = h.mark
	case p.Begin == "" && *h.block < p.From:
		p.eval.errorf(&at, "Wrong range", "to is the last block and must not lie before from.")
	default:
		p.To = h.block
	}
	if begin, end := p.Begin.Place().Time, p.End.Place().Time; !end.IsZero() && !end.After(begin) {
		p.eval.errorf(&at, "Wrong range", "The range ends with the last block before %s, which is not after %s.", p.End, p.Begin)
	}
}

var errForm = errors.New("it has another form")

// parseRange reads "A:B". A time has colons of its own, so every colon may be the
// one between.
func parseRange(text string) (*[2]height, error) {
	for at := range len(text) {
		if text[at] != ':' {
			continue
		}
		a, b := strings.TrimSpace(text[:at]), strings.TrimSpace(text[at+1:])
		var both [2]height
		begin, err := &height{block: new(uint64(0))}, error(nil)
		if a != "" {
			begin, err = parseBegin(a)
		}
		if err != nil {
			continue
		}
		both[0] = *begin
		if b != "" {
			end, err := parseEnd(b)
			if err != nil {
				continue
			}
			both[1] = *end
		}
		return &both, nil
	}
	return nil, errForm
}

func parseBegin(text string) (*height, error) {
	if text == "latest" {
		return &height{latest: true}, nil
	}
	return parseHeight(text)
}

func parseEnd(text string) (*height, error) {
	if digits, ok := strings.CutPrefix(text, "+"); ok {
		n, err := parseBlock(digits)
		if err != nil || n == 0 {
			return nil, errForm
		}
		return &height{mark: Mark(text), place: Place{Blocks: n}}, nil
	}
	return parseHeight(text)
}

func parseHeight(text string) (*height, error) {
	if digits, ok := strings.CutPrefix(text, "-"); ok {
		n, err := parseBlock(digits)
		if err != nil || n == 0 {
			return nil, errForm
		}
		return &height{mark: Mark(text), place: Place{Behind: n}}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil {
			return &height{mark: Mark(text), place: Place{Time: at.UTC()}}, nil
		}
	}
	n, err := parseBlock(text)
	return &height{block: &n}, err
}

var blockNumber = regexp.MustCompile(`^([0-9][0-9_]*)(\.[0-9]+)?([kKmMbB]?)$`)

// parseBlock reads a number of blocks: 19000000, 19_000_000, 15.5M, 250k.
func parseBlock(text string) (uint64, error) {
	parts := blockNumber.FindStringSubmatch(text)
	if parts == nil {
		return 0, errForm
	}
	n, ok := new(big.Rat).SetString(strings.ReplaceAll(parts[1], "_", "") + parts[2])
	if !ok {
		return 0, errForm
	}
	unit := map[string]int64{"": 1, "k": 1e3, "m": 1e6, "b": 1e9}[strings.ToLower(parts[3])]
	n.Mul(n, new(big.Rat).SetInt64(unit))
	if !n.IsInt() {
		return 0, errForm
	}
	return strconv.ParseUint(n.Num().String(), 10, 64)
}

// ParseBlocks reads a range of blocks that needs no chain to be understood, such
// as 15.5M:15.6M or 15M:+1000. Both ends belong to it.
func ParseBlocks(text string) (from, to uint64, err error) {
	both, err := parseRange(text)
	if err != nil || both[0].block == nil || both[1].block == nil && both[1].place.Blocks == 0 {
		return 0, 0, fmt.Errorf("range %q: write two blocks with a colon between, such as 15.5M:15.6M or 15M:+1000", text)
	}
	from, to = *both[0].block, *both[0].block+both[1].place.Blocks-1
	if both[1].block != nil {
		to = *both[1].block
	}
	if to < from {
		return 0, 0, fmt.Errorf("range %q: it ends before it begins", text)
	}
	return from, to, nil
}

// TakePlaces puts the numbers in the place of marks that another model of the
// same files has been found to mean.
func (m *Model) TakePlaces(of *Model) {
	for _, p := range m.Pipelines {
		for _, was := range of.Pipelines {
			if p.Name != was.Name || p.Begin != was.Begin || p.End != was.End {
				continue
			}
			if p.Begin != "" {
				p.From = was.From
			}
			if p.End != "" {
				p.To = was.To
			}
		}
	}
}
