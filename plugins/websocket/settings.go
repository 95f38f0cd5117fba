package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-io/penstock/sdk"
)

// server is how clients reach the loader. As long as it stays the same, they stay
// connected over rewinds.
type server struct {
	Listen     string        `hcl:"listen,optional" doc:"where to listen, host:port; port 0 takes a free one, which the log tells"`
	Socket     string        `hcl:"socket,optional,writes" doc:"a unix socket to listen on instead"`
	Path       string        `hcl:"path,optional" doc:"the path of the URL that clients connect to"`
	Origins    []string      `hcl:"origins,optional" doc:"hosts of web pages that may connect, such as \"app.example.com\" or \"*.example.com\"; \"*\" lets all; without it pages of the same host may, and programs that are no browsers"`
	Token      string        `hcl:"token,optional,sensitive" doc:"what clients show to be let in: as Authorization: Bearer TOKEN, or as ?token=TOKEN"`
	MaxClients int           `hcl:"max_clients,optional" doc:"the most connections at a time"`
	Ping       time.Duration `hcl:"ping,optional" doc:"how often clients are asked whether they are there"`
	Timeout    time.Duration `hcl:"timeout,optional" doc:"how long a client may take to answer that, or to take a message"`
}

// same tells whether the clients of one server can stay with another.
func (s server) same(other server) bool {
	mine, others := s, other
	mine.Origins, others.Origins = nil, nil
	return slices.Equal(s.Origins, other.Origins) && mine.plain() == others.plain()
}

// plain is what can be compared.
func (s server) plain() [7]any {
	return [7]any{s.Listen, s.Socket, s.Path, s.Token, s.MaxClients, s.Ping, s.Timeout}
}

func (s server) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case s.Listen == "" && s.Socket == "":
		wrong(`listen is missing: write where clients connect to, such as "127.0.0.1:8080", or socket`)
	case s.Listen != "" && s.Socket != "":
		wrong("listen and socket are both set: leave one of them out")
	case s.Listen != "":
		if _, port, err := net.SplitHostPort(s.Listen); err != nil || !isPort(port) {
			wrong(`listen is %q: write a host and a port, such as "127.0.0.1:8080", or ":0" for any`, s.Listen)
		}
	}
	if at, err := url.Parse(s.Path); err != nil || at.Path != s.Path || path.Clean(s.Path) != s.Path || !strings.HasPrefix(s.Path, "/") {
		wrong(`path is %q: write the path of a URL, such as "/" or "/swaps"`, s.Path)
	}
	for _, origin := range s.Origins {
		if _, err := path.Match(origin, ""); err != nil || origin == "" {
			wrong(`origins: %q is no host: write one such as "app.example.com", "*.example.com" or "*"`, origin)
		}
	}
	if s.MaxClients < 1 {
		wrong("max_clients is %d: write how many may be connected", s.MaxClients)
	}
	if s.Ping <= 0 {
		wrong(`ping is %s: write how often to ask, such as "20s"`, s.Ping)
	}
	if s.Timeout <= 0 {
		wrong(`timeout is %s: write how long to wait, such as "10s"`, s.Timeout)
	}
	return errors.Join(errs...)
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// mostRows bounds how many rows a message may have.
const mostRows = 10_000

// Validate checks settings without listening.
func (l *loader) Validate() error {
	errs := []error{l.check(), l.Check(mostRows)}
	if l.History < 1 {
		errs = append(errs, fmt.Errorf("history is %d: write how many messages to keep, at least 1", l.History))
	}
	if l.Buffer < 64<<10 {
		errs = append(errs, fmt.Errorf("buffer is %s: write how much to keep, at least 64KiB", l.Buffer))
	}
	names := map[string]string{}
	for _, step := range slices.Sorted(maps.Keys(l.Channels)) {
		name := l.Channels[step]
		if name == "" {
			errs = append(errs, fmt.Errorf("channels: the channel of step %q has no name: write one", step))
		}
		if other, taken := names[name]; taken {
			errs = append(errs, fmt.Errorf("channels: steps %q and %q have the same channel %q: rows are numbered by channel, so give each its own", other, step, name))
		}
		names[name] = step
	}
	return errors.Join(errs...)
}

// channelNames are the names of the channels, by input.
func (l *loader) channelNames(inputs []sdk.Input) ([]string, error) {
	var names, steps []string
	for _, in := range inputs {
		name, ok := l.Channels[in.Name]
		if !ok {
			name = in.Name
		}
		if i := slices.Index(names, name); i >= 0 {
			return nil, fmt.Errorf("steps %q and %q would have the same channel %q: name one of them: channels = { %q = \"another\" }", steps[i], in.Name, name, in.Name)
		}
		names, steps = append(names, name), append(steps, in.Name)
	}
	for _, step := range slices.Sorted(maps.Keys(l.Channels)) {
		if !slices.Contains(steps, step) {
			return nil, fmt.Errorf("channels names the step %q, which this loader does not read: it reads %s", step, strings.Join(steps, ", "))
		}
	}
	return names, nil
}
