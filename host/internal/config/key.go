package config

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// keyPrefix says what kind of key follows.
const keyPrefix = "ed25519:"

// KeyText is a public key as it is written in trusted_keys.
func KeyText(key ed25519.PublicKey) string {
	return keyPrefix + base64.StdEncoding.EncodeToString(key)
}

// ParseKey reads what KeyText writes.
func ParseKey(text string) (ed25519.PublicKey, error) {
	encoded, ok := strings.CutPrefix(text, keyPrefix)
	if !ok {
		return nil, fmt.Errorf("a public key begins with %q, as penstock plugin keygen prints it", keyPrefix)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("a public key is %q and the %d bytes of the key in base64, as penstock plugin keygen prints it", keyPrefix, ed25519.PublicKeySize)
	}
	return key, nil
}

// trustedKeys are the keys of which one must have signed a plugin. It is nil
// where there is no such attribute, and then nothing need be signed.
func (e *evaluator) trustedKeys(body *hclsyntax.Body) []ed25519.PublicKey {
	const name = "trusted_keys"
	if body.Attributes[name] == nil {
		return nil
	}
	keys := []ed25519.PublicKey{} // where the attribute is wrong nobody is trusted
	texts, given := attribute[[]string](e, body, name, cty.List(cty.String))
	at := rangeOf(body, name)
	if given && len(texts) == 0 {
		e.errorf(&at, "Wrong value", "%s names no key, so that no plugin could run: name one, or leave it out where nothing need be signed.", name)
	}
	for _, text := range texts {
		key, err := ParseKey(text)
		if err != nil {
			e.errorf(&at, "Wrong value", "%q is no key: %v.", text, err)
			continue
		}
		keys = append(keys, key)
	}
	return keys
}
