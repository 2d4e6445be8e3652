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

func checksOfKeeper() []Check {
	return []Check{
		{"stand-down", "a pause, an administrator's mark, and whether the account is locked, expired or removed", "while keeper stands down, nothing is brought back", false},
		{"logind", "logind, and PID 1, answer", "without logind nobody can bring the user manager back", false},
		{"linger", "linger is on for the account", "without it the stack ends with the last session, and does not start at boot", true},
		{"closing", "what logind believes of the account (User.State)", "an account that is closing is on its way out", true},
		{"polkit", "polkit lets the account set its own linger", "keeper brings the account back by that", false},
		{"manager", "the user manager answers", "everything of the account runs under it", false},
		{"rearm", "keeper-session.service is enabled and active, as its file stands, the first to start and the last to stop, and its program is there", "its stop is what brings the stack back from terminate-user", true},
		{"budget", "how often the account was brought back of late", "past a budget it stays down, for that is a loop", false},
		{"helper-order", "the scopes of Podman's network helpers stop after the containers", "an application that finishes requests needs its network", false},
		{"daemon", "keeper.service is enabled and runs", "it keeps linger on, and looks after the services", true},
		{"root", "root's part: armor and revive, as PID 1 has them", "what kills the user manager outright is survived with it alone", false},
		{"runtime", "Podman's runtime state and locks, against the processes that live", "Podman refuses to start anything over a stale state, and does not see what lives without locks", true},
		{"network", "the network helpers that should run", "containers reach one another by aardvark-dns, and the world by pasta or slirp4netns", true},
		{"in-session", "the cgroups of the containers' processes", "what is in a login session's scope dies with that session, linger or not", false},
		{"order", "each application is ordered after the stores it shares a network with", "systemd stops in the reverse of that order, and a store that ends first leaves its application with errors", true},
		{"delay", "keeper holds a delay inhibitor, and logind waits long enough for what must stop first", "at a shutdown, applications without an order have that long", false},
		{"lost", "the Quadlet file of each service that runs is still there", "a service whose file was deleted runs on, and never starts again", true},
		{"wanted", "something starts each service: WantedBy=, RequiredBy=, or a timer, a socket or a path", "what nothing starts does not come back after a boot", true},
		{"settings", "keeper.toml has no mistakes", "with a mistake the settings before, or the defaults, are in force", false},
		{"adoption", "no adoption of containers was interrupted", "what it changed is neither as it was nor as it is to be", false},
		{"without-unit", "each container that runs has a unit", "what has none does not come back after its session ends", false},
		{"drift", "what runs is as its unit says, and the unit as its Compose file says", "at its next start a container is as its unit says", false},
		{"guard", "the command guard stands before each agent that is used", "one command of an agent's can end the stack or its data", false},
		{"guard-settings", "the guard's settings have no mistakes", "what cannot be read does not count", false},
		{"guard-loose", "an agent's settings open nothing deadly wide, such as loginctl or busctl", "what it may run without asking includes what ends a session", false},
	}
}
