package chain

import "regexp"

// What nodes and providers write, by what it means. Numbers, capitals and spaces
// vary between them and over time.
var (
	reverted = regexp.MustCompile(`(?i)execution reverted|^revert|exception while processing transaction|vm execution error|invalid opcode|out of gas|` +
		`invalid jump destination|stack (under|over)flow|write protection|always failing transaction`)
	tooManyAddresses = regexp.MustCompile(`(?i)exceed(s|ed)? max(imum)? (number of )?(addresses|topics)|too many (addresses|topics)|(addresses|topics).{0,40}(exceed|at most|maximum is)`)
	noMethod         = regexp.MustCompile(`(?i)method.*(not (found|supported|available|allowed|enabled|implemented|whitelisted)|does not exist|unavailable|unsupported|disabled)|` +
		`(unsupported|unknown|no such) method|not implemented|namespace.*not (enabled|available)`)
	pruned = regexp.MustCompile(`(?i)prun(ed|ing)|missing trie node|no longer available|histor(y|ical).{0,60}(not|un) ?available|state.{0,80}(is |are )?(not|un) ?available|` +
		`no state available|archive (state|data|node|request|mode|access)|(access|requires?).{0,20}archive|exceeds maximum proof window|before the history`)
	throttled = regexp.MustCompile(`(?i)rate.?limit|too many requests|request limit|requests? (count|per)|per (second|minute|day)\b|\d+/s(ec(ond)?)?\b|compute.units?|throttl|` +
		`(capacity|quota|credits?|throughput).{0,40}(exceed|exhaust|reached|limit)|exceed(ed|s)?.{0,40}(capacity|quota|credits|throughput)|slow down|reduce (your )?calls`)
	behind = regexp.MustCompile(`(?i)unknown block|(header|block)s?( for hash)? (is )?not (found|available)|block.{0,60}cannot be found|extends beyond current head|` +
		`invalid block range|beyond (the )?(current )?(head|latest)|not yet available|in the future|after last accepted|unfinalized data|does not have the requested block|` +
		`block (is |number )?out of range|invalid block height|(greater|higher) than (the )?(latest|current|head)`)
	unbatched = regexp.MustCompile(`(?i)batch(es|ing)?( requests?| calls?| rpc)*.{0,20}(not (supported|allowed|enabled|available|permitted)|unsupported|disabled)`)
	ofBatch   = regexp.MustCompile(`(?i)batch.*(too (large|big|many|long)|exceed|limit|maximum|more than)|too many .*batch|(response|request|body|payload)( entity)? (is )?too (large|big)`)
	tooMuch   = regexp.MustCompile(`(?i)(batch|response|request|body|result|payload)s?.{0,40}(too (large|big|many)|exceed)|response size should not|too many (logs|results|blocks|events)|` +
		`more than \d[\d,_']* (results|logs|blocks|events)|exceed(ed|s)? (the )?max(imum)? allowed|query exceeds|logs matched|exceeds (the )?limit|exceeds? max|` +
		`range.{0,20}(threshold|limit).{0,20}exceeded|block range|range (is )?too (large|wide|big)|range exceeds|free ?tier|no backend is currently healthy|response size`)
	timedOut = regexp.MustCompile(`(?i)time(d|s)?[ -]?out|deadline exceeded|took too long|execution aborted|context canceled`)
	refused  = regexp.MustCompile(`(?i)unauthori[sz]ed|(invalid|unknown|missing|disabled|expired) (api|project|access|auth)[ _-]?(key|id|token)|` +
		`(api|project|access)[ _-]?(key|id|token).{0,20}(invalid|unknown|missing|required|disabled|expired|not (found|allowed|valid))|access (denied|forbidden)|forbidden|must be authenticated|` +
		`authentication|payment required|(account|project|subscription).{0,30}(suspended|disabled|expired)|origin not allowed`)
	invalid = regexp.MustCompile(`(?i)invalid argument|missing value for required|too many arguments|cannot unmarshal|hex (string|number)|invalid (address|hex|topic|block (tag|hash))|` +
		`insufficient funds|nonce too|intrinsic gas|already known`)
	passing = regexp.MustCompile(`(?i)try (again|later)|retry|temporar|overload|busy|service.{0,10}unavailable|bad gateway|gateway|upstream|connection (reset|refused|closed)|` +
		`not ready|syncing|no (healthy|available)|unavailable|cannot fulfill|starting|^down\b`)
)

// meanings is in which order texts are looked at; the first that matches counts.
var meanings = []struct {
	kind Kind
	text *regexp.Regexp
}{
	{Reverted, reverted},
	{TooManyAddresses, tooManyAddresses},
	{Unbatched, unbatched},
	{NoMethod, noMethod},
	{Pruned, pruned},
	{Transient, behind},
	{Refused, refused},
	{Transient, throttled},
	{TooMuch, tooMuch},
	{TimedOut, timedOut},
	{Invalid, invalid},
	{Transient, passing},
}

// KindOfAnswer is what an error that a node answered means: by its code where that
// is settled, and otherwise by what nodes and providers are known to write. What
// nobody knows is Unclear.
func KindOfAnswer(e *RPCError) Kind {
	switch e.Code {
	case 3:
		return Reverted
	case -32601, -32004:
		return NoMethod
	case 4444: // EIP-4444
		return Pruned
	case 429:
		return Transient
	}
	if LimitOf(e) != (Limit{}) {
		return TooMuch
	}
	text := e.text()
	for _, m := range meanings {
		if m.text.MatchString(text) {
			return m.kind
		}
	}
	switch e.Code {
	case -32003:
		return TooMuch
	case -32600, -32700:
		return Invalid
	}
	return Unclear
}

// Throttled reports whether the node says: not so fast.
func (e *RPCError) Throttled() bool {
	return e.Code == 429 || KindOfAnswer(e) == Transient && throttled.MatchString(e.text())
}

// OfBatch reports whether the node finds a batch or the answer to it too large,
// rather than what one of its calls asks for.
func (e *RPCError) OfBatch() bool {
	return KindOfAnswer(e) == TooMuch && LimitOf(e) == (Limit{}) && (e.Code == -32003 || ofBatch.MatchString(e.text()))
}
