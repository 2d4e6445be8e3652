package core

// Check is one thing that the doctor looks at, for the reference.
type Check struct {
	// ID is that of its findings.
	ID string
	// Looks says in one line what is looked at, Why why it matters.
	Looks, Why string
	// Fixes says whether keeper doctor --fix can mend it.
	Fixes bool
}

// Checks are all things that the doctor looks at, in the order of docs/reference/doctor.md.
// A test holds them against the findings that the code can make.
func Checks() []Check {
	return append(append(checksOfKeeper(), checksOfHost()...), checksOfStack()...)
}

func checksOfKeeper() []Check { return nil }
