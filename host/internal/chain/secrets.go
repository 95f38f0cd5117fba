package chain

import (
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
	var words []string
	add := func(word string) {
		const short = 4 // shorter words are in other words
		if len(word) >= short {
			words = append(words, word, url.QueryEscape(word), url.PathEscape(word))
		}
	}
	if u, err := url.Parse(e.URL); err == nil && strings.Contains(e.URL, "://") && u.Host != "" {
		add(u.User.Username())
		password, _ := u.User.Password()
		add(password)
		if len(u.Path) > 1 {
			add(u.Path)
		}
		for part := range strings.SplitSeq(u.Path, "/") {
			if len(part) >= 8 { // what tells nothing is v3, rpc, mainnet
				add(part)
			}
		}
		for _, values := range u.Query() {
			for _, value := range values {
				add(value)
			}
		}
		add(u.RawQuery)
	}
	for _, value := range e.Headers {
		add(value)
		if _, rest, found := strings.Cut(value, " "); found { // Bearer …
			add(rest)
		}
	}
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	words = slices.Compact(words)
	var pairs []string
	for _, word := range words {
		pairs = append(pairs, word, "***")
	}
	return &secrets{words: words, replacer: strings.NewReplacer(pairs...)}
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
