package chain

import "bytes"

// Blocks are most of what is read of nodes, in batches of some megabytes of which
// nothing is looked at here but where one answer ends and the next begins. In a
// batch whose answers all look like the first that can be told without going
// through them: where the text is JSON, {"jsonrpc": begins an answer wherever it
// stands, unless a node answers with answers, and then their number is not right.

// longBatch is the length from which that is worth it.
const longBatch = 64 << 10

// answerBegin is what each answer of such a batch begins with, and idLast what
// stands behind its result where its id does.
var (
	answerBegin = []byte(`{"jsonrpc":`)
	idLast      = []byte(`,"id":`)
)

// alike finds the n answers of a long batch whose answers look alike; false if they
// do not, or if it is not certain.
func (s *scanner) alike(n int) (all []envelope, certain bool) {
	if n < 2 || len(s.text)-s.at < longBatch {
		return nil, false
	}
	items := s.items(n)
	if len(items) != n {
		return nil, false
	}
	first := scanner{text: items[0]}
	e, tail, err := first.envelope()
	if err != nil || first.at != len(items[0]) {
		return nil, false
	}
	behind := bytes.HasPrefix(tail, idLast)
	if !behind && string(tail) != "}" {
		return nil, false
	}
	all = append(make([]envelope, 0, n), e)
	for _, item := range items[1:] {
		one := scanner{text: item}
		if e, certain = one.like(behind); !certain {
			return nil, false
		}
		all = append(all, e)
	}
	return all, true
}

// items are the texts of the answers of a batch, about n of them, nil if they do
// not stand next to each other.
func (s *scanner) items(n int) [][]byte {
	text := bytes.TrimRight(s.text[s.at:], " \t\r\n")
	if len(text) < 2 || text[0] != '[' || text[len(text)-1] != ']' || !bytes.HasPrefix(text[1:], answerBegin) {
		return nil
	}
	items := make([][]byte, 0, n)
	from := 1
	for from < len(text) && len(items) <= n {
		end := from + nextAnswer(text[from:])
		item := text[from : end-1]
		if len(item) == 0 || item[len(item)-1] != '}' || end < len(text) && text[end-1] != ',' {
			return nil
		}
		items = append(items, item)
		from = end
	}
	return items
}

// nextAnswer is where the answer begins that follows the one that text begins with;
// what is behind the text if there is none. The letter j is in hardly any answer.
func nextAnswer(text []byte) int {
	const ahead = 2 // of the j
	for at := len(answerBegin); ; at++ {
		j := bytes.IndexByte(text[at:], answerBegin[ahead])
		if j < 0 {
			return len(text)
		}
		at += j
		if bytes.HasPrefix(text[at-ahead:], answerBegin) {
			return at - ahead
		}
	}
}

// envelope goes past one answer. tail is what stands behind its result.
func (s *scanner) envelope() (e envelope, tail []byte, err error) {
	result := -1
	err = s.members(func(key, value []byte) {
		e.set(key, value)
		if string(key) == "result" {
			result = s.at
		}
	})
	if err == nil && result >= 0 {
		tail = s.text[result:s.at]
	}
	return e, tail, err
}

// like is envelope for an answer that looks like others: behind its result there is
// nothing, or its id.
func (s *scanner) like(behind bool) (e envelope, certain bool) {
	if !s.take('{') {
		return e, false
	}
	for {
		key, err := s.key()
		if err != nil {
			return e, false
		}
		value, err := s.valueOf(key, behind)
		if err != nil {
			return e, false
		}
		e.set(key, value)
		if s.take('}') {
			return e, s.at == len(s.text)
		}
		if !s.take(',') {
			return e, false
		}
	}
}

// valueOf goes past the value of a member of an answer.
func (s *scanner) valueOf(key []byte, behind bool) ([]byte, error) {
	closer, long := closers[s.peek()]
	if string(key) != "result" || !long {
		return s.value()
	}
	from, end := s.at, len(s.text)-1
	if behind {
		end = bytes.LastIndex(s.text, idLast)
	}
	if end <= from+1 || s.text[end-1] != closer {
		return nil, errMalformed
	}
	s.at = end
	return s.text[from:end:end], nil
}

// closers end what begins with these.
var closers = map[byte]byte{'{': '}', '[': ']', '"': '"'}
