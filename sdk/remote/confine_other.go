//go:build !linux

package remote

import "os/exec"

// kernelCan knows of nothing but sessions here.
func kernelCan() abilities { return abilities{session: true} }

func isFirstThread() bool { return false }

// confinement restricts nothing here.
type confinement struct{}

func newConfinement(Config, string) (*confinement, error) { return &confinement{}, nil }

func (*confinement) environment() []string                { return nil }
func (*confinement) enter() error                         { return nil }
func (*confinement) attributes(*exec.Cmd)                 {}
func (*confinement) yields(error) bool                    { return false }
func (*confinement) settle(*exec.Cmd)                     {}
func (*confinement) close()                               {}
func (*confinement) kill(int)                             {}
func (*confinement) killStrays()                          {}
func (*confinement) bounds(string) bool                   { return false }
func (*confinement) wasStarved() bool                     { return false }
func (*confinement) usage(int) (memory, processes uint64) { return 0, 0 }
func (*confinement) leave()                               {}
