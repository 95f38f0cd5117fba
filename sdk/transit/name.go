package transit

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// snake turns the name of a field into that of a column: TxHash is tx_hash, ChainID chain_id, Amount0In amount0_in, TxIDs tx_ids.
func snake(name string) string {
	runes := []rune(name)
	var b strings.Builder
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 && startsWord(runes, i) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// startsWord reports whether the upper-case letter at i begins a word.
func startsWord(runes []rune, i int) bool {
	before := runes[i-1]
	if before == '_' {
		return false
	}
	if !unicode.IsUpper(before) {
		return true
	}
	if i+1 == len(runes) || !unicode.IsLower(runes[i+1]) {
		return false
	}
	plural := runes[i+1] == 's' && (i+2 == len(runes) || unicode.IsUpper(runes[i+2]))
	return !plural
}

// checkTypeName accepts dotted names: letters, digits, _ and - between the dots, a letter first.
func checkTypeName(name string) error {
	if name == "" {
		return errors.New("a data type needs a name, such as eth.log")
	}
	for part := range strings.SplitSeq(name, ".") {
		if part == "" || !isLetter(rune(part[0])) || strings.ContainsFunc(part, notNamePart) {
			return fmt.Errorf("%q is no name for a data type: write words of letters, digits, _ and - with dots between, such as eth.log", name)
		}
	}
	return nil
}

// checkColumnName accepts names that SQL databases and other languages take without quotes.
func checkColumnName(name string) error {
	bad := func(r rune) bool { return r == '-' || notNamePart(r) }
	if name == "" || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("%q is no name for a column: write letters, digits and _", name)
	}
	return nil
}

func isLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

func notNamePart(r rune) bool {
	return !isLetter(r) && (r < '0' || r > '9') && r != '_' && r != '-'
}
