package project

import (
	"path/filepath"
	"strings"

	"github.com/penstock-io/penstock/host/internal/config"
)

// lockFile is the lock file of a project, "" where no file or directory is named.
func (o Options) lockFile() string {
	if o.Path == "" {
		return ""
	}
	return filepath.Join(first(o.BaseDir, BaseDir(o.Path)), config.LockName)
}

// checkLock reports what is wrong with the lock file. Nothing runs until that is
// mended: nobody could tell what may.
func (p *Project) checkLock(o Options) config.Diagnostics {
	if o.Dev || o.Running != nil {
		return nil
	}
	lock, diags := config.ReadLock(o.lockFile())
	if lock != nil {
		p.File.Show(lock)
	}
	return diags
}

// lockCommand is how a person locks the plugins of this project.
func (o Options) lockCommand() string {
	command := "penstock plugin lock"
	if o.Path != defaultPath && o.Path != "." {
		command += " --file " + quote(o.Path)
	}
	if o.PluginDir != "" {
		command += " --plugin-dir " + quote(o.PluginDir)
	}
	if o.DataDir != "" {
		command += " --data-dir " + quote(o.DataDir)
	}
	return command
}

// defaultPath is what commands read where nothing is named.
const defaultPath = "pipelines.hcl"

// quote writes a path as a shell reads it.
func quote(path string) string {
	if strings.ContainsAny(path, " \t\"'$&;|<>()*?[]\\`#~") {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}
