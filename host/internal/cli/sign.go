package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
)

func (a *app) pluginKeygenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen FILE",
		Short: "Make a key to sign plugins with",
		Long: `Keygen writes a new private ed25519 key into FILE, which it does not replace and
which only you can read, and prints the public key as it is written in the host
block of those who are to trust it.`,
		Example: `  penstock plugin keygen release.key
  penstock plugin sign bin/plugins/uniswap --key release.key`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			key, public, err := catalog.GenerateKey()
			if err != nil {
				return fmt.Errorf("make a key: %w", err)
			}
			if err := writeNew(args[0], key, 0o600); err != nil {
				return fmt.Errorf("write the key: %w", err)
			}
			a.say(fmt.Sprintf("wrote the private key to %s: keep it secret, and a copy of it; who is to trust it writes", args[0]))
			_, err = fmt.Fprintf(a.stdout, "host {\n  trusted_keys = [%q]\n}\n", public)
			return err
		},
	}
}

// writeNew writes a file that must not be there.
func writeNew(path string, content []byte, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: name another file, or remove it", path)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(path) // it is not whole
	}
	return err
}

type signOptions struct {
	path, key, name, version string
	told                     bool // version was given, perhaps as ""
}

func (a *app) pluginSignCommand() *cobra.Command {
	var o signOptions
	cmd := &cobra.Command{
		Use:   "sign PATH",
		Short: "Vouch for the bytes of a plugin",
		Long: `Sign writes PATH.sig: that whoever has the key vouches for a plugin of this name
and version with just these bytes. The file goes wherever the plugin goes. To
know the version, sign runs the plugin; --plugin-version tells that of one which
is built for another machine.`,
		Example: `  penstock plugin sign bin/plugins/uniswap --key release.key
  penstock plugin sign dist/uniswap-arm64 --key release.key --name uniswap --plugin-version 1.2.0`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.path, o.told = args[0], cmd.Flags().Changed("plugin-version")
			if o.key == "" {
				return usagef("--key is missing: name the file of the key (penstock plugin keygen makes one)")
			}
			return interruptible(cmd.Context(), func(ctx context.Context) error { return a.sign(ctx, o) })
		},
	}
	cmd.Flags().StringVar(&o.key, "key", "", "`file` of the private key")
	cmd.Flags().StringVar(&o.name, "name", "", "`name` that the plugin runs under (default that of the file)")
	cmd.Flags().StringVar(&o.version, "plugin-version", "", "`version` of the plugin, instead of asking it")
	return cmd
}

func (a *app) sign(ctx context.Context, o signOptions) error {
	content, err := os.ReadFile(o.key)
	if err != nil {
		return fmt.Errorf("read the key: %w", err)
	}
	key, err := catalog.ParsePrivateKey(content)
	if err != nil {
		return fmt.Errorf("read the key %s: %w", o.key, err)
	}
	name := o.name
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(o.path), ".exe")
	}
	if err := config.CheckPluginName(name); err != nil {
		return usagef("%w: name it with --name", err)
	}
	logger, err := (&logging{level: "warn"}).open(a.stderr, colored(a.stderr))
	if err != nil {
		return err
	}
	c, err := catalog.Open(catalog.Config{
		Plugins: map[string]*config.Plugin{name: {Name: name, Path: o.path}}, HostVersion: a.version, LogLevel: "warn", Logger: logger,
	})
	if err != nil {
		return err
	}
	defer c.Close()
	digest, version := "", o.version
	if o.told {
		digest, err = c.Digest(ctx, name)
	} else {
		d := c.DescribeOne(ctx, name)
		digest, version, err = d.Digest, d.Version, d.Err
	}
	if err != nil {
		return err
	}
	signature, err := catalog.Sign(name, version, digest, key)
	if err != nil {
		return err
	}
	to := o.path + catalog.SignatureSuffix
	if err := catalog.WriteFile(to, signature, 0o644); err != nil {
		return fmt.Errorf("write the signature: %w", err)
	}
	_, err = fmt.Fprintf(a.stdout, "%s vouches for plugin %s %s, %s\n", to, name, version, digest)
	return err
}
