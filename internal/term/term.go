// Package term is what all commands have in common: where they read and write,
// how they end, and whether there may be colours.
package term

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Exit codes. Those from ExitAsk on are the command guard's; the last two are what shells
// end with where a program cannot be run.
const (
	ExitOK          = 0
	ExitError       = 1
	ExitUsage       = 2
	ExitDegraded    = 3
	ExitUnreachable = 4
	ExitAsk         = 10
	ExitDeny        = 11
	ExitNotRun      = 126
	ExitNoProgram   = 127
)

// Codes are all exit codes and what they mean in general; what one means for a command
// is in its help.
var Codes = []struct {
	Code  int
	Means string
}{
	{ExitOK, "done, or all is well"},
	{ExitError, "an error, told on standard error"},
	{ExitUsage, "wrong use, or wrong settings"},
	{ExitDegraded, "something is wrong and to be mended, or keeper stands down"},
	{ExitUnreachable, "the daemon does not answer"},
	{ExitAsk, "the command guard has a person asked"},
	{ExitDeny, "the command guard refuses the command"},
	{ExitNotRun, "a wrapped program cannot be run"},
	{ExitNoProgram, "a wrapped program is not there"},
}

// IO is where a command reads and writes.
type IO struct {
	Out, Err io.Writer
}

// Exit ends the program with a code other than 1. An empty error prints nothing:
// what there was to say has been said.
type Exit struct {
	Code int
	Err  error
}

func (e Exit) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

func (e Exit) Unwrap() error { return e.Err }

// Code prints what is to be said of an error, under the program's name, and
// returns the exit code.
func Code(err error, name string, to IO) int {
	if err == nil {
		return ExitOK
	}
	var e Exit
	if !errors.As(err, &e) {
		e = Exit{Code: ExitError, Err: err}
	}
	if e.Err != nil {
		fmt.Fprintf(to.Err, "%s: %v\n", name, e.Err)
	}
	return e.Code
}

// Colours says whether w is a terminal whose user did not ask for plain text.
func Colours(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0
}

// Paint puts text into the colour of an SGR code, where there may be colours.
func Paint(colours bool, code, text string) string {
	if !colours {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
