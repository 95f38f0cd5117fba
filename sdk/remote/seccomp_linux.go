package remote

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The kernel shows a filter the call: its number, the architecture whose numbers
// those are, an address, and six arguments of which a filter reads one half at a
// time.
const (
	offsetNumber       = 0
	offsetArchitecture = 4
	offsetArguments    = 16
)

// verdict is what becomes of a call.
func verdict(action uint32) bpf.Instruction { return bpf.RetConstant{Val: action} }

const (
	allowed = unix.SECCOMP_RET_ALLOW
	denied  = unix.SECCOMP_RET_ERRNO | uint32(unix.EACCES)
	unknown = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// canFilter tells whether the kernel filters system calls, and whether it is one
// whose calls this filter knows.
func canFilter() bool {
	if architecture() == 0 {
		return false
	}
	action := uint32(unix.SECCOMP_RET_ERRNO)
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	return errno == 0
}

// architecture is the kernel's number of the one that this program runs on, 0
// where its sockets are not calls of their own or nobody has tried.
func architecture() uint32 {
	switch runtime.GOARCH {
	case "amd64":
		return unix.AUDIT_ARCH_X86_64
	case "arm64":
		return unix.AUDIT_ARCH_AARCH64
	}
	return 0
}

// firstX32 begins the numbers of a second set of calls that x86-64 has.
const firstX32 = 0x40000000

// newNamespaces are the flags that make a process the superuser of a world of
// its own.
const newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS |
	unix.CLONE_NEWCGROUP

// newFilter makes the filter of a plugin's system calls. What it denies fails
// with "permission denied", so that an author sees it where it happens.
func newFilter(network bool) ([]unix.SockFilter, error) {
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArchitecture, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: architecture(), SkipTrue: 1},
		verdict(denied),
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: firstX32, SkipTrue: 1},
		verdict(denied),
	}
	calls := conditional(network)
	for _, number := range forbidden() {
		calls[number] = []bpf.Instruction{verdict(denied)}
	}
	for _, number := range slices.Sorted(maps.Keys(calls)) {
		rules := calls[number]
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: number, SkipTrue: uint8(len(rules))})
		program = append(program, rules...)
	}
	raw, err := bpf.Assemble(append(program, verdict(allowed)))
	if err != nil {
		return nil, fmt.Errorf("make the filter of its system calls: %w", err)
	}
	out := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		out[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return out, nil
}

// conditional are calls that are allowed with some arguments. Their rules end
// with a verdict.
func conditional(network bool) map[uint32][]bpf.Instruction {
	calls := map[uint32][]bpf.Instruction{
		// A new process is held by the host with these two; neither reaches another one.
		unix.SYS_PTRACE: allowIf(is(0, ptraceTraceMe), is(0, unix.PTRACE_DETACH)),
		unix.SYS_CLONE: {
			argument(0), bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: newNamespaces, SkipFalse: 1}, verdict(denied), verdict(allowed),
		},
		// Its flags are out of a filter's sight; whoever calls it goes back to clone.
		unix.SYS_CLONE3: {verdict(unknown)},
	}
	local := append(is(0, unix.AF_UNIX), kind(unix.SOCK_STREAM)...)
	if !network {
		calls[unix.SYS_SOCKET] = allowIf(local)
		calls[unix.SYS_SOCKETPAIR] = allowIf(local)
		calls[unix.SYS_CONNECT] = []bpf.Instruction{verdict(denied)}
		return calls
	}
	calls[unix.SYS_SOCKET] = allowIf(
		is(0, unix.AF_UNIX),
		append(is(0, unix.AF_INET), kind(unix.SOCK_STREAM)...),
		append(is(0, unix.AF_INET), kind(unix.SOCK_DGRAM)...),
		append(is(0, unix.AF_INET6), kind(unix.SOCK_STREAM)...),
		append(is(0, unix.AF_INET6), kind(unix.SOCK_DGRAM)...),
		append(is(0, unix.AF_NETLINK), is(2, unix.NETLINK_ROUTE)...), // which addresses this machine has
	)
	return calls
}

const (
	ptraceTraceMe = 0
	socketTypes   = 0xf // the rest of a type are flags
)

// argument loads the lower half of an argument, which is all of those that are
// asked about here.
func argument(n int) bpf.Instruction {
	return bpf.LoadAbsolute{Off: uint32(offsetArguments + 8*n), Size: 4}
}

// is compares an argument. Where it differs, what follows is skipped: allowIf
// says how much that is.
func is(n int, value uint32) []bpf.Instruction {
	return []bpf.Instruction{argument(n), bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: value}}
}

// kind is is for the type of a socket, without its flags.
func kind(value uint32) []bpf.Instruction {
	return []bpf.Instruction{argument(1), bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: socketTypes}, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: value}}
}

// allowIf allows a call where all comparisons of one of the cases hold, and
// denies it otherwise.
func allowIf(cases ...[]bpf.Instruction) []bpf.Instruction {
	var out []bpf.Instruction
	for _, comparisons := range cases {
		for i, in := range comparisons {
			if jump, ok := in.(bpf.JumpIf); ok {
				jump.SkipTrue = uint8(len(comparisons) - i) // the others, and the verdict
				in = jump
			}
			out = append(out, in)
		}
		out = append(out, verdict(allowed))
	}
	return append(out, verdict(denied))
}

// forbidden are calls that no plugin has a use for: they reach into other
// processes, change the machine, or lead around this filter.
func forbidden() []uint32 {
	return []uint32{
		unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
		unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_FANOTIFY_INIT,
		unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
		unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_CHROOT, unix.SYS_PIVOT_ROOT,
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN, unix.SYS_FSMOUNT, unix.SYS_FSCONFIG,
		unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_OPEN_BY_HANDLE_AT,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
		unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_SYSLOG, unix.SYS_VHANGUP,
		unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_ADJTIMEX, unix.SYS_CLOCK_ADJTIME,
		unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_QUOTACTL,
	}
}
