package chain

import "regexp"

// What nodes say, by what it means. The first that matches counts.
var meanings = []struct {
	kind Kind
	text *regexp.Regexp
}{
	{Reverted, regexp.MustCompile(`(?i)execution reverted|^reverted|vm execution error|invalid opcode|out of gas`)},
	{TooManyAddresses, regexp.MustCompile(`(?i)exceed max (addresses|topics)|too many addresses`)},
	{Pruned, regexp.MustCompile(`(?i)pruned|missing trie node|history (is )?(not|un)available|no longer available`)},
	{Transient, regexp.MustCompile(`(?i)rate.?limit|too many requests|request limit|requests per second|compute units|(capacity|quota|credits).*exceed|exceeded (the|its|your).*(capacity|quota|credits)`)},
	{Transient, regexp.MustCompile(`(?i)unknown block|(header|block) not (found|available)|extends beyond current head|invalid block range|beyond (the )?(head|latest)|not yet available|in the future|after last accepted`)},
	{Unbatched, regexp.MustCompile(`(?i)batch(es| requests| calls)? (is |are )?(not|un|disabled)`)},
	{TooMuch, regexp.MustCompile(`(?i)(batch|response|request|body|result).*(too (large|big)|exceed)|response size should not|too many logs|` +
		`more than \d+ (results|logs)|exceeded max allowed|query exceeds|range threshold exceeded|block range (is )?too (large|wide)|block range limit exceeded|freetier|no backend is currently healthy`)},
	{TimedOut, regexp.MustCompile(`(?i)timed? ?out|deadline exceeded|took too long`)},
	{NoMethod, regexp.MustCompile(`(?i)method.*(not (found|supported|available|allowed|whitelisted)|does not exist)|unsupported method|unknown method`)},
	{Refused, regexp.MustCompile(`(?i)unauthori[sz]ed|invalid (api|project) ?(key|id)|access denied|forbidden|must be authenticated`)},
}

// KindOfAnswer is what an error that a node answered means: by its code where
// that is settled, and otherwise by what providers are known to write.
func KindOfAnswer(e *RPCError) Kind {
	switch e.Code {
	case 3:
		return Reverted
	case -32601, -32004:
		return NoMethod
	case 4444:
		return Pruned
	case 429:
		return Transient
	case -32003:
		return TooMuch
	}
	if LimitOf(e) != (Limit{}) {
		return TooMuch
	}
	for _, m := range meanings {
		if m.text.MatchString(e.Message) {
			return m.kind
		}
	}
	switch e.Code {
	case -32600, -32700:
		return Invalid
	}
	return Unclear
}

var (
	throttled = regexp.MustCompile(`(?i)rate.?limit|too many requests|request limit|requests per second|compute units|(capacity|quota|credits).*exceed|exceeded (the|its|your).*(capacity|quota|credits)`)
	ofBatch   = regexp.MustCompile(`(?i)batch.*(too (large|big|many)|exceed|limit)|(response|request|body) too (large|big)`)
)

// Throttled reports whether the node says: not so fast.
func (e *RPCError) Throttled() bool { return e.Code == 429 || throttled.MatchString(e.Message) }

// OfBatch reports whether the node finds a batch or the answer to it too large,
// rather than what one of its calls asks for.
func (e *RPCError) OfBatch() bool { return e.Code == -32003 || ofBatch.MatchString(e.Message) }
