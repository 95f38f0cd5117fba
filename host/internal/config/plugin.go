package config

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// plugin reads a plugin block.
func (f *File) plugin(block *hclsyntax.Block) {
	e, body := f.eval, block.Body
	e.shape(body, shape{
		what:       "a plugin block",
		attributes: []string{"path", "env", "dev", "mtls", "network"},
		single:     []string{"limits", "sandbox"},
	})
	p := &Plugin{
		Name:      block.Labels[0],
		Path:      relativeTo(e.options.BaseDir, e.text(body, "path")),
		Env:       e.environment(body),
		Dev:       e.flag(body, "dev"),
		MutualTLS: e.flag(body, "mtls"),
		Network:   e.flag(body, "network"),
		Range:     block.DefRange(),
	}
	f.Plugins[p.Name] = p
	if limits := child(body, "limits"); limits != nil {
		p.Limits = e.limits(limits)
	}
	if sandbox := child(body, "sandbox"); sandbox != nil {
		p.Sandbox = e.sandbox(sandbox)
	}
}

func (e *evaluator) limits(block *hclsyntax.Block) Limits {
	e.labels(block)
	body := block.Body
	e.shape(body, shape{what: "a limits block", attributes: []string{"memory", "open_files", "cpu", "processes"}})
	l := Limits{Memory: parsed(e, body, "memory", `a number and B, KiB, MiB, GiB, KB, MB or GB, such as "512MiB"`, ParseSize)}
	l.OpenFiles, _ = e.number(body, "open_files")
	l.Processes, _ = e.number(body, "processes")
	l.CPU, _ = attribute[float64](e, body, "cpu", cty.Number)
	if at := rangeOf(body, "cpu"); l.CPU < 0 || l.CPU > 1<<20 {
		e.errorf(&at, "Wrong value", "cpu is a number of processors, such as 0.5.")
		l.CPU = 0
	}
	if at := rangeOf(body, "memory"); l.Memory > 0 && l.Memory < leastMemory {
		e.errorf(&at, "Wrong value", "No plugin starts with so little: memory is at least 16MiB.")
	}
	if at := rangeOf(body, "open_files"); l.OpenFiles > 0 && l.OpenFiles < leastFiles {
		e.errorf(&at, "Wrong value", "No plugin starts with so few: open_files is at least %d.", leastFiles)
	}
	return l
}

// What a plugin needs to start at all.
const (
	leastMemory = 16 << 20
	leastFiles  = 16
)

func (e *evaluator) sandbox(block *hclsyntax.Block) Sandbox {
	e.labels(block)
	body := block.Body
	e.shape(body, shape{what: "a sandbox block", attributes: []string{"enabled", "read", "write"}})
	at := block.DefRange()
	s := Sandbox{Read: e.paths(body, "read"), Write: e.paths(body, "write")}
	if body.Attributes["enabled"] != nil {
		s.Off = !e.flag(body, "enabled")
	}
	if s.Off {
		e.warnf(&at, "No sandbox", "This plugin reaches every file and every network that its user reaches.")
	}
	return s
}

// paths are the files and directories that an attribute names.
func (e *evaluator) paths(body *hclsyntax.Body, name string) []string {
	attr := body.Attributes[name]
	if attr == nil {
		return nil
	}
	value, ok := e.value(attr.Expr, cty.List(cty.String), name)
	if !ok {
		return nil
	}
	value, _ = value.UnmarkDeep()
	paths, err := into[[]string](value)
	at := attr.Expr.Range()
	if err != nil {
		e.errorf(&at, "Wrong value", "%s: %v.", name, err)
	}
	for i, path := range paths {
		if path == "" {
			e.errorf(&at, "Wrong value", "%s names files and directories: one of them is empty.", name)
		}
		paths[i] = relativeTo(e.options.BaseDir, path)
	}
	return paths
}

// environment is what a plugin finds in its environment: a map of values, or a
// list of names that are passed on where they are set.
func (e *evaluator) environment(body *hclsyntax.Body) map[string]string {
	attr := body.Attributes["env"]
	if attr == nil {
		return nil
	}
	value, ok := e.value(attr.Expr, cty.DynamicPseudoType, "env")
	if !ok {
		return nil
	}
	e.hidden.marked(value)
	value, _ = value.UnmarkDeep()
	if env, err := into[map[string]string](value); err == nil {
		return env
	}
	names, err := into[[]string](value)
	if err != nil {
		at := attr.Expr.Range()
		e.errorf(&at, "Wrong type", `env is a map of values, { NAME = "value" }, or a list of names to pass on, ["NAME"].`)
		return nil
	}
	env := make(map[string]string)
	for _, name := range names {
		if e.options.Env == nil {
			break
		}
		if value, set := e.options.Env(name); set {
			env[name] = value
		}
	}
	return env
}
