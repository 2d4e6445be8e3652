package guardhost

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
)

// mostText is how much of a script the guard reads.
const mostText = 256 << 10

// The file systems whose files are made up by the kernel (statfs(2)): reading one may do
// something, or never end.
const (
	procMagic   = 0x9fa0
	sysMagic    = 0x62656572
	debugMagic  = 0x64626720
	traceMagic  = 0x74726163
	cgroupMagic = 0x63677270
)

// errNone is about what is no file that may be read.
var errNone = errors.New("is no regular file, or too large")

// readText is what guard.Host.Read is.
func readText(path string) (string, bool) {
	if !filepath.IsAbs(path) || strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/proc/") {
		return "", false
	}
	text, err := readFile(path, mostText)
	return text, err == nil
}

// readFile reads a regular file that is no larger than most, without waiting for
// anybody, and without os.File, which has the runtime poll each.
func readFile(path string, most int64) (string, error) {
	// A FIFO would be waited for until somebody writes.
	fd, err := again(func() (int, error) {
		return syscall.Open(path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC|syscall.O_NOCTTY, 0)
	})
	if err != nil {
		return "", err
	}
	defer func() { _ = syscall.Close(fd) }()
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return "", err
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFREG || st.Size > most {
		return "", errNone
	}
	var on syscall.Statfs_t
	if err := syscall.Fstatfs(fd, &on); err != nil {
		return "", err
	}
	switch int64(on.Type) { //nolint:unconvert // it is not the same on all machines
	case procMagic, sysMagic, debugMagic, traceMagic, cgroupMagic:
		return "", errNone
	}
	data := make([]byte, st.Size+1)
	n := 0
	for n < len(data) {
		m, err := again(func() (int, error) { return syscall.Read(fd, data[n:]) })
		if err != nil {
			return "", err
		}
		if m <= 0 {
			break
		}
		n += m
		if int64(n) == st.Size {
			break // and if it grows at this moment, this is what it was
		}
	}
	return string(data[:n]), nil
}

// again calls f until no signal interrupts it.
func again(f func() (int, error)) (int, error) {
	for {
		if n, err := f(); err != syscall.EINTR { //nolint:errorlint // nobody wraps it
			return n, err
		}
	}
}

// missing says that there is no such file.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// Bounds of resolving a path: the kernel's own are 40 links and 4096 bytes.
const (
	mostLinks = 40
	mostPath  = 4096
)

// resolve follows the symbolic links of an absolute path as far as it exists: the rest is
// as written. One that leads nowhere it follows as the kernel would, to where a file
// would be made.
func resolve(path string) string { return newResolver().resolve(path) }

// resolver remembers what it found out, for many paths have the same begin.
type resolver struct {
	// known has where a path, as it was asked for or come to, really is.
	known map[string]where
}

// where is a path without links. What is below one that is gone is gone too.
type where struct {
	path string
	gone bool
}

func newResolver() *resolver { return &resolver{known: map[string]where{"/": {path: "/"}}} }

func (r *resolver) resolve(path string) string {
	if !filepath.IsAbs(path) || len(path) > mostPath || strings.ContainsRune(path, 0) {
		return path
	}
	links := 0
	if to, ok := r.follow(path, &links); ok {
		return to.path
	}
	return filepath.Clean(path)
}

// follow goes up to what is known of a path, and from there to its end. It is not ok if
// there is no end.
func (r *resolver) follow(path string, links *int) (where, bool) {
	path = strings.TrimRight(path, "/")
	if path == "" {
		path = "/"
	}
	if to, is := r.known[path]; is {
		return to, true
	}
	cut := strings.LastIndexByte(path, '/')
	dir, ok := r.follow(path[:cut+1], links)
	if !ok {
		return where{}, false
	}
	to, ok := r.step(dir, path[cut+1:], links)
	if ok {
		r.known[path] = to
	}
	return to, ok
}

// step goes from a directory to what it has by that name: .. is above what a link led
// to, and not above the link.
func (r *resolver) step(dir where, name string, links *int) (where, bool) {
	switch name {
	case ".":
		return dir, true
	case "..":
		return where{path: filepath.Dir(dir.path)}, true
	}
	next := filepath.Join(dir.path, name)
	if dir.gone {
		return where{next, true}, true
	}
	if to, is := r.known[next]; is {
		return to, true
	}
	target, err := readlink(next)
	to := where{path: next, gone: missing(err)}
	if err == nil {
		if *links++; *links > mostLinks || len(target) > mostPath {
			return where{}, false
		}
		if !filepath.IsAbs(target) {
			// Not Join: it would take the dots away before the links are known.
			target = strings.TrimSuffix(dir.path, "/") + "/" + target
		}
		var ok bool
		if to, ok = r.follow(target, links); !ok {
			return where{}, false
		}
	}
	// With any other error it is no link, or nothing more is to be known of it.
	r.known[next] = to
	return to, true
}

func readlink(path string) (string, error) {
	buf := make([]byte, 256)
	for {
		n, err := syscall.Readlink(path, buf)
		if err != nil {
			return "", err
		}
		if n < len(buf) {
			return string(buf[:n]), nil
		}
		if len(buf) > mostPath {
			return "", syscall.ENAMETOOLONG
		}
		buf = make([]byte, 4*len(buf))
	}
}
