package call

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
)

// Pack writes the input of a call: what people write as arguments, one text for each, lists and tuples as lists in JSON.
func (f *Function) Pack(args []string) ([]byte, error) {
	if len(args) != len(f.Inputs) {
		return nil, fmt.Errorf("%s takes %d arguments, %d are given", f.Signature, len(f.Inputs), len(args))
	}
	values := make([]any, len(args))
	for i, text := range args {
		v, err := valueOf(f.Inputs[i].Type, text)
		if err != nil {
			return nil, fmt.Errorf("argument %d of %s: %w", i+1, f.Signature, err)
		}
		values[i] = v
	}
	data, err := f.Inputs.Pack(values...)
	if err != nil {
		return nil, fmt.Errorf("write the arguments of %s: %w", f.Signature, err)
	}
	return append(f.Selector[:4:4], data...), nil
}

// valueOf reads a value of a type.
func valueOf(t abi.Type, text string) (any, error) {
	wrong := func(example string) error {
		return fmt.Errorf("%q is no %s: write one such as %s", text, t.String(), example)
	}
	switch t.T {
	case abi.AddressTy:
		if !common.IsHexAddress(text) {
			return nil, wrong("0x00000000219ab540356cbb839cbe05303d7705fa")
		}
		return common.HexToAddress(text), nil
	case abi.BoolTy:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, wrong("true")
		}
		return b, nil
	case abi.StringTy:
		return text, nil
	case abi.IntTy, abi.UintTy:
		return number(t, text)
	case abi.BytesTy, abi.FixedBytesTy:
		raw, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
		if err != nil || t.T == abi.FixedBytesTy && len(raw) != t.Size {
			return nil, wrong("0x" + strings.Repeat("00", max(1, t.Size)))
		}
		if t.T == abi.BytesTy {
			return raw, nil
		}
		fixed := reflect.New(t.GetType()).Elem()
		reflect.Copy(fixed, reflect.ValueOf(raw))
		return fixed.Interface(), nil
	case abi.SliceTy, abi.ArrayTy, abi.TupleTy:
		return listOf(t, text)
	}
	return nil, fmt.Errorf("values of type %s cannot be written", t.String())
}

// number reads a whole number, and refuses one that does not fit.
func number(t abi.Type, text string) (any, error) {
	n, ok := new(big.Int).SetString(strings.ReplaceAll(text, "_", ""), 0)
	low, high := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(t.Size))
	if t.T == abi.IntTy {
		high.Rsh(high, 1)
		low.Neg(high)
	}
	if !ok || n.Cmp(low) < 0 || n.Cmp(high) >= 0 {
		return nil, fmt.Errorf("%q is no %s: write a whole number that fits", text, t.String())
	}
	goType := t.GetType()
	v := reflect.New(goType).Elem()
	switch {
	case goType == reflect.TypeFor[*big.Int]():
		return n, nil
	case t.T == abi.IntTy:
		v.SetInt(n.Int64())
	default:
		v.SetUint(n.Uint64())
	}
	return v.Interface(), nil
}

// listOf reads the elements of a list or tuple, which are texts, numbers, or lists again.
func listOf(t abi.Type, text string) (any, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal([]byte(text), &parts); err != nil {
		return nil, fmt.Errorf("%q is no %s: write a list in JSON", text, t.String())
	}
	v := reflect.New(t.GetType()).Elem()
	want := len(parts)
	switch t.T {
	case abi.SliceTy:
		v.Set(reflect.MakeSlice(t.GetType(), want, want))
	case abi.ArrayTy:
		want = t.Size
	default:
		want = len(t.TupleElems)
	}
	if len(parts) != want {
		return nil, fmt.Errorf("%q has %d elements: %s has %d", text, len(parts), t.String(), want)
	}
	for i, part := range parts {
		elem, into := t.Elem, reflect.Value{}
		if t.T == abi.TupleTy {
			elem, into = t.TupleElems[i], v.Field(i)
		} else {
			into = v.Index(i)
		}
		word := string(part)
		_ = json.Unmarshal(part, &word) // what is no text is taken as it is written
		one, err := valueOf(*elem, word)
		if err != nil {
			return nil, err
		}
		into.Set(reflect.ValueOf(one))
	}
	return v.Interface(), nil
}

// Unpack reads what a call returned: a list in JSON, with whole numbers as text, so that none is too large.
func (f *Function) Unpack(output []byte) (string, error) {
	values, err := f.Outputs.Unpack(output)
	if err != nil {
		return "", err
	}
	out := bytes.NewBufferString("[")
	for i, v := range values {
		if i > 0 {
			out.WriteByte(',')
		}
		write(out, reflect.ValueOf(v))
	}
	out.WriteByte(']')
	return out.String(), nil
}

func write(out *bytes.Buffer, v reflect.Value) {
	switch value := v.Interface().(type) {
	case *big.Int:
		quote(out, value.String())
		return
	case common.Address:
		quote(out, value.Hex())
		return
	case []byte:
		quote(out, "0x"+hex.EncodeToString(value))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		out.WriteString(strconv.FormatBool(v.Bool()))
	case reflect.String:
		quote(out, v.String())
	case reflect.Struct:
		writeList(out, v.NumField(), v.Field)
	case reflect.Array, reflect.Slice:
		if v.Kind() == reflect.Array && v.Type().Elem().Kind() == reflect.Uint8 {
			quote(out, fmt.Sprintf("0x%x", v.Interface()))
			return
		}
		writeList(out, v.Len(), v.Index)
	default: // whole numbers of up to 64 bits
		quote(out, fmt.Sprint(v.Interface()))
	}
}

func writeList(out *bytes.Buffer, n int, at func(int) reflect.Value) {
	out.WriteByte('[')
	for i := range n {
		if i > 0 {
			out.WriteByte(',')
		}
		write(out, at(i))
	}
	out.WriteByte(']')
}

func quote(out *bytes.Buffer, text string) {
	encoded, _ := json.Marshal(text) //nolint:errchkjson // a text can always be written
	out.Write(encoded)
}
