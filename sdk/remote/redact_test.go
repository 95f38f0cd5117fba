package remote_test

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk/remote"
)

func TestRedactor(t *testing.T) {
	r := remote.NewRedactor([]string{"abc", "token/with \"quotes\"&more", "token", "-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END KEY-----"})
	for text, want := range map[string]string{
		"":                           "",
		"abc is too short":           "abc is too short",
		"a token, two tokens":        "a (sensitive), two (sensitive)s",
		`a token/with "quotes"&more`: "a (sensitive)",
		`{"t":"token/with \"quotes\"\u0026more"}`: `{"t":"(sensitive)"}`,
		"?t=token%2Fwith+%22quotes%22%26more":     "?t=(sensitive)",
		"line MIIEvQIBADAN of a key":              "line (sensitive) of a key",
	} {
		if got := r.Text(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := remote.NewRedactor(nil).Text("token"); got != "token" {
		t.Errorf("without secrets: got %q", got)
	}
}

// A secret that a plugin was given comes back from it in no form.
func TestSecretsDoNotComeBack(t *testing.T) {
	const token = `hunter2/"quoted"&more`
	c := config(t, "good", "TOKEN="+token)
	c.Secrets = []string{token}
	log := newRecorder()
	c.Logger = log.logger
	check := func(what, text string) {
		t.Helper()
		if strings.Contains(text, "hunter2") || !strings.Contains(text, remote.Hidden) {
			t.Errorf("%s: %s", what, text)
		}
	}
	p := start(t, c)
	check("mistakes", strings.Join(ask(t, p, "environment"), " "))
	_, err := p.Configure(t.Context(), "tell", nil)
	check("error", err.Error())
	ask(t, p, "print token")
	for _, line := range []string{"stdout ", "stderr ", "record"} {
		log.find(t, line)
	}
	_, err = p.Configure(t.Context(), "crash", nil)
	check("exit", err.Error())
	<-p.Done()
	check("panic", p.Exit().Panic)
	check("last lines", strings.Join(p.Exit().Stderr, " "))
	p.Kill()

	page := &gate{open: make(chan struct{})}
	page.release()
	c.Stdout = page
	p = start(t, c)
	ask(t, p, "print token")
	p.Kill()
	check("page", page.written.String())

	c.Env = append(c.Env, roleEnv+"=tells") // the last one holds
	_, err = remote.Start(t.Context(), c)
	check("start", err.Error())

	log.mu.Lock()
	defer log.mu.Unlock()
	check("log", log.lines.String())
}

// What a process says that it waits for, or could not use, is for people: without
// secrets, short, and nothing that moves a cursor.
func TestProgressIsForPeople(t *testing.T) {
	const token = "hunter2/secret"
	c := config(t, "good", "TOKEN="+token)
	c.Secrets = []string{token}
	f, err := open(t, start(t, c), "waits").Recv()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Free()
	cause := f.Progress.Cause
	if !strings.HasPrefix(cause, "the database of "+remote.Hidden) || strings.ContainsAny(cause, "\x1b") || len(cause) > 5<<10 {
		t.Errorf("got %d bytes: %.100q", len(cause), cause)
	}
}
