package catalog_test

import (
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/config"
)

// descriptors are this process's open files, by what they lead to.
func descriptors(t *testing.T, part string) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		path := filepath.Join("/proc/self/fd", e.Name())
		if to, err := os.Readlink(path); err == nil && strings.Contains(to, part) {
			found = append(found, path)
		}
	}
	return found
}

// Nobody can write to what runs, not even through the doors that the kernel
// leaves open.
func TestNobodyCanWriteToWhatRuns(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("seals memory")
	}
	b := newBench(t)
	c := b.open(t)
	digest := current(t, c, "")
	p, err := c.Start(t.Context(), catalog.Start{Plugin: "tested", Logger: b.config.Logger})
	if err != nil {
		t.Fatal(err)
	}
	check := func(path string) {
		t.Helper()
		for _, flag := range []int{os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC} {
			file, err := os.OpenFile(path, flag, 0)
			if err != nil {
				continue
			}
			if _, err := file.WriteAt([]byte("evil"), 0); err == nil {
				t.Errorf("%s was written to", path)
			}
			if err := file.Truncate(10); err == nil {
				t.Errorf("%s was cut", path)
			}
			if data, err := syscall.Mmap(int(file.Fd()), 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED); err == nil {
				t.Errorf("%s was mapped for writing", path)
				_ = syscall.Munmap(data)
			}
			_ = file.Close()
		}
	}
	ours := descriptors(t, "memfd:tested")
	if len(ours) != 1 {
		t.Fatalf("the host holds %v, want one file in memory", ours)
	}
	check("/proc/" + strconv.Itoa(p.PID()) + "/exe")
	check(ours[0])
	p.Kill()
	check(ours[0]) // nobody runs it now
	if again, err := c.Start(t.Context(), catalog.Start{Plugin: "tested", Logger: b.config.Logger}); err != nil {
		t.Error(err)
	} else {
		defer again.Kill()
		if got := running(t, again); got != digest {
			t.Errorf("%s runs, want %s", got, digest)
		}
	}
}

// All starts share one file in memory, and Close lets go of it.
func TestOneFilePerDigest(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	b := newBench(t)
	c := b.open(t)
	for range 3 {
		p, err := c.Start(t.Context(), catalog.Start{Plugin: "tested", Logger: b.config.Logger})
		if err != nil {
			t.Fatal(err)
		}
		p.Kill()
	}
	if err := c.DescribeOne(t.Context(), "tested").Err; err != nil {
		t.Error(err)
	}
	a := b.stage(t, c, "second")
	if got := descriptors(t, "memfd:tested"); len(got) != 2 {
		t.Errorf("the host holds %v, want one file for each of two versions", got)
	}
	if err := c.Collect(a.Digest); err != nil {
		t.Fatal(err)
	}
	if got := descriptors(t, "memfd:tested"); len(got) != 1 {
		t.Errorf("the host holds %v, want one: nobody runs the other", got)
	}
	c.Close()
	if got := descriptors(t, "memfd:tested"); len(got) != 0 {
		t.Errorf("the host holds %v after Close", got)
	}
}

// Where the system seals no memory, plugins run from a copy that nobody else can
// reach, and that is looked at again before each start.
func TestPrivateCopy(t *testing.T) {
	b := newBench(t)
	c := b.open(t)
	c.ForgetMemory()
	start := catalog.Start{Plugin: "tested", Logger: b.config.Logger}
	p, err := c.Start(t.Context(), start)
	if err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if runtime.GOOS != "linux" {
		return // the copy has a name, and goes with Close
	}
	if left, err := os.ReadDir(b.config.RunDir); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	ours := descriptors(t, "penstock-plugin-")
	if len(ours) != 1 {
		t.Fatalf("the host holds %v, want one copy", ours)
	}
	if info, err := os.Stat(ours[0]); err != nil || info.Mode().Perm() != 0o500 {
		t.Errorf("the copy is %v, %v", info.Mode(), err)
	}

	// Whoever is the same user gets there all the same, but not unnoticed.
	if err := os.Chmod(ours[0], 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(ours[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte("evil"), end-4); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = c.Start(t.Context(), start)
	says(t, err, "its private copy has changed", digestOf(version(t, "first")))
}

// stager puts a plugin into a store again and again, until it is killed.
func stager(plugins, data string) {
	for {
		_ = os.RemoveAll(data) // it is made again
		c, err := catalog.Open(catalog.Config{Dir: plugins, DataDir: data, Logger: hclog.NewNullLogger(), Plugins: map[string]*config.Plugin{}})
		if err == nil {
			_, err = c.Current("tested", "")
			c.Close()
		}
		if err != nil {
			os.Exit(3)
		}
	}
}

// A host that is killed while it writes into the store leaves no file there that
// is not what its name says.
func TestKilledWhileStaging(t *testing.T) {
	b := newBench(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	torn := 0
	for range 8 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), stagerEnv+"="+b.plugins+":"+b.data)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100*time.Millisecond + rand.N(200*time.Millisecond)) // somewhere in the middle
		_ = cmd.Process.Kill()
		if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() == 3 {
			t.Fatalf("the process that stages ended by itself: %v", err)
		}
		for _, name := range b.files(t) {
			if strings.HasPrefix(name, ".") {
				torn++
				continue
			}
			content, err := os.ReadFile(filepath.Join(b.data, "plugins", "sha256", name))
			if err != nil || digestOf(content) != "sha256:"+name {
				t.Errorf("%s holds %s, %v", name, digestOf(content), err)
			}
		}
		if err := b.open(t).In(b.config.RunDir).DescribeOne(t.Context(), "tested").Err; err != nil {
			t.Error(err)
		}
		for _, name := range b.files(t) {
			if strings.HasPrefix(name, ".") {
				t.Errorf("%s is still there", name)
			}
		}
	}
	t.Logf("%d of 8 had begun a file", torn)
}
