package digest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// appendValue appends the canonical text of a value that is not null.
func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return append(dst, v...)
	case []byte:
		return appendHex(dst, v)
	case common.Address:
		return appendHex(dst, v[:])
	case common.Hash:
		return appendHex(dst, v[:])
	case *big.Int:
		return v.Append(dst, 10)
	case time.Time:
		return v.UTC().AppendFormat(dst, time.RFC3339Nano)
	case []any, map[string]any:
		return appendNested(dst, v)
	}
	return appendBare(dst, v)
}

// appendBare appends what stands in JSON without quotes.
func appendBare(dst []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case float64:
		return strconv.AppendFloat(dst, v, 'g', -1, 64)
	case json.Number:
		return append(dst, v...)
	}
	return fmt.Append(dst, v) // unreachable: package transit has no other values
}

func appendHex(dst, b []byte) []byte { return hex.AppendEncode(append(dst, "0x"...), b) }

// appendNested appends a value as a part of JSON.
func appendNested(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case []any:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendNested(dst, item)
		}
		return append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendQuoted(dst, name), ':')
			dst = appendNested(dst, v[name])
		}
		return append(dst, '}')
	case bool, int64, uint64, float64, json.Number:
		return appendBare(dst, v)
	case string:
		if isHex(v) {
			v = strings.ToLower(v)
		}
		return appendQuoted(dst, v)
	}
	return appendQuoted(dst, string(appendValue(nil, v)))
}

func isHex(s string) bool {
	digits, ok := strings.CutPrefix(s, "0x")
	return ok && strings.Trim(digits, "0123456789abcdefABCDEF") == ""
}

func appendQuoted(dst []byte, s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return strconv.AppendQuote(dst, s) // unreachable: every string has a JSON form
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
