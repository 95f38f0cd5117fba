package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/penstock-io/penstock/sdk/remote"
)

// checkMistakes makes every mistake that a file can have.
func checkMistakes(ctx context.Context, b *bench) error {
	base, err := b.values()
	if u := (*unchecked)(nil); errors.As(err, &u) {
		base = map[string]json.RawMessage{} // mistakes can be made all the same
	}
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	tries := []try{{name: "no_such_attribute", value: json.RawMessage("1"), what: "an attribute that it does not have"}}
	for _, a := range b.register.Settings.Attributes {
		if bad, ok := misfit(a.Type); ok {
			tries = append(tries, try{name: a.Name, value: bad, what: fmt.Sprintf("%s for an attribute of type %s", bad, a.Type)})
		}
		if a.Required {
			tries = append(tries, try{name: a.Name, what: "nothing for an attribute that is required"})
		}
	}
	for _, t := range tries {
		object := maps.Clone(base)
		delete(object, t.name)
		if t.value != nil {
			object[t.name] = t.value
		}
		if err := b.mistake(ctx, p, t, asJSON(object)); err != nil {
			return err
		}
	}
	b.note("%d mistakes were made", len(tries))
	return b.refusesToOpen(ctx, p, tries[0], base)
}

// try is one mistake.
type try struct {
	name  string
	value json.RawMessage
	what  string
}

// misfit is a value that no type but the given one would be taken for.
func misfit(typ string) (json.RawMessage, bool) {
	switch {
	case typ == "number" || typ == "bool" || strings.HasPrefix(typ, "list("):
		return json.RawMessage(`{"not": "this"}`), true
	case typ == "string" || strings.HasPrefix(typ, "map("):
		return json.RawMessage(`[[7]]`), true
	}
	return nil, false
}

const mendSettings = "let the SDK read the settings: fields with an hcl tag of the struct that is passed to the register; check in Validate, and return errors there"

// mistake has settings checked that have one, which has to be told by its name.
func (b *bench) mistake(ctx context.Context, p *remote.Plugin, t try, settings []byte) error {
	want := fmt.Sprintf("a mistake that names %s", t.name)
	mistakes, err := p.Configure(ctx, b.register.Name, settings)
	if err != nil {
		return wrong(fmt.Sprintf("given %s (%s), it does not check its settings: %v%s", t.what, t.name, err, stackOf(err)), want, mendSettings)
	}
	for _, m := range mistakes {
		if strings.Contains(m.Attribute, t.name) || strings.Contains(m.Message, t.name) {
			return nil
		}
	}
	if len(mistakes) == 0 {
		return wrong(fmt.Sprintf("given %s (%s), it finds no mistake", t.what, t.name), want, mendSettings)
	}
	return wrong(fmt.Sprintf("given %s (%s), it says %q and does not name it", t.what, t.name, mistakes[0].Message), want, mendSettings)
}

// refusesToOpen opens a process with a mistake in its settings.
func (b *bench) refusesToOpen(ctx context.Context, p *remote.Plugin, t try, base map[string]json.RawMessage) error {
	object := maps.Clone(base)
	object[t.name] = t.value
	s, err := b.open(ctx, p, opening{settings: asJSON(object)})
	if err == nil {
		s.hangUp()
		return wrong(fmt.Sprintf("it opens a process with %s (%s)", t.what, t.name), "a refusal, as its settings have a mistake", mendSettings)
	}
	return survives(p, "refusing settings")
}

// survives sees to it that a plugin is still there.
func survives(p *remote.Plugin, what string) error {
	if exit := p.Exit(); exit != nil {
		return wrong(fmt.Sprintf("%s ends the whole plugin: %v%s", what, exit, panicOf(exit)), "a process that lives on, as other steps may share it", mendError(exit))
	}
	return nil
}

func stackOf(err error) string {
	if failure := (*remote.Failure)(nil); errors.As(err, &failure) && failure.Stack != "" {
		return "\n" + firstLines(failure.Stack, 12)
	}
	return ""
}

// hostile are values that fit a type and little else.
func hostile(typ string) []json.RawMessage {
	raw := func(texts ...string) (all []json.RawMessage) {
		for _, text := range texts {
			all = append(all, json.RawMessage(text))
		}
		return all
	}
	switch {
	case typ == "number":
		return raw("0", "-1", "1", "1e300", "-9223372036854775808", "18446744073709551615", "0.5")
	case typ == "string":
		return raw(`""`, `"\u0000"`, `"../../../../etc/passwd"`, `"0x"`, `"-1s"`, `"%s%n"`, string(asJSON(strings.Repeat("x", 1<<16))))
	case typ == "bool":
		return raw("true", "false")
	case strings.HasPrefix(typ, "list("):
		return raw("[]", `[""]`, "[[]]", "[null]", "null")
	case strings.HasPrefix(typ, "map("):
		return raw("{}", `{"": ""}`, `{"a": null}`, "null")
	}
	return raw("null", "{}", "[]", `""`)
}

// checkHostileSettings has settings checked that nobody has thought of. Whether
// they are right is the plugin's to say; that it says so is what is wanted.
func checkHostileSettings(ctx context.Context, b *bench) error {
	base, err := b.values()
	if u := (*unchecked)(nil); errors.As(err, &u) {
		base = map[string]json.RawMessage{}
	}
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	tried, refused := 0, 0
	for _, a := range b.register.Settings.Attributes {
		for _, value := range hostile(a.Type) {
			object := maps.Clone(base)
			object[a.Name] = value
			mistakes, err := p.Configure(ctx, b.register.Name, asJSON(object))
			if err != nil {
				return wrong(fmt.Sprintf("%s = %s: %v%s", a.Name, shorten(string(value)), err, stackOf(err)),
					"settings that are taken, or mistakes that are told: never a crash", "check the value in Validate before it is used, and return an error there")
			}
			tried++
			refused += min(len(mistakes), 1)
		}
	}
	for _, object := range []string{"", "null", "[]", "{", `{"a": {"a": {"a": {}}}}`} {
		if _, err := p.Configure(ctx, b.register.Name, []byte(object)); err != nil {
			return wrong(fmt.Sprintf("settings %q: %v%s", object, err, stackOf(err)), "mistakes that are told", mendSettings)
		}
	}
	b.note("%d settings were tried, %d of them refused", tried, refused)
	return survives(p, "checking settings")
}

func shorten(text string) string {
	if len(text) > 60 {
		return text[:60] + "..."
	}
	return text
}
