package chain

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/sdk/chain"
)

// secrets takes what gives access to an endpoint out of texts: nodes, proxies and
// libraries like to repeat what they were asked with.
type secrets struct {
	words    []string
	replacer *strings.Replacer
}

func secretsOf(e config.Endpoint) *secrets {
	words := wordsOfURL(e.URL)
	for _, value := range e.Headers {
		_, rest, _ := strings.Cut(value, " ") // Bearer …
		words = append(words, value, rest)
	}
	const short = 4 // shorter words are in other words
	words = slices.DeleteFunc(words, func(word string) bool { return len(word) < short })
	for _, word := range slices.Clone(words) {
		words = append(words, url.QueryEscape(word), url.PathEscape(word))
	}
	slices.SortFunc(words, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	words = slices.Compact(words)
	var pairs []string
	for _, word := range words {
		pairs = append(pairs, word, "***")
	}
	return &secrets{words: words, replacer: strings.NewReplacer(pairs...)}
}

// wordsOfURL are the parts of a URL that may give access: all but its host and
// short parts of its path, which are v3, rpc or mainnet.
func wordsOfURL(text string) []string {
	u, err := url.Parse(text)
	if err != nil || !strings.Contains(text, "://") || u.Host == "" {
		return nil
	}
	password, _ := u.User.Password()
	words := []string{u.User.Username(), password, u.RawQuery}
	if len(u.Path) > 1 {
		words = append(words, u.Path)
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		const short = 8
		if len(part) >= short {
			words = append(words, part)
		}
	}
	for _, values := range u.Query() {
		words = append(words, values...)
	}
	return words
}

func (s *secrets) in(text string) bool {
	return slices.ContainsFunc(s.words, func(word string) bool { return strings.Contains(text, word) })
}

// clean takes secrets out of an error, without a change of what it means.
func (s *secrets) clean(err error) error {
	if err == nil || !s.in(err.Error()) {
		return err
	}
	if told, ok := errors.AsType[*chain.RPCError](err); ok {
		cleaned := &chain.RPCError{Code: told.Code, Message: s.replacer.Replace(told.Message)}
		if data := string(told.Data); !s.in(data) {
			cleaned.Data = told.Data
		}
		return cleaned
	}
	if status, ok := errors.AsType[*statusError](err); ok {
		cleaned := *status
		cleaned.body = s.replacer.Replace(status.body)
		return &cleaned
	}
	return cleanedError{s.replacer.Replace(err.Error()), err}
}

// cleanedError is an error whose text was cleaned. It is still known by what it
// was.
type cleanedError struct {
	text string
	was  error
}

func (e cleanedError) Error() string { return e.text }

func (e cleanedError) Is(target error) bool { return errors.Is(e.was, target) }
