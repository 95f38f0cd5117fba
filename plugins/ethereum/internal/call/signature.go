package call

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/crypto"
)

// Function is a function of a contract as people write it: its name, what it takes, and what it returns.
type Function struct {
	Signature string // such as balanceOf(address), as it is hashed
	Selector  [4]byte
	Inputs    abi.Arguments
	Outputs   abi.Arguments // none: what it returns is not decoded
}

var (
	functionName = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)
	plainType    = regexp.MustCompile(`^(address|bool|string|bytes([1-9]|[12][0-9]|3[0-2])?|u?int(8|16|24|32|40|48|56|64|72|80|88|96|104|112|120|128|136|144|152|160|168|176|184|192|200|208|216|224|232|240|248|256)?)$`)
	suffixes     = regexp.MustCompile(`^(\[[0-9]*\])*$`)
	keywords     = regexp.MustCompile(`^(view|pure|external|public|payable|nonpayable|constant|returns|\s)*$`)
)

// Parse reads a function such as getReserves()(uint112,uint112,uint32), or as Solidity has it: function getReserves() view returns (uint112 a).
func Parse(text string) (*Function, error) {
	f, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no function: %w; write one such as balanceOf(address)(uint256)", text, err)
	}
	return f, nil
}

func parse(text string) (*Function, error) {
	text = strings.TrimSuffix(strings.TrimSpace(text), ";")
	text = strings.TrimSpace(strings.TrimPrefix(text, "function "))
	name, rest, found := strings.Cut(text, "(")
	if name = strings.TrimSpace(name); !found || !functionName.MatchString(name) {
		return nil, errors.New("it has no name and parameters in parentheses")
	}
	f := &Function{}
	inputs, rest, err := list(rest)
	if err != nil {
		return nil, err
	}
	if f.Inputs, err = arguments(inputs); err != nil {
		return nil, err
	}
	between, after, more := strings.Cut(rest, "(")
	if !keywords.MatchString(between) {
		return nil, fmt.Errorf("%q follows its parameters", strings.TrimSpace(between))
	}
	if more {
		var outputs []abi.ArgumentMarshaling
		if outputs, rest, err = list(after); err != nil {
			return nil, err
		}
		if !keywords.MatchString(rest) {
			return nil, fmt.Errorf("%q follows what it returns", strings.TrimSpace(rest))
		}
		if f.Outputs, err = arguments(outputs); err != nil {
			return nil, err
		}
	}
	f.Signature = name + canonical(f.Inputs)
	copy(f.Selector[:], crypto.Keccak256([]byte(f.Signature)))
	return f, nil
}

// canonical is how parameters are hashed.
func canonical(args abi.Arguments) string {
	types := make([]string, len(args))
	for i, a := range args {
		types[i] = a.Type.String()
	}
	return "(" + strings.Join(types, ",") + ")"
}

// list reads parameters up to the parenthesis that ends them, and returns what follows it.
func list(text string) (all []abi.ArgumentMarshaling, rest string, err error) {
	text = strings.TrimSpace(text)
	if after, empty := strings.CutPrefix(text, ")"); empty {
		return nil, after, nil
	}
	for {
		var one abi.ArgumentMarshaling
		if one, text, err = parameter(text); err != nil {
			return nil, "", err
		}
		one.Name = fmt.Sprintf("f%d", len(all))
		all = append(all, one)
		if text == "" {
			return nil, "", errors.New("a parenthesis is not closed")
		}
		separator := text[0]
		text = strings.TrimSpace(text[1:])
		if separator == ')' {
			return all, text, nil
		}
	}
}

// parameter reads one parameter, with its name if it has one, up to what ends it.
func parameter(text string) (one abi.ArgumentMarshaling, rest string, err error) {
	text = strings.TrimSpace(text)
	if inner, tuple := strings.CutPrefix(strings.TrimPrefix(text, "tuple"), "("); tuple {
		one.Type = "tuple"
		if one.Components, text, err = list(inner); err != nil {
			return one, "", err
		}
	}
	end := strings.IndexAny(text, ",)")
	if end < 0 {
		return one, "", errors.New("a parenthesis is not closed")
	}
	words := strings.Fields(text[:end])
	rest = text[end:]
	if one.Type != "" {
		if strings.HasPrefix(text, "[") && len(words) > 0 {
			one.Type += words[0]
		}
		return one, rest, checkSuffix(strings.TrimPrefix(one.Type, "tuple"))
	}
	if len(words) == 0 {
		return one, "", errors.New("a parameter is empty")
	}
	base, suffix := words[0], ""
	if i := strings.Index(base, "["); i >= 0 {
		base, suffix = base[:i], base[i:]
	}
	if !plainType.MatchString(base) {
		return one, "", fmt.Errorf("%q is no type of a parameter", words[0])
	}
	if base == "uint" || base == "int" {
		base += "256"
	}
	one.Type = base + suffix
	return one, rest, checkSuffix(suffix)
}

func checkSuffix(suffix string) error {
	if !suffixes.MatchString(suffix) {
		return fmt.Errorf("%q is no array", suffix)
	}
	return nil
}

// arguments makes types of parameters.
func arguments(list []abi.ArgumentMarshaling) (abi.Arguments, error) {
	out := make(abi.Arguments, len(list))
	for i, one := range list {
		t, err := abi.NewType(one.Type, "", one.Components)
		if err != nil {
			return nil, fmt.Errorf("the type %s: %w", one.Type, err)
		}
		out[i] = abi.Argument{Name: one.Name, Type: t}
	}
	return out, nil
}
