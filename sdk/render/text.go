package render

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendString appends a string to dst as JSON has it, in quotes. What is not
// there to be seen is escaped; bytes that are not UTF-8 become the replacement
// character.
func AppendString(dst []byte, s string) []byte {
	if isPlain(s) {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"')
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return strconv.AppendQuoteToASCII(dst, s) // unreachable: every string has a JSON form
	}
	return appendHarmless(dst, string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))))
}

// isPlain tells strings that stand between quotes as they are.
func isPlain(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < ' ' || b > '~' || b == '"' || b == '\\' {
			return false
		}
	}
	return true
}

// appendHarmless appends JSON with what is not there to be seen as escapes,
// which mean the same. JSON lets most of it pass, and terminals obey some of
// it. Outside of strings there is nothing of the kind.
func appendHarmless(dst []byte, text string) []byte {
	for _, r := range text {
		switch {
		case r < utf8.RuneSelf && r != 0x7f:
			dst = append(dst, byte(r)) // JSON has escaped the others
		case unicode.IsPrint(r):
			dst = utf8.AppendRune(dst, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			dst = escape(escape(dst, high), low)
		default:
			dst = escape(dst, r)
		}
	}
	return dst
}

func escape(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
