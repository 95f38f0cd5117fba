package remote

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// CheckFile reports what can be seen of the file at Path without reading it: that
// it is not there, a directory, or not executable. The error is a *StartError.
func CheckFile(c Config) error {
	c, err := c.complete()
	if err != nil {
		return err
	}
	c.Sealed = nil
	return c.checkFile()
}

func (c Config) checkFile() error {
	if c.Sealed != nil {
		return nil // what is at Path does not matter
	}
	info, err := os.Stat(c.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c.startError(ErrMissing, "there is no file %s: build or install the plugin, or correct its path", c.Path)
	case err != nil:
		return c.startError(ErrMissing, "%v: correct its path or its permissions", err)
	case info.IsDir():
		return c.startError(ErrNotExecutable, "%s is a directory: name the program in it", c.Path)
	case !info.Mode().IsRegular():
		return c.startError(ErrNotExecutable, "%s is no regular file: name a program", c.Path)
	case info.Mode().Perm()&0o111 == 0:
		return c.startError(ErrNotExecutable, "%s is not executable: run chmod +x %s", c.Path, c.Path)
	}
	return nil
}

// CheckProgram reports what can be seen of a program's bytes without running
// them: that they are none, made for another machine, or not all there. The
// error is a *StartError and names Path, wherever the bytes are read from. What
// only the system can know is left to Start.
func CheckProgram(c Config, program io.ReaderAt, size int64) error {
	c, err := c.complete()
	if err != nil {
		return err
	}
	head := make([]byte, min(size, 64))
	if _, err := program.ReadAt(head, 0); err != nil && len(head) > 0 {
		return c.startError(ErrNotProgram, "%s cannot be read: %v", c.Path, err)
	}
	switch {
	case runtime.GOOS != "linux" || isScript(program):
		return nil
	case !bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return c.notProgram(describeHead(head))
	}
	if built := processorOf(head); built != "" && !runsHere(built) {
		return c.notProgram(sayBuilt(built))
	}
	if whole := wholeSize(program, size); whole > size {
		return c.startError(ErrNotProgram, "%s is cut off: it has %d bytes of at least %d: copy it again, or wait until the copy has ended", c.Path, size, whole)
	}
	return nil
}

func (c Config) notProgram(why string) error {
	return c.startError(ErrNotProgram, "%s is not a program for %s/%s: %s: build it for this machine", c.Path, runtime.GOOS, runtime.GOARCH, why)
}

// isScript tells whether the kernel has an interpreter run a program.
func isScript(program io.ReaderAt) bool {
	head := make([]byte, 2)
	n, _ := program.ReadAt(head, 0) // a shorter file is none
	return n == 2 && string(head) == "#!"
}

// describeProgram tells what the program is that the kernel did not take for one.
func (c Config) describeProgram() string {
	file := c.Sealed
	if file == nil {
		var err error
		if file, err = os.Open(c.Path); err != nil {
			return "it cannot be read"
		}
		defer func() { _ = file.Close() }()
	}
	head := make([]byte, 64)
	n, _ := file.ReadAt(head, 0) // what is there is told
	return describeHead(head[:n])
}

// describeHead tells what a file is that begins like this.
func describeHead(head []byte) string {
	if len(head) == 0 {
		return "it is empty"
	}
	if bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return sayBuilt(processorOf(head))
	}
	return fmt.Sprintf("it begins with %q", head[:min(len(head), 20)])
}

func sayBuilt(processor string) string {
	return fmt.Sprintf("it is built for %s, this machine is %s", processor, runtime.GOARCH)
}

// processorNames are the names that Go has for those of ELF.
func processorNames() map[elf.Machine]string {
	return map[elf.Machine]string{
		elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_386: "386", elf.EM_ARM: "arm", elf.EM_RISCV: "riscv64",
		elf.EM_PPC64: "ppc64", elf.EM_S390: "s390x", elf.EM_LOONGARCH: "loong64", elf.EM_MIPS: "mips",
	}
}

// processorOf is the processor that an ELF file is built for, as Go spells it.
// It is "" where so little of the file is there that it does not say.
func processorOf(head []byte) string {
	const at = 18 // of e_machine in the header
	if len(head) < at+2 {
		return ""
	}
	order := byteOrder(head)
	machine := elf.Machine(order.Uint16(head[at:]))
	name, ok := processorNames()[machine]
	if !ok {
		return machine.String()
	}
	if little := elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2LSB; little && (name == "ppc64" || name == "mips") {
		name += "le"
	}
	return name
}

// runsHere tells whether programs for a processor may run on this one. Whether
// the kernel does run those of its smaller sibling, it says itself.
func runsHere(processor string) bool {
	siblings := map[string]string{"amd64": "386", "arm64": "arm", "mips64": "mips", "mips64le": "mipsle"}
	return processor == runtime.GOARCH || processor == siblings[runtime.GOARCH]
}

// wholeSize is what an ELF file must measure for everything to be there that its
// headers name, 1 more than size where they themselves are cut off.
func wholeSize(program io.ReaderAt, size int64) int64 {
	tables, ok := tableEnds(program)
	if !ok {
		return size + 1
	}
	if tables > size {
		return tables
	}
	file, err := elf.NewFile(program)
	if err != nil {
		return whenCut(err, size)
	}
	whole := tables
	for _, p := range file.Progs {
		whole = max(whole, end(p.Off, p.Filesz))
	}
	for _, s := range file.Sections {
		if s.Type != elf.SHT_NOBITS {
			whole = max(whole, end(s.Offset, s.FileSize))
		}
	}
	return whole
}

// whenCut is more than size if a file could not be read for being too short. What
// else is wrong with it the kernel says best.
func whenCut(err error, size int64) int64 {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return size + 1
	}
	return size
}

// tableEnds is where the last of an ELF file's tables of headers ends. It is
// false if not even the first header is there.
func tableEnds(program io.ReaderAt) (int64, bool) {
	head := make([]byte, 64)
	n, _ := program.ReadAt(head, 0) // a short file is the question
	if n < 52 || elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS64 && n < 64 {
		return 0, false
	}
	order := byteOrder(head)
	if elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS32 {
		return max(
			end(uint64(order.Uint32(head[28:])), uint64(order.Uint16(head[42:]))*uint64(order.Uint16(head[44:]))),
			end(uint64(order.Uint32(head[32:])), uint64(order.Uint16(head[46:]))*uint64(order.Uint16(head[48:]))),
		), true
	}
	return max(
		end(order.Uint64(head[32:]), uint64(order.Uint16(head[54:]))*uint64(order.Uint16(head[56:]))),
		end(order.Uint64(head[40:]), uint64(order.Uint16(head[58:]))*uint64(order.Uint16(head[60:]))),
	), true
}

// end is where something ends; beyond all files if the numbers are nonsense.
func end(offset, length uint64) int64 {
	const beyond = 1 << 62
	return int64(min(offset, beyond/2)) + int64(min(length, beyond/2))
}

func byteOrder(head []byte) binary.ByteOrder {
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		return binary.BigEndian
	}
	return binary.LittleEndian
}
