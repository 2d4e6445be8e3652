package term

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Size returns how many columns and lines the terminal has that w is, or false
// if it is none on which the cursor can be moved.
func Size(w io.Writer) (width, height int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile || os.Getenv("TERM") == "dumb" {
		return 0, 0, false
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	var size *unix.Winsize
	if cerr := raw.Control(func(fd uintptr) { size, err = unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ) }); cerr != nil || err != nil {
		return 0, 0, false
	}
	if size.Col == 0 || size.Row == 0 {
		return 80, 24, true // it does not know; serial lines do not
	}
	return int(size.Col), int(size.Row), true
}
